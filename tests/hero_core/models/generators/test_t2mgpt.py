import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hero_core.errors import ConfigError, InputError
from hero_core.models.base import Batch, TrainingFacts, VideoFeatures
from hero_core.models.checkpoint import load_network, save_network
from hero_core.models.generators.t2mgpt import (
    CorruptionDraws,
    GptConfig,
    GptTransformer,
    T2mGpt,
    T2mGptSampling,
    VqConfig,
    VqTokenizer,
)
from hero_core.models.padding import valid_mask
from hero_core.models.sampling import Uniform, sample_tokens, uniform_from
from hero_core.motion.statistics import MotionStatistics

CONFIG = GptConfig(
    codebook_size=8,
    width=16,
    layers=3,
    heads=2,
    ff_size=32,
    max_tokens=10,
    feature_dim=12,
    intention_heads=2,
)
VQ = VqConfig(width=8, code_dim=8, codebook_size=8, depth=1)
GREEDY = T2mGptSampling(temperature=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int = 0) -> Uniform:
    return uniform_from(seeded(seed), torch.device("cpu"))


def video(batch: int, seed: int = 0) -> VideoFeatures:
    frames = torch.randn(batch, 4, CONFIG.feature_dim, generator=seeded(seed))
    return VideoFeatures(frames, frames.mean(dim=1), torch.arange(4).expand(batch, -1) / 4)


def model_of(seed: int = 0, **changes: object) -> GptTransformer:
    """Random weights large enough that the context decides what comes next."""
    torch.manual_seed(seed)
    model = GptTransformer(CONFIG.model_copy(update=changes)).eval()
    with torch.no_grad():
        for weight in [parameter for parameter in model.parameters() if parameter.ndim == 2]:
            weight.mul_(8)
    return model


def tokens_of(lengths: Tensor, seed: int = 0) -> Tensor:
    size = int(lengths.max())
    tokens = torch.randint(CONFIG.codebook_size, (len(lengths), size), generator=seeded(seed))
    return tokens.masked_fill(~valid_mask(lengths, size), -1)


def batch_of(tokens: Tensor, lengths: Tensor, condition: VideoFeatures) -> Batch:
    keys = tuple(map(str, range(len(tokens))))
    return Batch(keys, 4 * lengths + 3, condition=condition, encoded=tokens[..., None])


def generate_anew(
    model: GptTransformer, condition: VideoFeatures, uniform: Uniform, settings: T2mGptSampling
) -> Tensor:
    """What the published code does: the whole sequence is computed for every token, and nothing remembered."""
    batch = len(condition.global_feature)
    tokens = torch.zeros(batch, 0, dtype=torch.int64)
    for place in range(model.config.max_tokens):
        logits = model.logits(tokens, condition)[:, -1]
        if place == 0:
            logits[:, model.end_id] = -torch.inf
        new = sample_tokens(logits, uniform(logits.shape), settings.temperature, settings.top_k_ratio)
        tokens = torch.cat([tokens, new[:, None]], dim=1)
    ended = (tokens == model.end_id).cumsum(dim=1) > 0
    return tokens.masked_fill(ended, -1)


@pytest.mark.parametrize("settings", [T2mGptSampling(), GREEDY, T2mGptSampling(top_k_ratio=0.4)])
def test_remembering_gives_the_tokens_of_computing_everything_anew(settings: T2mGptSampling) -> None:
    ends = set()
    for seed in range(4):
        model, condition = model_of(seed), video(6, seed)
        remembered = model.generate(condition, None, drawn(seed), settings)
        with torch.no_grad():
            anew = generate_anew(model, condition, drawn(seed), settings)
        size = remembered.shape[1]
        assert torch.equal(remembered, anew[:, :size])
        assert (anew[:, size:] == -1).all()
        ends |= set((remembered >= 0).sum(dim=1).tolist())
    assert len(ends) >= 2


def test_a_motion_never_ends_before_its_first_token() -> None:
    model = model_of()
    with torch.no_grad():
        model.head.weight.zero_()
        model.final_norm.weight.zero_()
        model.final_norm.bias.fill_(1.0)
        model.head.weight[model.end_id] = 1.0  # END is by far the likeliest, everywhere
    tokens = model.generate(video(3), None, drawn(), GREEDY)
    assert tokens.shape == (3, 1)
    assert (tokens >= 0).all()


