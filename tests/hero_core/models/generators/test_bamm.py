import math

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.errors import ConfigError, InputError
from hero_core.models.base import Batch, TrainingFacts, VideoFeatures, generator_class
from hero_core.models.generators.bamm import Bamm, BammConfig, BammSampling, BammTransformer
from hero_core.models.generators.bamm.passes import (
    BaseTokens,
    first_pass,
    generate_base,
    second_pass,
    to_remake,
)
from hero_core.models.generators.bamm.transformer import HybridDraws, hybrid_attention
from hero_core.models.generators.momask import MomaskResidual, MomaskResidualConfig
from hero_core.models.padding import valid_mask
from hero_core.models.sampling import Guidance, Uniform, uniform_from
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.statistics import MotionStatistics

CODES = 8
CONFIG = BammConfig(
    codebook_size=CODES,
    code_dim=12,
    latent_dim=16,
    ff_size=24,
    layers=2,
    heads=2,
    max_tokens=10,
    feature_dim=16,
    intention_heads=2,
)
GREEDY = BammSampling(temperature=0, residual_temperature=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int = 0) -> Uniform:
    return uniform_from(seeded(seed), torch.device("cpu"))


def video(batch: int, seed: int = 0) -> VideoFeatures:
    frames = torch.randn(batch, 4, CONFIG.feature_dim, generator=seeded(seed))
    return VideoFeatures(frames, frames.mean(dim=1), torch.arange(4).expand(batch, -1) / 4)


def model_of(seed: int = 0, **changes: object) -> BammTransformer:
    """Random weights large enough that the context decides what comes next."""
    torch.manual_seed(seed)
    model = BammTransformer(CONFIG.model_copy(update=changes)).eval()
    with torch.no_grad():
        for weight in [parameter for parameter in model.parameters() if parameter.ndim == 2]:
            weight.mul_(8)
    return model


def make_bamm(sampling: BammSampling = GREEDY, **residual: object) -> Bamm:
    torch.manual_seed(0)
    sizes = {"codebook_size": CODES, "code_dim": 12}
    tokenizer = RvqTokenizer(RvqConfig(width=16, quantizers=3, depth=1, **sizes))
    for layer in tokenizer.network.quantizer.codebooks:
        torch.nn.init.normal_(layer.codebook)
    shared = CONFIG.model_dump(include={"latent_dim", "ff_size", "layers", "heads", "feature_dim"})
    refined = MomaskResidualConfig.model_validate({**sizes, **shared, "quantizers": 3, **residual})
    parts = {"rvq": tokenizer, "autoregressive": model_of(), "residual": MomaskResidual(refined)}
    return Bamm(parts, sampling).eval()


def tokens_of(lengths: Tensor, seed: int = 0) -> Tensor:
    size = int(lengths.max())
    tokens = torch.randint(CODES, (len(lengths), size), generator=seeded(seed))
    return tokens.masked_fill(~valid_mask(lengths, size), -1)


def batch_of(tokens: Tensor, lengths: Tensor) -> Batch:
    keys = tuple(map(str, range(len(tokens))))
    return Batch(keys, 4 * lengths + 3, condition=video(len(tokens)), encoded=tokens[..., None])


# attention and network


def test_nothing_given_is_causal_and_all_given_is_not() -> None:
    given = torch.zeros(1, 3, dtype=torch.bool)
    assert torch.equal(hybrid_attention(given)[0], torch.ones(4, 4).tril().bool())
    assert bool(hybrid_attention(~given).all())


def test_given_places_are_seen_by_all_and_see_each_other() -> None:
    given = torch.tensor([[False, True, False]])  # behind the condition
    expected = [[1, 0, 1, 0], [1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 1]]
    assert hybrid_attention(given)[0].int().tolist() == expected


@torch.no_grad()
def test_logits_depend_on_what_is_before_and_on_what_is_given() -> None:
    model, condition = model_of(), video(1)
    context = model.context(condition, torch.ones(1, dtype=torch.bool))
    ids = torch.tensor([[1, 2, 3, 4, 5]])
    given = torch.tensor([[False, False, False, True, False]])
    for place in range(5):
        changed = ids.clone()
        changed[0, place] = 7
        moved = (model.hidden(changed, given, context) - model.hidden(ids, given, context)).abs()
        affected = (moved.amax(dim=-1)[0] > 1e-6).tolist()
        # the hidden state at position n + 1 is of id n; a given one reaches all but what sees only the given
        if place == 3:
            assert all(affected)
        else:
            expected = [position > place and position != 4 for position in range(6)]
            assert affected == expected


