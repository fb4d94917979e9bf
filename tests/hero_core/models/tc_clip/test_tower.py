import pytest
import torch
from torch import Tensor

from hero_core.config import parse_config
from hero_core.errors import ConfigError
from hero_core.models.tc_clip.tower import ContextAttention, Mlp, TcClip, TcClipConfig

SMALL = {
    "image_size": 32,
    "patch_size": 8,
    "width": 24,
    "layers": 3,
    "heads": 2,
    "out_dim": 10,
    "frames": 4,
    "context_tokens": 5,
    "merge_rate": 3,
}


def tower(seed: int = 0, dtype: torch.dtype = torch.float32, **settings: float) -> TcClip:
    model = TcClip(TcClipConfig(**{**SMALL, **settings})).initialise(torch.Generator().manual_seed(seed))
    with torch.no_grad():  # as if trained: biases that differ
        for name, parameter in model.named_parameters():
            if name.endswith("local_global_bias_table"):
                parameter.normal_(generator=torch.Generator().manual_seed(seed + 1))
    return model.to(dtype).eval().requires_grad_(False)


def clips(config: TcClipConfig, count: int = 2, seed: int = 5, dtype: torch.dtype = torch.float32) -> Tensor:
    shape = (count, config.frames, 3, config.image_size, config.image_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def test_the_default_is_heros_vit_b_16():
    config = TcClipConfig()
    assert (config.patches, config.seeds, config.layers, config.width) == (196, 58, 12, 768)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"layers": 1},
        {"frames": 1},
        {"frames": 7, "merge_rate": 100},
        {"image_size": 40, "context_tokens": 200},
        {"heads": 1, "seed_ratio": 1.0},
    ],
)
def test_any_size_gives_one_feature_per_frame(settings):
    model = tower(**settings)
    features = model(clips(model.config))
    assert features.shape == (2, model.config.frames, model.config.out_dim)
    assert features.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_run_and_stay_close(dtype):
    # With every seed taken and nothing merged no rounding can flip a choice.
    settings = {"seed_ratio": 1.0, "context_tokens": 64}
    model, other = tower(**settings), tower(dtype=dtype, **settings)
    features = other(clips(model.config, dtype=dtype))
    assert features.dtype == dtype
    torch.testing.assert_close(features.float(), model(clips(model.config)), atol=0.05, rtol=0.05)


def test_clips_of_a_batch_do_not_mix():
    model = tower(dtype=torch.float64)
    video = clips(model.config, count=3, dtype=torch.float64)
    together = model(video)
    for index in range(3):
        torch.testing.assert_close(together[index : index + 1], model(video[index : index + 1]))


def test_frames_see_each_other_only_through_the_context():
    def first_frame(model: TcClip) -> tuple[Tensor, Tensor]:
        video = clips(model.config, count=1, dtype=torch.float64)
        changed = video.clone()
        changed[:, 1:] = clips(model.config, count=1, seed=6, dtype=torch.float64)[:, 1:]
        return model(video)[:, 0], model(changed)[:, 0]

    model = tower(dtype=torch.float64)
    before, after = first_frame(model)
    assert (before - after).abs().max() > 1e-3
    for block in model.transformer.resblocks[1:]:
        block.attn.local_global_bias_table[..., 1] = -1e9  # shut the context out
    before, after = first_frame(model)
    torch.testing.assert_close(before, after)


def test_layers_show_seeds_context_and_class_tokens():
    model = tower()
    video = clips(model.config)
    *inner, last = model.layers(video)
    assert len(inner) == model.config.layers - 1
    for state in (*inner, last):
        assert state.class_tokens.shape == (2, 4, 24)
        assert state.seeds.shape == (2, 4, model.config.seeds)
        ordered = state.seeds.sort(dim=-1).values
        assert (ordered[..., 1:] > ordered[..., :-1]).all()  # no patch twice
        assert ordered.min() >= 0
        assert ordered.max() < model.config.patches
    assert all(state.context_tokens.shape == (2, 5, 24) for state in inner)
    assert last.context_tokens is None
    assert torch.equal(model.project(last.class_tokens), model(video))


