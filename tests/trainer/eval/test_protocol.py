import numpy as np
import pytest
import torch

from hero_core.config import load_config
from hero_core.models.generators.hero import Hero, HeroSampling
from hero_core.motion.format import MAX_FRAMES
from hero_core.runs import load_evaluator, load_generator
from trainer.eval.protocol import PROTOCOLS, Evaluation, EvaluationConfig, OfficialSwitches, protocol_for

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def samples(data):
    return data.held_out("test")


@pytest.fixture(scope="module")
def evaluator(run):
    return load_evaluator(run)[0]


@pytest.fixture
def evaluation(evaluator, samples, short):
    def make(generator, **changes):
        return Evaluation(generator, evaluator, samples, short.model_copy(update=changes), CPU)

    return make


@pytest.fixture
def widths(evaluator, monkeypatch):
    """How many frames each batch that was embedded is padded to, and whether its tails are set to zero."""
    seen = []
    embed = evaluator.embed

    def spy(motion, lengths, zero_tail=True):
        seen.append((motion.shape[1], zero_tail))
        return embed(motion, lengths, zero_tail)

    monkeypatch.setattr(evaluator, "embed", spy)
    return seen


def test_the_defaults_are_the_papers_protocol():
    config = EvaluationConfig()
    assert (config.repeats, config.seed, config.batch_size) == (20, 10107, 32)
    several = (config.multimodality_clips, config.multimodality_generations, config.multimodality_pairs)
    assert several == (96, 30, 10)
    assert not any(config.official.model_dump().values())
    official = load_config(EvaluationConfig, None, [], base=PROTOCOLS["official"])
    assert all(official.official.model_dump().values())
    assert (config.intervals, official.intervals) == ("student", "paper")
    assert (config.pairs, PROTOCOLS["quick"]["pairs"]) == ("all", "first")


@pytest.mark.parametrize("lengths", ["auto", "true", "own"])
def test_whose_lengths_reactions_have_is_set_by_a_word(lengths):
    assert load_config(EvaluationConfig, None, [f"lengths={lengths}"]).lengths == lengths


def test_the_official_sampling_applies_where_the_generator_has_it(monkeypatch, echo):
    assert protocol_for("official", Hero.kind)["sampling"] == {"decode_padded": True}
    monkeypatch.setattr("trainer.eval.protocol.generator_class", lambda kind: echo)
    preset = protocol_for("official", "echo")
    assert preset["sampling"] == {}
    assert preset["official"] == PROTOCOLS["official"]["official"]


def test_sampling_settings_reach_the_generator_as_they_were_set():
    overrides = ["sampling.guidance_scale=2", "sampling.decode_padded=true", "sampling.residual_layers=1"]
    config = load_config(EvaluationConfig, None, overrides)
    sampling = load_config(HeroSampling, None, config.sampling_overrides())
    assert sampling == HeroSampling(guidance_scale=2, decode_padded=True, residual_layers=1)
    assert EvaluationConfig(sampling={"name": 'a "b"'}).sampling_overrides() == ['name="a \\"b\\""']