def test_the_defaults_are_the_published_model() -> None:
    model = BammTransformer(BammConfig())
    assert len(model.units) == 8
    unused = 2 * 512  # rows of the official embedding: [PAD] and [MASK]
    assert sum(each.numel() for each in model.parameters()) == pytest.approx(12.050e6 - unused, abs=500)


def test_every_block_starts_with_weights_of_its_own() -> None:
    model = BammTransformer(CONFIG)
    first, second = (unit.attention.inputs.weight for unit in model.units)
    assert not torch.equal(first, second)
    assert first.abs().max().item() <= math.sqrt(6 / (4 * CONFIG.latent_dim))  # Xavier, of all three at once


@torch.no_grad()
def test_a_dropped_condition_leaves_the_bias() -> None:
    model = model_of()
    torch.nn.init.normal_(model.condition_projection.bias)
    context = model.context(video(2), torch.tensor([True, False]))
    assert torch.equal(context[1], model.condition_projection.bias)
    assert not torch.equal(context[0], context[1])


@torch.no_grad()
def test_frames_matter_with_the_intention_only() -> None:
    condition, keep = video(2), torch.ones(2, dtype=torch.bool)
    others = condition._replace(frames=video(2, seed=1).frames)
    plain, intention = model_of(), model_of(use_iie=True)
    assert torch.equal(plain.context(condition, keep), plain.context(others, keep))
    assert not torch.equal(intention.context(condition, keep), intention.context(others, keep))


# training


def test_half_of_the_batches_are_given_up_to_half_of_their_tokens() -> None:
    rng, ids = seeded(), torch.zeros(64, 50, dtype=torch.int64)
    draws = [HybridDraws.draw(ids, CODES, 0.1, rng) for _ in range(200)]
    shares = torch.cat([each.given_share for each in draws])
    assert (shares == 0).float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert 0.45 < shares.max().item() < 0.5
    corrupt = torch.stack([each.corrupt.float().mean() for each in draws])
    assert corrupt.mean().item() == pytest.approx(0.25, abs=0.03)
    assert corrupt.max().item() < 0.52
    assert {int(draws[0].random_tokens.min()), int(draws[0].random_tokens.max())} == {0, CODES - 1}


@torch.no_grad()
def test_every_sample_counts_alike_and_end_is_learnt() -> None:
    model, lengths = model_of(), torch.tensor([7, 2])
    tokens = tokens_of(lengths)
    rng_state = seeded(3)
    together = model.losses(batch_of(tokens, lengths), rng_state)
    ids = model.with_end(tokens, lengths)
    assert ids[1].tolist() == [*tokens[1, :2].tolist(), *[CODES] * 6]
    draws = HybridDraws.draw(ids, CODES, 0.0, seeded(3))
    alone = []
    for row in range(2):
        one = HybridDraws(
            draws.given_share,
            draws.give[row, None],
            draws.corrupt[row, None],
            draws.random_tokens[row, None],
            draws.drop_condition[row, None],
        )
        condition = video(2).map(lambda part, row=row: part[row, None])
        alone.append(model.likelihood(ids[row, None], lengths[row, None], condition, one)["total"])
    torch.testing.assert_close(together["total"], torch.stack(alone).mean())


@torch.no_grad()
def test_what_is_past_a_length_is_ignored() -> None:
    model, lengths = model_of(), torch.tensor([7, 2])
    tokens = tokens_of(lengths)
    other = tokens.masked_fill(tokens == -1, 5)
    ours, theirs = (model.losses(batch_of(each, lengths), seeded()) for each in (tokens, other))
    assert ours == theirs


def test_it_learns_tokens_and_lengths() -> None:
    """Two clips, two reactions of their own lengths: a little training brings both back, length and all."""
    torch.manual_seed(0)
    model, lengths = BammTransformer(CONFIG.model_copy(update={"dropout": 0.0})), torch.tensor([7, 3])
    tokens, rng = tokens_of(lengths), seeded()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        loss = model.losses(batch_of(tokens, lengths), rng)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    settings = BammSampling(temperature=0, guidance_scale=1, second_guidance_scale=1)
    written = generate_base(model, video(2), None, CONFIG.max_tokens, drawn(), settings)
    assert written.lengths.tolist() == lengths.tolist()
    assert written.tokens.masked_fill(~valid_mask(lengths, 7), -1).tolist() == tokens.tolist()
    assert model.training


# generation


