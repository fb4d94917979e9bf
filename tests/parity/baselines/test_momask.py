"""MoMask's transformers against numbers made by running the official ones with a vector where the text was."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hero_core.models.base import VideoFeatures
from hero_core.models.generators.hero.masked import MaskingDraws
from hero_core.models.generators.hero.residual import LayerDraws
from hero_core.models.generators.hero.settings import HeroSampling
from hero_core.models.generators.momask import MomaskMasked, MomaskResidual
from hero_core.models.padding import valid_mask
from hero_core.models.sampling import Guidance, uniform_from
from hero_core.official.momask import as_decoder, convert_momask_masked, convert_momask_residual
from hero_core.official.tensors import rename_residual, rename_transformer
from tests.parity.baselines.official import (
    GRADIENT_TOLERANCE,
    GUIDED_TOLERANCE,
    LOGITS_TOLERANCE,
    LOSS_TOLERANCE,
    WEIGHTS_TOLERANCE,
    gradients_of,
    state_of,
    train,
    write_model,
)

Arrays = dict[str, Tensor]


class Fixture:
    """One of the three models: its numbers, and its official weights in a file."""

    def __init__(self, folder: Any, name: str, tmp: Path) -> None:
        self.facts, self.name = folder.facts, name
        self.arrays: Callable[[str], Arrays] = lambda what: folder.arrays(f"{name}_{what}")
        self.state = state_of(self.arrays("weights"))
        key = "t2m_transformer" if name == "masked" else "res_transformer"
        self.weights = write_model(tmp / name, key, self.state, folder.facts)
        self.opt_txt = self.weights.parent.parent / "opt.txt"
        self.norms: dict[str, float] = folder.facts[f"{name}_grad_norms_eval_loss"]

    def masked(self, **changes: object) -> MomaskMasked:
        official = convert_momask_masked(self.weights, self.opt_txt)
        model = MomaskMasked(official.config.model_copy(update=changes))
        model.load_state_dict(official.state_dict())
        return model.eval()

    def residual(self, **changes: object) -> MomaskResidual:
        official = convert_momask_residual(self.weights, self.opt_txt)
        model = MomaskResidual(official.config.model_copy(update=changes))
        model.load_state_dict(official.state_dict())
        return model.eval()


def condition_of(arrays: Arrays) -> VideoFeatures:
    """The condition vector; frames of no meaning, which must not matter."""
    feature = arrays["cond"]
    frames = torch.randn(len(feature), 3, feature.shape[1], generator=torch.Generator().manual_seed(0))
    return VideoFeatures(frames, feature, torch.zeros(len(feature), 3))


def cpu_uniform(seed: int) -> Any:
    return uniform_from(torch.Generator().manual_seed(seed), torch.device("cpu"))


@pytest.fixture(scope="module")
def masked(open_folder: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Fixture:
    return Fixture(open_folder("baselines/momask"), "masked", tmp_path_factory.mktemp("masked"))


@pytest.fixture(scope="module", params=["residual", "residual_share_weight"])
def residual(
    request: pytest.FixtureRequest,
    open_folder: Callable[[str], Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Fixture:
    tmp = tmp_path_factory.mktemp(request.param)
    return Fixture(open_folder("baselines/momask"), request.param, tmp)


def test_configs_state_the_official_sizes(masked: Fixture, residual: Fixture) -> None:
    expected = masked.facts["hyperparameters"]
    for config in (masked.masked().config, residual.residual().config):
        assert config.codebook_size == expected["num_tokens"]
        assert config.code_dim == expected["code_dim"]
        assert config.latent_dim == expected["latent_dim"]
        assert config.ff_size == expected["ff_size"]
        assert config.layers == expected["num_layers"]
        assert config.heads == expected["num_heads"]
        assert config.feature_dim == expected["clip_dim"]
        assert config.dropout == expected["dropout"]
        assert config.condition_drop == expected["cond_drop_prob"]
        assert not config.use_iie
        assert not config.use_die
    config = residual.residual().config
    assert config.quantizers == expected["num_quantizers"]
    assert config.share_weights == (residual.name == "residual_share_weight")
    assert masked.masked().config.mask_over_padded
    assert config.allow_pad_class


# the masked transformer


def masked_logits(model: MomaskMasked, arrays: Arrays, ids: Tensor, scale: float) -> Tensor:
    guidance = Guidance(scale)
    context = model.decoder.context(*guidance.condition(condition_of(arrays)))
    valid = valid_mask(arrays["m_lens"], ids.shape[1])
    return guidance.combine(model.logits(guidance.rows(ids), guidance.rows(valid), context))


@torch.no_grad()
def test_masked_logits_plain_guided_and_unconditional(masked: Fixture) -> None:
    arrays, model = masked.arrays("forward"), masked.masked()
    scales = {"logits": 1.0, "logits_force_mask": 0.0} | {
        name: float(name.rpartition("scale")[2]) for name in arrays if name.startswith("logits_cond_scale")
    }
    assert len(scales) >= 4
    valid = ~arrays["padding_mask"]
    for name, scale in scales.items():
        tolerance = LOGITS_TOLERANCE if scale == 1 else GUIDED_TOLERANCE
        logits = masked_logits(model, arrays, arrays["motion_ids"], scale)
        torch.testing.assert_close(logits[valid], arrays[name].mT[valid], atol=tolerance, rtol=0)
    context = model.decoder.context(condition_of(arrays), torch.zeros(len(valid), dtype=torch.bool))
    unconditional = model.logits(arrays["motion_ids"], valid, context)
    expected = arrays["logits_force_mask"].mT
    torch.testing.assert_close(unconditional[valid], expected[valid], atol=LOGITS_TOLERANCE, rtol=0)


def test_masked_generation_is_deterministic_when_one_code_is_kept(masked: Fixture) -> None:
    arrays, model = masked.arrays("generate"), masked.masked()
    replayed = 0
    for name in arrays:
        match = re.fullmatch(r"ids_argmax_(?:cs([\d.]+)|force_mask)_t(\d+)", name)
        if match is None:
            continue
        settings = HeroSampling(
            guidance_scale=float(match[1] or 0),
            steps=int(match[2]),
            top_k_ratio=0.5 / model.config.codebook_size,
        )
        ids = model.generate(condition_of(arrays), arrays["m_lens"], cpu_uniform(replayed), settings)
        assert ids.tolist() == arrays[name].tolist(), name
        replayed += 1
    assert replayed >= 3


@torch.no_grad()
def test_masked_logits_at_every_step_of_a_generation(masked: Fixture) -> None:
    arrays, model = masked.arrays("generate"), masked.masked()
    first = next(name for name in arrays if name.startswith("ids_argmax_cs"))
    scale = float(first.split("_")[2].removeprefix("cs"))
    for ids, expected in zip(arrays["steps_input_ids"], arrays["steps_scaled_logits"], strict=True):
        logits = masked_logits(model, arrays, ids, scale)
        valid = valid_mask(arrays["m_lens"], ids.shape[1])
        torch.testing.assert_close(logits[valid], expected.mT[valid], atol=GUIDED_TOLERANCE, rtol=0)


def test_masked_generation_with_recorded_noise(masked: Fixture) -> None:
    arrays, model = masked.arrays("generate"), masked.masked()
    name, match = next(
        (name, match)
        for name in arrays
        if (match := re.fullmatch(r"ids_gumbel_cs([\d.]+)_t(\d+)_top([\d.]+)", name))
    )
    settings = HeroSampling(
        guidance_scale=float(match[1]), steps=int(match[2]), top_k_ratio=1 - float(match[3]), temperature=1.0
    )
    recorded = iter(arrays["gumbel_uniforms"])
    ids = model.generate(condition_of(arrays), arrays["m_lens"], lambda shape: next(recorded), settings)
    assert ids.tolist() == arrays[name].tolist()
    assert next(recorded, None) is None, "every recorded draw is used"


def masking_of(arrays: Arrays, step: int | None = None) -> MaskingDraws:
    def recorded(name: str) -> Tensor:
        return arrays[name] if step is None else arrays[f"train_{name}"][step]

    progress = recorded("rand_time")
    drop = torch.zeros(len(progress)) if step is None else recorded("cond_drop")
    return MaskingDraws(
        progress=progress,
        order=recorded("perm_uniform").argsort(dim=-1),
        use_random=recorded("replace_with_random"),
        random_tokens=recorded("random_ids"),
        use_mask=recorded("replace_with_mask"),
        drop_condition=drop.bool(),
    )


def masked_losses(model: MomaskMasked, arrays: Arrays, step: int | None = None) -> Arrays:
    return model.likelihood(arrays["ids"], arrays["m_lens"], condition_of(arrays), masking_of(arrays, step))


def test_masking_replays_the_official_draws(masked: Fixture) -> None:
    arrays, model = masked.arrays("train"), masked.masked()
    for step in [None, *range(len(arrays["train_losses"]))]:
        inputs, targets = model.mask(arrays["ids"], arrays["m_lens"], masking_of(arrays, step))
        expected = (
            (arrays["x_ids"], arrays["labels"])
            if step is None
            else (arrays["train_x_ids"][step], arrays["train_labels"][step])
        )
        assert inputs.tolist() == expected[0].tolist()
        assert arrays["ids"].masked_fill(~targets, model.mask_id).tolist() == expected[1].tolist()


def test_masked_loss_accuracy_and_gradients(masked: Fixture) -> None:
    arrays, model = masked.arrays("train"), masked.masked()
    losses = masked_losses(model, arrays)
    assert losses["total"].item() == pytest.approx(arrays["loss"].item(), abs=LOSS_TOLERANCE)
    assert losses["accuracy"].item() == pytest.approx(arrays["acc"].item(), abs=1e-6)
    losses["total"].backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    recorded = rename_transformer(as_decoder(gradients_of(arrays)))
    assert recorded
    for name, expected in recorded.items():
        gradient = gradients[name]
        assert gradient is not None
        torch.testing.assert_close(
            gradient[: len(expected)], expected, atol=GRADIENT_TOLERANCE, rtol=1e-3, msg=name
        )
    for official, norm in masked.norms.items():
        (name,) = rename_transformer(as_decoder({official: torch.empty(0)}))
        gradient = gradients[name]
        assert gradient is not None
        assert gradient.norm().item() == pytest.approx(norm, rel=1e-3, abs=1e-6), name


def test_masked_training_steps(masked: Fixture) -> None:
    arrays, model = masked.arrays("train"), masked.masked(dropout=0.0).train()
    train(model, arrays["train_losses"].tolist(), lambda step: masked_losses(model, arrays, step)["total"])
    for name, ours in (
        ("train_token_emb_after", model.token_embedding.weight),
        ("train_cond_emb_bias_after", model.decoder.condition_projection.bias),
    ):
        torch.testing.assert_close(ours.detach(), arrays[name], atol=WEIGHTS_TOLERANCE, rtol=0)


# the residual transformer


def residual_logits(
    model: MomaskResidual, arrays: Arrays, history: Tensor, layer: int, scale: float
) -> Tensor:
    guidance = Guidance(scale)
    context = model.decoder.context(*guidance.condition(condition_of(arrays)))
    valid = guidance.rows(valid_mask(arrays["m_lens"], history.shape[1]))
    layers = torch.full((len(valid),), layer)
    return guidance.combine(model.logits(guidance.rows(history), layers, valid, context))


@torch.no_grad()
def test_residual_history_and_logits_of_every_layer(residual: Fixture) -> None:
    arrays, model = residual.arrays("forward"), residual.residual()
    valid = ~arrays["padding_mask"]
    tokens = arrays["all_indices"].masked_fill(~valid[..., None], model.pad_id)
    for number in range(1, model.config.quantizers):
        history = model.history(tokens, torch.full((len(tokens),), number))
        torch.testing.assert_close(history, arrays[f"history_sum_q{number}"], atol=1e-5, rtol=0)
        logits = residual_logits(model, arrays, history, number, 1.0)
        expected = arrays[f"logits_q{number}"].mT
        torch.testing.assert_close(logits[valid], expected[valid], atol=LOGITS_TOLERANCE, rtol=0)


@torch.no_grad()
def test_residual_logits_guided_and_unconditional(residual: Fixture) -> None:
    arrays, model = residual.arrays("forward"), residual.residual()
    runs = {name: re.fullmatch(r"(?:cond_scale([\d.]+)|force_mask)_q(\d+)", name) for name in arrays}
    found = {name: (float(match[1] or 0), int(match[2])) for name, match in runs.items() if match}
    assert len(found) >= 3
    valid = ~arrays["padding_mask"]
    for name, (scale, layer) in found.items():
        logits = residual_logits(model, arrays, arrays[f"history_sum_q{layer}"], layer, scale)
        torch.testing.assert_close(logits[valid], arrays[name].mT[valid], atol=GUIDED_TOLERANCE, rtol=0)


def test_residual_generation_is_deterministic_when_one_code_is_kept(residual: Fixture) -> None:
    arrays, model = residual.arrays("generate"), residual.residual()
    replayed = 0
    for name in arrays:
        match = re.fullmatch(r"ids_argmax_cs([\d.]+)(?:_(\d+)layers)?", name)
        if match is None:
            continue
        settings = HeroSampling(
            residual_guidance_scale=float(match[1]),
            residual_layers=int(match[2]) if match[2] else None,
            top_k_ratio=0.5 / (model.config.codebook_size + 1),
        )
        inputs = arrays["base_ids"], condition_of(arrays), arrays["m_lens"]
        ids = model.generate(*inputs, cpu_uniform(replayed), settings)
        assert ids.tolist() == arrays[name].tolist(), name
        replayed += 1
    assert replayed >= 2


@torch.no_grad()
def test_residual_logits_at_every_step_of_a_generation(residual: Fixture) -> None:
    arrays, model = residual.arrays("generate"), residual.residual()
    first = next(name for name in arrays if re.fullmatch(r"ids_argmax_cs[\d.]+", name))
    scale = float(first.rpartition("cs")[2])
    steps = zip(arrays["steps_history_sum"], arrays["steps_scaled_logits"], strict=True)
    for layer, (history, expected) in enumerate(steps, start=1):
        logits = residual_logits(model, arrays, history, layer, scale)
        valid = valid_mask(arrays["m_lens"], history.shape[1])
        torch.testing.assert_close(logits[valid], expected.mT[valid], atol=GUIDED_TOLERANCE, rtol=0)


def test_residual_generation_with_recorded_noise(residual: Fixture) -> None:
    arrays, model = residual.arrays("generate"), residual.residual()
    name, match = next(
        (name, match)
        for name in arrays
        if (match := re.fullmatch(r"ids_gumbel_cs([\d.]+)_top([\d.]+)", name))
    )
    settings = HeroSampling(residual_guidance_scale=float(match[1]), top_k_ratio=1 - float(match[2]))
    recorded = iter(arrays["gumbel_uniforms"])
    inputs = arrays["base_ids"], condition_of(arrays), arrays["m_lens"]
    ids = model.generate(*inputs, lambda shape: next(recorded), settings)
    assert ids.tolist() == arrays[name].tolist()
    assert next(recorded, None) is None, "every recorded draw is used"


def residual_losses(model: MomaskResidual, arrays: Arrays, step: int | None = None) -> Arrays:
    if step is None:
        draws = LayerDraws(arrays["active_q"], torch.zeros(len(arrays["active_q"]), dtype=torch.bool))
    else:
        draws = LayerDraws(arrays["train_active_q"][step], arrays["train_cond_drop"][step].bool())
    return model.likelihood(arrays["all_indices"], arrays["m_lens"], condition_of(arrays), draws)


def test_residual_loss_accuracy_and_gradients(residual: Fixture) -> None:
    """A weight that the importer doubles, w = 2 w_official, has half the official gradient."""
    arrays, model = residual.arrays("train"), residual.residual()
    losses = residual_losses(model, arrays)
    assert losses["total"].item() == pytest.approx(arrays["loss"].item(), abs=LOSS_TOLERANCE)
    assert losses["accuracy"].item() == pytest.approx(arrays["acc"].item(), abs=1e-6)
    losses["total"].backward()
    official = as_decoder(residual.state)
    factors = rename_residual({name: torch.ones_like(tensor) for name, tensor in official.items()})
    gradients = {
        name: parameter.grad * factors[name]
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    zeros = {name: torch.zeros_like(tensor) for name, tensor in official.items()}
    recorded = as_decoder(gradients_of(arrays))
    assert recorded
    for name, gradient in recorded.items():
        expected = rename_residual(zeros | {name: gradient})
        (ours,) = (key for key, tensor in expected.items() if tensor.any())
        torch.testing.assert_close(
            gradients[ours], expected[ours] / factors[ours], atol=GRADIENT_TOLERANCE, rtol=1e-3
        )
    for name, norm in as_decoder_norms(residual.norms).items():
        present = rename_residual(zeros | {name: torch.ones_like(official[name])})
        squares = [gradients[ours][mask != 0].square().sum() for ours, mask in present.items()]
        assert torch.stack(squares).sum().sqrt().item() == pytest.approx(norm, rel=1e-3, abs=1e-6), name


def as_decoder_norms(norms: dict[str, float]) -> dict[str, float]:
    tensors = as_decoder({name: torch.tensor(norm) for name, norm in norms.items()})
    return {name: tensor.item() for name, tensor in tensors.items()}


def test_residual_training_steps(residual: Fixture) -> None:
    """A doubled weight moves twice as far as its official half, by half the gradient."""
    arrays, model = residual.arrays("train"), residual.residual(dropout=0.0).train()
    factor = 1 if model.config.share_weights else 2
    tables = model.tables.predict_own
    others = [parameter for parameter in model.parameters() if parameter is not tables]
    doubled = {
        "params": [tables],
        "lr": 2e-4 * factor,
        "weight_decay": 1e-5 / factor,
        "eps": 1e-8 / factor,
    }
    recorded = arrays["train_losses"].tolist()
    train(
        model,
        recorded,
        lambda step: residual_losses(model, arrays, step)["total"],
        [{"params": others}, doubled],
    )
    table = model.tables.embed_own if model.tables.shared is None else model.tables.shared
    for name, ours in (
        ("train_quant_emb_after", model.layer_embedding.weight),
        ("train_table_after", table),
    ):
        torch.testing.assert_close(ours.detach(), arrays[name], atol=WEIGHTS_TOLERANCE, rtol=0)
