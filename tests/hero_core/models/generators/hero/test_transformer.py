import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from hero_core.errors import InputError
from hero_core.models.attention import Attention, attention_bias
from hero_core.models.base import VideoFeatures
from hero_core.models.generators.hero.transformer import (
    DecoderUnit,
    Hidden,
    TransformerConfig,
    VideoDecoder,
    initialise,
    token_times,
)
from hero_core.models.padding import Packing, valid_mask

CONFIG = TransformerConfig(
    codebook_size=8,
    code_dim=12,
    latent_dim=16,
    ff_size=24,
    layers=2,
    heads=4,
    max_tokens=6,
    feature_dim=32,
    intention_heads=4,
)
TIMED = CONFIG.model_copy(update={"frame_time": "rotary"})


def video(batch: int = 2, seed: int = 0) -> VideoFeatures:
    rng = torch.Generator().manual_seed(seed)
    frames = torch.randn(batch, 3, CONFIG.feature_dim, generator=rng)
    return VideoFeatures(frames, frames.mean(dim=1), torch.arange(frames.shape[1]).expand(batch, -1) / 4)


def decode(decoder: VideoDecoder, tokens: Tensor, lengths: Tensor, condition: VideoFeatures) -> Tensor:
    context = decoder.context(condition, torch.ones(len(tokens), dtype=torch.bool))
    hidden: Hidden = decoder(tokens, valid_mask(lengths, tokens.shape[1]), context.token, context)
    return hidden.of_tokens(hidden.packed)


