import numpy as np
import pytest
import torch

from hero_core.config import load_config
from hero_core.models.sampling import SamplingConfig
from hero_core.runs import load_evaluator, load_hero
from trainer.eval.held_out import open_held_out
from trainer.eval.protocol import PROTOCOLS, Evaluation, EvaluationConfig, OfficialSwitches

CPU = torch.device("cpu")


class Echo:
    """A generator whose reaction is constant: the first number that it knows of the video, plus a draw."""

    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise
        self.calls: list[tuple[int, int]] = []

    def generate(self, condition, lengths, rng):
        assert condition.frames.shape[0] == len(lengths)
        longest = int(lengths.max())
        self.calls.append((len(lengths), longest))
        level = condition.frames[:, 0, :1, None] + self.noise * torch.rand(len(lengths), 1, 1, generator=rng)
        return level.expand(-1, longest, 263).clone()


@pytest.fixture(scope="module")
def samples(truth_folder):
    return [pair.sample for pair in open_held_out(truth_folder).pairs]


@pytest.fixture(scope="module")
def padded_frames(truth_folder):
    return open_held_out(truth_folder).padded_frames


@pytest.fixture
def evaluation(random_run, samples, padded_frames, short):
    def make(generator, **changes):
        config = short.model_copy(update=changes)
        return Evaluation(generator, load_evaluator(random_run), samples, config, padded_frames, CPU)

    return make


def test_the_defaults_are_the_papers_protocol():
    config = EvaluationConfig()
    assert (config.repeats, config.seed, config.batch_size) == (20, 10107, 32)
    assert (config.multimodality_clips, config.multimodality_generations, config.multimodality_pairs) == (
        96,
        30,
        10,
    )
    assert config.sampling == SamplingConfig(
        steps=10, guidance_scale=4, residual_guidance_scale=5, temperature=1
    )
    assert not any(config.official.model_dump().values())
    official = load_config(EvaluationConfig, None, [], base=PROTOCOLS["official"])
    assert all(official.official.model_dump().values())
    assert official.sampling.decode_padded


def test_every_pair_gets_a_reaction_of_its_own_length_to_its_own_video(evaluation, samples):
    made = evaluation(Echo())
    repeat = next(made.repeats())
    assert (
        [len(motion) for motion in repeat.motions]
        == [len(s.motion) // 4 * 4 for s in samples]
        == made.lengths
    )
    for motion, sample in zip(repeat.motions, samples, strict=True):
        assert np.all(motion == sample.frames[0, 0])


def test_a_reaction_does_not_depend_on_its_batch(evaluation):
    alone, together = (next(evaluation(Echo(), batch_size=size).repeats()) for size in (1, 7))
    np.testing.assert_allclose(alone.embeddings, together.embeddings, atol=1e-5)


def test_embeddings_do_not_depend_on_what_shares_the_batch(evaluation, samples):
    made = evaluation(Echo())
    motions = made.real_motions()
    together = made.embed(motions)
    for row in (0, len(motions) - 1):
        np.testing.assert_allclose(made.embed([motions[row]])[0], together[row], atol=1e-5)


def test_some_clips_get_several_reactions(evaluation, short):
    repeat = next(evaluation(Echo(noise=1.0)).repeats())
    rows, several = repeat.multimodality_rows, repeat.multimodality_embeddings
    assert len(set(rows.tolist())) == len(rows) == short.multimodality_clips
    assert several.shape == (3, short.multimodality_generations, 6)
    np.testing.assert_array_equal(several[:, -1], repeat.embeddings[rows])
    assert several.std(axis=1).max() > 0


def test_without_multimodality_every_pair_is_generated_once(evaluation, samples):
    echo = Echo()
    repeat = next(evaluation(echo, multimodality_clips=0).repeats())
    assert sum(count for count, _ in echo.calls) == len(samples)
    assert len(repeat.multimodality_rows) == 0


def test_repeats_differ_and_come_back_with_the_seed(evaluation):
    first, second = evaluation(Echo(noise=1.0)).repeats()
    again = next(evaluation(Echo(noise=1.0)).repeats())
    other = next(evaluation(Echo(noise=1.0), seed=1).repeats())
    np.testing.assert_array_equal(first.embeddings, again.embeddings)
    assert not np.array_equal(first.embeddings, second.embeddings)
    assert not np.array_equal(first.embeddings, other.embeddings)
    assert first.multimodality_rows.tolist() != second.multimodality_rows.tolist()


def test_frozen_multimodality_takes_the_same_clips_in_every_repeat(evaluation):
    first, second = evaluation(Echo(), official=OfficialSwitches(frozen_multimodality=True)).repeats()
    assert first.multimodality_rows.tolist() == second.multimodality_rows.tolist()


def test_random_crops_shorten_some_motions_by_a_token(evaluation, samples):
    whole = evaluation(Echo()).lengths
    made = evaluation(Echo(), official=OfficialSwitches(random_crops=True))
    shortened = {full - cropped for full, cropped in zip(whole, made.lengths, strict=True)}
    assert shortened == {0, 4}
    assert all(
        motion.tobytes() in sample.motion.tobytes()
        for motion, sample in zip(made.real_motions(), samples, strict=True)
    )


def test_the_decoded_padding_reaches_the_evaluator_only_when_asked(random_run, samples, padded_frames, short):
    def embeddings(decode_padded):
        sampling = short.sampling.model_copy(update={"decode_padded": decode_padded})
        config = short.model_copy(update={"sampling": sampling})
        hero = load_hero(random_run, sampling=sampling)
        made = Evaluation(hero, load_evaluator(random_run), samples, config, padded_frames, CPU)
        return next(made.repeats()).embeddings

    assert not np.allclose(embeddings(True), embeddings(False), atol=1e-5)


def test_the_control_sees_other_videos(evaluation, samples):
    other = np.roll(np.arange(len(samples)), 1)
    motions = evaluation(Echo()).generate_with(other, 0)
    for row, motion in enumerate(motions):
        assert np.all(motion == samples[other[row]].frames[0, 0])
        assert len(motion) == len(samples[row].motion) // 4 * 4