def test_given_lengths_are_kept_and_nothing_else_is_changed_by_a_longer_neighbour() -> None:
    model, lengths = model_of(), torch.tensor([3, 10, 1, 7])
    tokens = model.generate(video(4), lengths, drawn(), GREEDY)
    assert tokens.shape == (4, 10)
    assert (tokens >= 0).sum(dim=1).tolist() == lengths.tolist()
    assert tokens.max() < CONFIG.codebook_size
    alone = video(4).map(lambda each: each[2:3])
    assert torch.equal(model.generate(alone, lengths[2:3], drawn(), GREEDY)[0], tokens[2, :1])


def test_the_distribution_is_the_predicted_one() -> None:
    model, condition = model_of(), video(1)
    many = condition.map(lambda each: each.expand(20_000, *each.shape[1:]))
    tokens = model.generate(many, torch.full((20_000,), 1), drawn(), T2mGptSampling())
    shares = torch.bincount(tokens[:, 0], minlength=8) / 20_000
    expected = model.logits(torch.zeros(1, 0, dtype=torch.int64), condition)[0, 0, :8].softmax(0)
    torch.testing.assert_close(shares, expected.detach(), atol=0.015, rtol=0)


def test_no_position_sees_what_comes_after_it() -> None:
    model, tokens = model_of(), tokens_of(torch.tensor([9, 9]))
    before, changed = model.logits(tokens, video(2)), tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 8
    after = model.logits(changed, video(2))
    torch.testing.assert_close(after[:, :6], before[:, :6])
    assert (after[:, 6:] - before[:, 6:]).abs().amax(dim=-1).min() > 1e-4


def test_every_motion_counts_the_same_and_its_end_is_predicted() -> None:
    model, lengths, condition = model_of(), torch.tensor([9, 2]), video(2)
    tokens = tokens_of(lengths)
    losses = model.losses(batch_of(tokens, lengths, condition), seeded())
    log = model.logits(tokens.clamp(min=0), condition).log_softmax(-1).detach()
    each, right = [], 0
    for row, length in enumerate(lengths.tolist()):
        targets = [*tokens[row, :length].tolist(), CONFIG.codebook_size]
        each.append(-sum(log[row, place, target] for place, target in enumerate(targets)) / len(targets))
        right += sum(int(log[row, place].argmax()) == target for place, target in enumerate(targets))
    assert losses["total"].item() == pytest.approx(float(sum(each) / 2), rel=1e-5)
    assert losses["accuracy"].item() == pytest.approx(right / 13)


def test_fresh_weights_are_near_chance() -> None:
    lengths = torch.tensor([10, 7, 4])
    losses = GptTransformer(CONFIG).losses(batch_of(tokens_of(lengths), lengths, video(3)), seeded())
    assert losses["total"].item() == pytest.approx(math.log(CONFIG.codebook_size + 1), abs=0.3)


def test_corruption_is_of_training_alone_and_leaves_what_is_predicted() -> None:
    tokens, lengths = tokens_of(torch.full((400,), 10)), torch.full((400,), 10)
    draws = CorruptionDraws.draw(tokens, 8, 0.5, seeded())
    model = model_of(dropout=0.0)
    ended = model.ended(tokens, lengths)
    read = model.corrupt(ended, draws)
    assert draws.keep.float().mean().item() == pytest.approx(0.5, abs=0.03)
    changed = (read != tokens).float().mean().item()
    assert changed == pytest.approx(0.5 * 7 / 8, abs=0.03)
    assert set(read.unique().tolist()) == set(range(8))
    batch = batch_of(tokens, lengths, video(400))
    true, other = (model.losses(batch, seeded(seed))["total"].item() for seed in (0, 1))
    model.train()
    corrupted, another = (model.losses(batch, seeded(seed))["total"].item() for seed in (0, 1))
    assert true == other
    assert len({true, corrupted, another}) == 3