def test_unit_is_the_post_norm_unit_of_torch() -> None:
    unit = DecoderUnit(CONFIG).eval()
    reference = nn.TransformerDecoderLayer(16, 4, 24, activation="gelu", batch_first=True).eval()
    pairs = (
        (unit.self_attention, reference.self_attn),
        (unit.frame_attention, reference.multihead_attn),
    )
    for ours, theirs in pairs:
        assert isinstance(ours, Attention)
        theirs.load_state_dict(
            {
                "in_proj_weight": ours.inputs.weight,
                "in_proj_bias": ours.inputs.bias,
                "out_proj.weight": ours.out.weight,
                "out_proj.bias": ours.out.bias,
            }
        )
    reference.linear1.load_state_dict(unit.feed_forward[0].state_dict())
    reference.linear2.load_state_dict(unit.feed_forward[3].state_dict())
    x, memory = torch.randn(2, 5, 16), torch.randn(2, 3, 16)
    valid = valid_mask(torch.tensor([5, 2]), 5)
    expected = reference(x, memory, tgt_key_padding_mask=~valid)
    packing = Packing.of(valid)
    bias = attention_bias(valid, torch.float32)
    hidden = unit(packing.pack(x), packing, bias, unit.look_at(memory, None), None)
    torch.testing.assert_close(hidden, expected[valid], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("most_valid", [10, 11, 18])
def test_computing_the_padding_too_changes_no_valid_token_and_no_gradient(most_valid: int) -> None:
    decoder = VideoDecoder(TIMED.model_copy(update={"dropout": 0.0, "intention_dropout": 0.0}))
    tokens, lengths = torch.randn(3, 6, CONFIG.code_dim), torch.tensor([6, 1, 3])
    valid, weights = valid_mask(lengths, 6), torch.randn(10, CONFIG.latent_dim)
    found = []
    for most in (None, most_valid):
        context = decoder.context(video(3), torch.tensor([True, False, True]))
        made = decoder(tokens, valid, context.token, context, most)
        hidden = made.of_tokens(made.packed)[valid]  # (10, latent)
        decoder.zero_grad()
        torch.autograd.backward((hidden * weights).sum())
        found.append([hidden.detach(), *(each.grad for each in decoder.parameters())])
    for packed, padded in zip(*found, strict=True):
        torch.testing.assert_close(packed, padded, atol=1e-5, rtol=1e-5)


def test_padding_never_reaches_a_valid_token() -> None:
    decoder = VideoDecoder(CONFIG).eval()
    tokens, lengths = torch.randn(2, 6, CONFIG.code_dim), torch.tensor([6, 4])
    changed = tokens.clone()
    changed[1, 4:] += 1
    before, after = (decode(decoder, x, lengths, video()) for x in (tokens, changed))
    torch.testing.assert_close(before[1, :4], after[1, :4])
    alone = decode(decoder, tokens[1:, :4], lengths[1:], VideoFeatures(*(x[1:] for x in video())))
    torch.testing.assert_close(before[1:, :4], alone, atol=1e-5, rtol=1e-5)


def test_tokens_have_positions_and_frames_have_none() -> None:
    decoder = VideoDecoder(CONFIG).eval()
    same = torch.randn(1, 1, CONFIG.code_dim).expand(1, 6, -1)
    condition = video(1)
    hidden = decode(decoder, same, torch.tensor([6]), condition)
    assert not torch.allclose(hidden[0, 0], hidden[0, 1])
    reversed_frames = condition._replace(frames=condition.frames.flip(1))
    torch.testing.assert_close(hidden, decode(decoder, same, torch.tensor([6]), reversed_frames))


def test_rotary_time_adds_no_parameter_and_none_ignores_time() -> None:
    plain, timed = VideoDecoder(CONFIG).eval(), VideoDecoder(TIMED).eval()
    timed.load_state_dict(plain.state_dict())
    tokens, lengths, condition = torch.randn(2, 6, CONFIG.code_dim), torch.tensor([6, 5]), video()
    later = condition._replace(times=condition.times + 1)
    assert torch.equal(decode(plain, tokens, lengths, condition), decode(plain, tokens, lengths, later))
    moved = decode(timed, tokens, lengths, condition) - decode(timed, tokens, lengths, later)
    assert moved.abs().max() > 1e-3


def test_with_rotary_time_only_when_a_frame_is_shown_matters_not_where_it_stands() -> None:
    decoder = VideoDecoder(TIMED).eval()
    tokens, lengths, condition = torch.randn(2, 6, CONFIG.code_dim), torch.tensor([6, 6]), video()
    hidden = decode(decoder, tokens, lengths, condition)
    reversed_frames = condition._replace(frames=condition.frames.flip(1))
    assert not torch.allclose(hidden, decode(decoder, tokens, lengths, reversed_frames), atol=1e-3)
    with_their_times = reversed_frames._replace(times=condition.times.flip(1))
    torch.testing.assert_close(hidden, decode(decoder, tokens, lengths, with_their_times))


def test_a_token_stands_in_the_middle_of_its_four_frames() -> None:
    times = token_times(3, torch.device("cpu"))
    assert times.tolist() == pytest.approx([0.075, 0.275, 0.475])


def test_rotary_time_needs_an_even_width_per_head() -> None:
    with pytest.raises(ValidationError, match="even width per head"):
        TransformerConfig(**{**CONFIG.model_dump(), "latent_dim": 12, "frame_time": "rotary"})


def test_too_many_tokens_are_refused() -> None:
    with pytest.raises(InputError, match="7 motion tokens.*at most 6"):
        decode(VideoDecoder(CONFIG), torch.randn(2, 7, CONFIG.code_dim), torch.tensor([7, 7]), video())


def test_dropping_the_condition_keeps_the_frames_where_set() -> None:
    for keeps_frames in (True, False):
        decoder = VideoDecoder(CONFIG.model_copy(update={"guidance_keeps_frames": keeps_frames})).eval()
        nn.init.normal_(decoder.condition_projection.bias)
        context = decoder.context(video(), torch.tensor([True, False]))
        bias = decoder.condition_projection.bias
        torch.testing.assert_close(context.token[1, 0], bias)
        assert not torch.allclose(context.token[0, 0], bias)
        for unit, memory in zip(decoder.units, context.frames, strict=True):
            without = unit.look_at(bias.expand(1, 3, -1), None)
            assert torch.allclose(memory.keys[1], without.keys[0]) != keeps_frames


def test_without_die_frames_reach_the_tokens_only_through_the_intention() -> None:
    decoder = VideoDecoder(CONFIG.model_copy(update={"use_die": False})).eval()
    assert not any("frame_attention" in name for name, _ in decoder.named_parameters())
    tokens, lengths = torch.randn(2, 6, CONFIG.code_dim), torch.tensor([6, 6])
    assert decoder.context(video(), torch.ones(2, dtype=torch.bool)).frames == ()
    first, second = video(), video()
    second.frames.mul_(2)
    decoder.intention = None
    assert torch.equal(*(decode(decoder, tokens, lengths, condition) for condition in (first, second)))


def test_without_iie_the_token_is_the_plain_global_feature() -> None:
    decoder = VideoDecoder(CONFIG.model_copy(update={"use_iie": False})).eval()
    assert decoder.intention is None
    condition = video()
    context = decoder.context(condition, torch.ones(2, dtype=torch.bool))
    torch.testing.assert_close(context.token[:, 0], decoder.condition_projection(condition.global_feature))


def test_without_both_frames_do_not_matter() -> None:
    decoder = VideoDecoder(CONFIG.model_copy(update={"use_iie": False, "use_die": False})).eval()
    tokens, lengths, condition = torch.randn(2, 6, CONFIG.code_dim), torch.tensor([6, 3]), video()
    other = condition._replace(frames=condition.frames + 1)
    assert torch.equal(decode(decoder, tokens, lengths, condition), decode(decoder, tokens, lengths, other))


def test_initial_weights() -> None:
    config = CONFIG.model_copy(update={"latent_dim": 128, "code_dim": 256})
    decoder = VideoDecoder(config)
    initialise(decoder)
    assert decoder.token_projection.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not decoder.token_projection.bias.any()
    first, second = decoder.units
    assert isinstance(first, DecoderUnit)
    assert isinstance(second, DecoderUnit)
    bound = math.sqrt(6 / (4 * 128))  # Xavier's, of the packed (3d, d) matrix
    largest = first.self_attention.inputs.weight.abs().max().item()
    assert 0.98 * bound < largest <= bound
    assert not torch.equal(first.self_attention.inputs.weight, second.self_attention.inputs.weight)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValidationError, match="latent_dim 10"):
        TransformerConfig(latent_dim=10, heads=4)
    with pytest.raises(ValidationError, match="intention_heads"):
        TransformerConfig(feature_dim=500)
    assert TransformerConfig(feature_dim=500, use_iie=False).feature_dim == 500