def test_seeds_are_the_patches_the_class_token_attends_to():
    model = tower(layers=1, heads=1)
    attention = model.transformer.resblocks[0].attn
    attention.q_proj.weight.zero_()
    attention.q_proj.bias[0] = 1.0  # every query looks for a large first channel
    torch.nn.init.eye_(attention.k_proj.weight)
    video = clips(model.config)
    (state,) = model.layers(video)
    patches = model.transformer.resblocks[0].ln_1(model._embed(video))[:, :, 1:]
    expected = patches[..., 0].argsort(dim=-1, descending=True)[..., : model.config.seeds]
    assert torch.equal(state.seeds, expected)


@pytest.mark.parametrize("sees_context", [False, True])
def test_attention_is_the_softmax_over_local_and_context_keys(sees_context):
    rng = torch.Generator().manual_seed(3)
    attention = ContextAttention(24, 2, sees_context).double().requires_grad_(False)
    for parameter in attention.parameters():
        parameter.normal_(generator=rng)
    local = torch.randn(2, 4, 9, 24, generator=rng, dtype=torch.float64)
    context = torch.randn(2, 5, 24, generator=rng, dtype=torch.float64) if sees_context else None

    seen = local if context is None else torch.cat([local, context[:, None].expand(-1, 4, -1, -1)], dim=2)
    query, key, value = (
        projection(tokens).unflatten(-1, (2, 12)).transpose(2, 3)  # (b, t, h, n, e)
        for projection, tokens in (
            (attention.q_proj, local),
            (attention.k_proj, seen),
            (attention.v_proj, seen),
        )
    )
    logits = query @ key.mT / 12**0.5
    if sees_context:
        logits += attention.local_global_bias_table.repeat_interleave(torch.tensor([9, 5]), dim=2)
    weights = logits.softmax(dim=-1)
    expected = attention.out_proj((weights @ value).transpose(2, 3).flatten(3))
    expected_attention = weights[..., 0, :9].mean(dim=2)

    output, class_attention = attention(local, context)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(class_attention, expected_attention)
    output, class_attention = attention.of_class_tokens(local, context)
    torch.testing.assert_close(output, expected[:, :, :1])
    torch.testing.assert_close(class_attention, expected_attention)


def test_the_feed_forward_is_quick_gelu_between_two_projections():
    mlp = Mlp(6).double().requires_grad_(False)
    tokens = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    hidden = mlp.c_fc(tokens)
    torch.testing.assert_close(mlp(tokens), mlp.c_proj(hidden * torch.sigmoid(1.702 * hidden)))


def test_the_whole_tower_can_be_trained():
    model = tower().train().requires_grad_(True)
    model(clips(model.config)).square().sum().backward()
    idle = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert idle == []


def test_initialise_depends_on_its_generator_alone():
    first, again, other = tower(3).state_dict(), tower(3).state_dict(), tower(4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_initialise_covers_every_parameter():
    with torch.device("meta"):
        model = TcClip(TcClipConfig(**SMALL))
    model.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    model.initialise(torch.Generator().manual_seed(0))
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("shape", [(1, 3, 3, 32, 32), (1, 4, 3, 32, 40), (4, 3, 32, 32)])
def test_a_clip_of_another_shape_is_refused(shape):
    model = tower()
    with pytest.raises(ValueError, match=r"\(b, 4, 3, 32, 32\)"):
        model(torch.zeros(shape))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"image_size": 225}, "not a multiple of patch_size 16"),
        ({"heads": 7}, "not a multiple of heads 7"),
        ({"image_size": 16}, "leaves no seed"),
        ({"layers": 0}, "layers"),
        ({"depth": 3}, "depth"),
    ],
)
def test_impossible_settings_are_refused(settings, problem):
    with pytest.raises(ConfigError, match=problem):
        parse_config(TcClipConfig, settings, "test")