def test_every_pair_gets_a_reaction_of_its_own_length_to_its_own_video(evaluation, samples, echo):
    made = evaluation(echo())
    motions = made.repeat(0).reactions.motions
    lengths = [len(motion) for motion in motions]
    assert lengths == [len(sample.motion) // 4 * 4 for sample in samples] == made.lengths
    for motion, sample in zip(motions, samples, strict=True):
        assert np.all(motion == sample.video.frames[0, 0])


def test_a_reaction_does_not_depend_on_its_batch(evaluation, echo):
    alone, together = (evaluation(echo(), batch_size=size).repeat(0).reactions for size in (1, 7))
    np.testing.assert_allclose(alone.embeddings, together.embeddings, atol=1e-5)


def test_true_and_generated_motions_are_padded_alike_whatever_is_in_the_split(evaluation, echo, widths):
    made = evaluation(echo())
    made.embed(made.real_motions())
    made.repeat(0)
    assert set(widths) == {(MAX_FRAMES, True)}


def test_some_clips_get_several_reactions(evaluation, short, echo):
    repeat = evaluation(echo(noise=1.0)).repeat(0)
    rows, several = repeat.multimodality_rows, repeat.multimodality_embeddings
    assert len(set(rows.tolist())) == len(rows) == short.multimodality_clips
    assert several.shape == (3, short.multimodality_generations, 6)
    np.testing.assert_array_equal(several[:, -1], repeat.reactions.embeddings[rows])
    assert several.std(axis=1).max() > 0


def test_without_multimodality_every_pair_is_generated_once(evaluation, samples, echo):
    generator = echo()
    repeat = evaluation(generator, multimodality_clips=0).repeat(0)
    assert sum(map(len, generator.batches)) == len(samples)
    assert len(repeat.multimodality_rows) == 0


def test_repeats_differ_and_come_back_with_the_seed(evaluation, echo):
    first, second = (evaluation(echo(noise=1.0)).repeat(number) for number in (0, 1))
    again = evaluation(echo(noise=1.0)).repeat(0)
    other = evaluation(echo(noise=1.0), seed=1).repeat(0)
    np.testing.assert_array_equal(first.reactions.embeddings, again.reactions.embeddings)
    assert not np.array_equal(first.reactions.embeddings, second.reactions.embeddings)
    assert not np.array_equal(first.reactions.embeddings, other.reactions.embeddings)
    assert first.multimodality_rows.tolist() != second.multimodality_rows.tolist()


def test_frozen_multimodality_takes_the_same_clips_in_every_repeat(evaluation, echo):
    made = evaluation(echo(), official=OfficialSwitches(frozen_multimodality=True))
    first, second = made.repeat(0), made.repeat(1)
    assert first.multimodality_rows.tolist() == second.multimodality_rows.tolist()


def test_random_crops_shorten_some_motions_by_a_token(evaluation, samples, echo):
    whole = evaluation(echo()).lengths
    made = evaluation(echo(), official=OfficialSwitches(random_crops=True))
    shortened = {full - cropped for full, cropped in zip(whole, made.lengths, strict=True)}
    assert shortened == {0, 4}
    pieces = list(zip(made.real_motions(), samples, strict=True))
    assert all(motion.tobytes() in sample.motion.tobytes() for motion, sample in pieces)


def test_the_video_is_timed_from_where_the_motion_starts(evaluation, samples, echo):
    def first_times(**official):
        generator = echo()
        evaluation(generator, multimodality_clips=0, official=OfficialSwitches(**official)).repeat(0)
        return torch.cat(generator.times)[:, 0]

    assert first_times().eq(0).all()
    cropped = evaluation(echo(), official=OfficialSwitches(random_crops=True)).real_motions()
    starts = [
        sample.motion.tobytes().index(motion.tobytes()) // sample.motion[0].nbytes
        for motion, sample in zip(cropped, samples, strict=True)
    ]
    found = sorted(-20 * first_times(random_crops=True))
    np.testing.assert_allclose(found, sorted(starts), atol=1e-4)
    assert max(starts) > 0


def test_what_is_behind_a_reactions_end_reaches_the_evaluator_by_the_official_switch_only(
    evaluation, run, widths
):
    def embeddings(decode_padded, keep_tail):
        generator = load_generator(run, sampling=["steps=2", f"decode_padded={str(decode_padded).lower()}"])
        made = evaluation(generator, official=OfficialSwitches(keep_tail=keep_tail))
        return made.repeat(0).reactions.embeddings

    kept, cut = embeddings(True, keep_tail=True), embeddings(True, keep_tail=False)
    assert not np.allclose(kept, cut, atol=1e-5)
    assert {zero_tail for _, zero_tail in widths} == {True, False}
    assert max(width for width, zero_tail in widths if not zero_tail) < MAX_FRAMES


def test_the_controls_see_other_videos_at_the_lengths_of_the_pairs(evaluation, samples, echo):
    rows = list(range(len(samples)))
    videos = [samples[row].video for row in rows[::-1]]
    motions = evaluation(echo()).react_to(videos, 0, rows)
    for row, (motion, video) in enumerate(zip(motions, videos, strict=True)):
        assert np.all(motion == video.frames[0, 0])
        assert len(motion) == len(samples[row].motion) // 4 * 4


def test_the_round_trip_is_the_generators_own(evaluation, run, echo):
    made = evaluation(load_generator(run))
    motions = made.real_motions()
    rebuilt = made.reconstruct(motions)
    assert [motion.shape for motion in rebuilt] == [motion.shape for motion in motions]
    assert not np.allclose(rebuilt[0], motions[0], atol=0.01)
    assert evaluation(echo()).reconstruct(motions) is None