def test_what_stands_behind_a_motion_does_not_matter() -> None:
    model, lengths = model_of(), torch.tensor([9, 2])
    tokens = tokens_of(lengths)
    longer = F.pad(tokens, (0, 1), value=5)
    longer[1, 2:] = 7
    losses = [
        model.losses(batch_of(each, lengths, video(2)), seeded())["total"].item() for each in (tokens, longer)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_model_can_learn_when_to_end() -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([2, 5, 8, 10])
    condition, tokens = video(4), tokens_of(lengths)
    model = GptTransformer(CONFIG.model_copy(update={"dropout": 0.0})).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rng = seeded()
    for _ in range(250):
        optimiser.zero_grad()
        torch.autograd.backward(model.losses(batch_of(tokens, lengths, condition), rng)["total"])
        optimiser.step()
    assert torch.equal(model.generate(condition, None, drawn(), GREEDY), tokens)


def test_the_interaction_intention_can_take_the_place_of_the_global_feature() -> None:
    plain, intended = model_of(), model_of(use_iie=True)
    condition = video(2)
    other = condition._replace(frames=condition.frames.roll(1, dims=0))
    tokens = tokens_of(torch.tensor([3, 3]))
    assert torch.equal(plain.logits(tokens, condition), plain.logits(tokens, other))
    assert not torch.allclose(intended.logits(tokens, condition), intended.logits(tokens, other))


def generator_of(sampling: T2mGptSampling | None = None) -> T2mGpt:
    torch.manual_seed(0)
    tokenizer = VqTokenizer(VQ).eval()
    with torch.no_grad():
        tokenizer.network.quantizer.codebooks[0].codebook.normal_()
    return T2mGpt({"vq": tokenizer, "gpt": model_of()}, sampling)


def test_a_generator_chooses_lengths_or_keeps_to_given_ones() -> None:
    generator = generator_of()
    assert generator.chooses_length
    assert generator.stops_by_itself
    assert (generator.feature_dim, generator.max_length) == (12, 40)
    chosen = generator.generate(video(5), None, seeded())
    given = generator.generate(video(5), torch.tensor([40, 4, 11, 23, 8]), seeded())
    assert given.lengths.tolist() == [40, 4, 8, 20, 8]
    assert set(chosen.lengths.tolist()) <= set(range(4, 41, 4))
    for motion, lengths in (chosen, given):
        assert motion.shape == (5, int(lengths.max()), 263)
        past = ~valid_mask(lengths, motion.shape[1])
        assert not motion[past].any()
        assert motion[~past].abs().sum(-1).min() > 0
    again = generator.generate(video(5), None, seeded())
    assert torch.equal(again.motion, chosen.motion)
    with pytest.raises(InputError, match="44 frames"):
        generator.generate(video(1), torch.tensor([44]), seeded())


def test_a_motion_is_decoded_without_padding() -> None:
    generator = generator_of(GREEDY)
    together = generator.generate(video(3), torch.tensor([40, 12, 8]), seeded())
    alone = generator.generate(video(3).map(lambda each: each[1:2]), torch.tensor([12]), seeded())
    torch.testing.assert_close(together.motion[1, :12], alone.motion[0])
    again = generator.reconstruct(together.motion, together.lengths)
    assert again.shape == together.motion.shape


def test_parts_for_other_codes_are_refused() -> None:
    with pytest.raises(ConfigError, match="8 codes, gpt predicts 9"):
        T2mGpt({"vq": VqTokenizer(VQ), "gpt": GptTransformer(CONFIG.model_copy(update={"codebook_size": 9}))})


def test_sizes_come_from_the_data_and_the_tokenizer() -> None:
    statistics = MotionStatistics.from_vectors([torch.randn(50, 263, generator=seeded()).numpy()])
    facts = TrainingFacts(statistics, feature_dim=16, longest_frames=43, parts={"vq": VqTokenizer(VQ)})
    config = CONFIG.model_copy(update={"codebook_size": 512, "feature_dim": 512})
    built = GptTransformer.build(config, facts)
    assert (built.config.codebook_size, built.config.feature_dim) == (8, 16)
    with pytest.raises(ConfigError, match=r"44 frames, which need gpt\.model\.max_tokens of at least 11"):
        GptTransformer.build(config, TrainingFacts(statistics, 16, 44, {"vq": VqTokenizer(VQ)}))
    with pytest.raises(ConfigError, match="heads 3"):
        GptTransformer.build(config.model_copy(update={"heads": 3}), facts)


def test_a_tokenizer_has_one_codebook_and_no_dropout() -> None:
    assert (VqConfig().quantizers, VqConfig().dropout, VqConfig().sample_temperature) == (1, 0, 0)
    with pytest.raises(ValueError, match="quantizers"):
        VqConfig.model_validate({"quantizers": 2})


def test_a_checkpoint_gives_the_same_logits(tmp_path: Path) -> None:
    model, tokens = model_of(use_iie=True), tokens_of(torch.tensor([4, 4]))
    save_network(tmp_path / "gpt.safetensors", model, {})
    loaded, _ = load_network(tmp_path / "gpt.safetensors", GptTransformer)
    assert torch.equal(loaded.logits(tokens, video(2)), model.logits(tokens, video(2)))