def anew(model: BammTransformer, lengths: Tensor | None, uniform: Uniform, settings: BammSampling) -> Tensor:
    """The first pass as the published code has it: all positions for every token, whatever has ended."""
    guidance, condition = Guidance(settings.guidance_scale), video(3)
    ids = torch.full((3, CONFIG.max_tokens), CODES)
    with torch.no_grad():
        context = model.context(*guidance.condition(condition))
        for place in range(CONFIG.max_tokens):
            none = torch.zeros(guidance.copies * 3, CONFIG.max_tokens, dtype=torch.bool)
            hidden = model.hidden(guidance.rows(ids), none, context)[:, place]
            logits = guidance.combine(model.head(hidden))[:, : CODES + (lengths is None)]
            noise = -torch.log(-torch.log(uniform(logits.shape)))
            ids[:, place] = (logits + settings.temperature * noise).argmax(dim=-1)
    return ids


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_remembering_gives_the_tokens_of_computing_everything_anew(scale: float) -> None:
    model, settings = model_of(), BammSampling(guidance_scale=scale)
    expected = anew(model, None, drawn(), settings)
    written = first_pass(model, video(3), None, CONFIG.max_tokens, drawn(), settings)
    for row, ids in enumerate(expected.tolist()):
        length = ids.index(CODES) if CODES in ids else len(ids)
        assert int(written.lengths[row]) == max(length, 1)
        assert written.tokens[row, :length].tolist() == ids[:length]


def test_given_lengths_are_kept_to() -> None:
    model, lengths = model_of(), torch.tensor([6, 1, 4])
    expected = anew(model, lengths, drawn(), BammSampling())
    written = first_pass(model, video(3), lengths, CONFIG.max_tokens, drawn(), BammSampling())
    assert written.lengths.tolist() == [6, 1, 4]
    assert written.tokens.tolist() == expected[:, :6].tolist()
    assert bool((written.tokens < CODES).all())


def biased(towards: int) -> BammTransformer:
    model = model_of()
    with torch.no_grad():
        model.head[3].bias[towards] = 1e4
    return model


def test_a_reaction_is_at_least_one_token() -> None:
    written = first_pass(biased(CODES), video(3), None, CONFIG.max_tokens, drawn(), BammSampling())
    assert written.lengths.tolist() == [1, 1, 1]
    assert written.tokens.tolist() == [[0], [0], [0]]


def test_a_reaction_is_at_most_what_is_asked_for() -> None:
    written = first_pass(biased(5), video(3), None, 6, drawn(), BammSampling())
    assert written.lengths.tolist() == [6, 6, 6]
    assert written.tokens.tolist() == [[5] * 6] * 3


def test_what_is_remade() -> None:
    lengths = torch.tensor([5, 1, 4])
    confidence = torch.tensor([[0.5, 0.1, 0.9, 0.2, 0.3], [0.4, 0, 0, 0, 0], [0.2, 0.1, 0.3, 0.4, 0]])
    written = BaseTokens(tokens_of(lengths), lengths, confidence)
    remade = to_remake(written, BammSampling(remake="least-confident"))
    assert remade.int().tolist() == [[0, 1, 0, 1, 0], [1, 0, 0, 0, 0], [1, 1, 0, 0, 0]]
    remade = to_remake(written, BammSampling(remake="every-second"))
    assert remade.int().tolist() == [[0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0]]


def test_the_second_pass_changes_only_what_is_remade() -> None:
    model, lengths = model_of(), torch.tensor([6, 2, 4])
    written = first_pass(model, video(3), lengths, CONFIG.max_tokens, drawn(), BammSampling())
    remade = to_remake(written, BammSampling())
    again = second_pass(model, video(3), written, remade, drawn(1), BammSampling())
    assert torch.equal(again.tokens[~remade], written.tokens[~remade])
    assert not torch.equal(again.tokens[remade], written.tokens[remade])
    assert torch.equal(again.confidence[~remade], written.confidence[~remade])
    assert again.lengths.tolist() == [6, 2, 4]


def second_anew(written: BaseTokens, remade: Tensor, uniform: Uniform, settings: BammSampling) -> Tensor:
    """The second pass, all positions computed for every token."""
    model, condition = model_of(), video(3)
    guidance = Guidance(settings.second_guidance_scale)
    ids = model.with_end(written.tokens, written.lengths)
    given = torch.cat([~remade, torch.zeros(3, 1, dtype=torch.bool)], dim=1)
    given &= valid_mask(written.lengths + 1, ids.shape[1])
    given[torch.arange(3), written.lengths] = True
    with torch.no_grad():
        context = model.context(*guidance.condition(condition))
        for place in range(remade.shape[1]):
            hidden = model.hidden(guidance.rows(ids), guidance.rows(given), context)[:, place]
            logits = guidance.combine(model.head(hidden))[:, :CODES]
            noise = -torch.log(-torch.log(uniform(logits.shape)))
            drawn = (logits + settings.temperature * noise).argmax(dim=-1)
            ids[:, place] = (
                drawn if settings.redraw_given else torch.where(given[:, place], ids[:, place], drawn)
            )
    return torch.where(remade, ids[:, :-1], written.tokens)