def test_every_token_spreads_its_attention_over_the_frames() -> None:
    decoder = VideoDecoder(TIMED).eval()
    tokens, lengths = torch.randn(2, 6, CONFIG.code_dim), torch.tensor([6, 3])
    context = decoder.context(video(), torch.ones(2, dtype=torch.bool))
    valid = valid_mask(lengths, 6)
    weights = decoder.frame_weights(tokens, valid, context.token, context)
    assert weights is not None
    assert weights.shape == (2, 6, 3)
    torch.testing.assert_close(weights[valid].sum(dim=-1), torch.ones(9))
    for module in decoder.units:
        attention = module.frame_attention
        assert isinstance(attention, Attention)
        nn.init.zeros_(attention.inputs.weight[:16])  # queries that ask nothing
        nn.init.zeros_(attention.inputs.bias[:16])
    blind = decoder.frame_weights(tokens, valid, context.token, context)
    assert blind is not None
    torch.testing.assert_close(blind[valid], torch.full((9, 3), 1 / 3))


def test_without_die_no_token_looks_at_frames() -> None:
    decoder = VideoDecoder(CONFIG.model_copy(update={"use_die": False})).eval()
    context = decoder.context(video(), torch.ones(2, dtype=torch.bool))
    tokens, valid = torch.randn(2, 6, CONFIG.code_dim), torch.ones(2, 6, dtype=torch.bool)
    assert decoder.frame_weights(tokens, valid, context.token, context) is None