@pytest.mark.parametrize("redraw_given", [False, True])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_second_pass_gives_the_tokens_of_computing_everything_anew(
    scale: float, redraw_given: bool
) -> None:
    model, lengths = model_of(), torch.tensor([9, 2, 5])
    settings = BammSampling(second_guidance_scale=scale, redraw_given=redraw_given)
    written = first_pass(model, video(3), lengths, CONFIG.max_tokens, drawn(), settings)
    remade = to_remake(written, settings)
    again = second_pass(model, video(3), written, remade, drawn(1), settings)
    valid = valid_mask(lengths, 9)
    assert torch.equal(again.tokens[valid], second_anew(written, remade, drawn(1), settings)[valid])


def test_without_a_second_pass_the_first_is_all() -> None:
    model, settings = model_of(), BammSampling(remake="none")
    first = first_pass(model, video(3), None, CONFIG.max_tokens, drawn(), settings)
    written = generate_base(model, video(3), None, CONFIG.max_tokens, drawn(), settings)
    assert torch.equal(written.tokens, first.tokens)


# the generator


def test_it_is_known_by_its_name() -> None:
    assert generator_class("bamm") is Bamm
    assert list(Bamm.parts) == ["rvq", "autoregressive", "residual"]
    assert Bamm.chooses_length
    assert Bamm.stops_by_itself


def test_reactions_of_asked_lengths_are_zero_behind_them() -> None:
    bamm = make_bamm()
    made = bamm.generate(video(3), torch.tensor([39, 4, 18]), seeded())
    assert made.motion.shape == (3, 36, 263)
    assert made.lengths.tolist() == [36, 4, 16]
    for row, length in enumerate(made.lengths.tolist()):
        assert bool(made.motion[row, :length].any(dim=-1).all())
        assert not made.motion[row, length:].any()


@pytest.mark.parametrize("remake", ["least-confident", "every-second", "none"])
def test_reactions_of_its_own_lengths(remake: str) -> None:
    bamm = make_bamm(BammSampling(remake=remake))
    made = bamm.generate(video(5), None, seeded())
    assert made.motion.shape == (5, int(made.lengths.max()), 263)
    assert bool((made.lengths % 4 == 0).all())
    assert 4 <= int(made.lengths.min()) <= int(made.lengths.max()) <= bamm.max_length
    assert not made.motion[~valid_mask(made.lengths, made.motion.shape[1])].any()
    again, other = (bamm.generate(video(5), None, seeded(seed)) for seed in (0, 1))
    assert torch.equal(made.motion, again.motion)
    assert not torch.equal(made.lengths, other.lengths) or not torch.equal(made.motion, other.motion)


def test_a_reaction_does_not_depend_on_the_others_of_its_batch() -> None:
    bamm, condition = make_bamm(), video(3)
    together = bamm.generate(condition, torch.tensor([12, 40, 24]), seeded()).motion
    alone = bamm.generate(condition.map(lambda part: part[:1]), torch.tensor([12]), seeded()).motion
    torch.testing.assert_close(together[:1, :12], alone, atol=1e-5, rtol=1e-5)


def test_it_generates_before_it_has_finer_layers() -> None:
    bamm = make_bamm()
    base = Bamm({"rvq": bamm.tokenizer, "autoregressive": bamm.autoregressive}).eval()
    assert base.generate(video(2), torch.tensor([8, 12]), seeded()).motion.shape == (2, 12, 263)


def test_the_longest_reaction_fits_all_parts() -> None:
    assert make_bamm().max_length == 40
    shorter = make_bamm(max_tokens=6)
    assert shorter.max_length == 24
    assert int(shorter.generate(video(8), None, seeded()).lengths.max()) <= 24
    with pytest.raises(InputError, match="4 to 24"):
        shorter.generate(video(1), torch.tensor([28]), seeded())


def test_parts_must_fit() -> None:
    with pytest.raises(ConfigError, match="codebook_size is rvq 8, autoregressive 8, residual 16"):
        make_bamm(codebook_size=16)


def test_it_is_built_for_the_data() -> None:
    facts = TrainingFacts(
        MotionStatistics(np.zeros(263), np.ones(263)), 32, 40, {"rvq": make_bamm().tokenizer}
    )
    model = BammTransformer.build(CONFIG, facts)
    assert (model.config.feature_dim, model.config.codebook_size) == (32, CODES)
    with pytest.raises(ConfigError, match="need autoregressive.model.max_tokens of at least 10"):
        BammTransformer.build(CONFIG.model_copy(update={"max_tokens": 9}), facts)
    with pytest.raises(ValueError, match="divisible by heads 3"):
        BammConfig(latent_dim=16, heads=3)
