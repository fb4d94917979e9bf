"""The residual transformer, with and without shared weights, against numbers made by running the official one."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hero_core.models.base import VideoFeatures
from hero_core.models.generators.hero.residual import LayerDraws, ResidualTransformer
from hero_core.models.generators.hero.settings import HeroSampling
from hero_core.models.padding import valid_mask
from hero_core.models.sampling import Guidance, uniform_from
from hero_core.official.convert import convert_residual
from hero_core.official.tensors import RESIDUAL_KEYS, read_tensors, rename_residual

LOGITS_TOLERANCE = 2e-4
GUIDED_TOLERANCE = 1e-3
LOSS_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
WEIGHTS_TOLERANCE = 1e-5
LEARNING_RATE, BETAS, WEIGHT_DECAY, EPSILON = 2e-4, (0.9, 0.99), 1e-5, 1e-8


class Fixture:
    """One folder of numbers, and the official weights that made them."""

    def __init__(self, folder: Any) -> None:
        self.arrays, self.facts = folder.arrays, folder.facts
        self.weights, self.opt_txt = folder.file("checkpoint_path"), folder.file("opt_txt_path")
        self.official = read_tensors(self.weights, RESIDUAL_KEYS)

    def model(self, **changes: object) -> ResidualTransformer:
        official = convert_residual(self.weights, self.opt_txt)
        model = ResidualTransformer(official.config.model_copy(update=changes))
        model.load_state_dict(official.state_dict())
        return model.eval()


@pytest.fixture(scope="module", params=["residual_transformer", "residual_transformer_share_weight"])
def fixture(request: pytest.FixtureRequest, open_folder: Callable[[str], Any]) -> Fixture:
    return Fixture(open_folder(request.param))


@pytest.fixture(scope="module")
def model(fixture: Fixture) -> ResidualTransformer:
    return fixture.model()


def condition_of(arrays: dict[str, Tensor]) -> VideoFeatures:
    frames = arrays["memory_local"]
    return VideoFeatures(frames, arrays["cond_global"], torch.zeros(frames.shape[:2]))


def padded_tokens(model: ResidualTransformer, tokens: Tensor, lengths: Tensor) -> Tensor:
    return tokens.masked_fill(~valid_mask(lengths, tokens.shape[1])[..., None], model.pad_id)


def guided_logits(
    model: ResidualTransformer, arrays: dict[str, Tensor], history: Tensor, layer: int, scale: float
) -> Tensor:
    guidance = Guidance(scale)
    context = model.decoder.context(*guidance.condition(condition_of(arrays)))
    valid = guidance.rows(valid_mask(arrays["m_lens"], history.shape[1]))
    logits = model.logits(guidance.rows(history), torch.full((len(valid),), layer), valid, context)
    return guidance.combine(logits)


def test_config_states_the_official_sizes_and_habits(fixture: Fixture, model: ResidualTransformer) -> None:
    expected = fixture.facts["hyperparameters"]
    config = model.config
    assert config.codebook_size == expected["num_tokens"]
    assert config.code_dim == expected["code_dim"]
    assert config.quantizers == expected["num_quantizers"]
    assert config.latent_dim == expected["latent_dim"]
    assert config.ff_size == expected["ff_size"]
    assert config.layers == expected["num_layers"]
    assert config.heads == expected["num_heads"]
    assert config.share_weights == expected["share_weight"]
    assert config.dropout == expected["dropout"]
    assert config.condition_drop == expected["cond_drop_prob"]
    assert config.allow_pad_class


@torch.no_grad()
def test_history_and_logits_of_every_layer(fixture: Fixture, model: ResidualTransformer) -> None:
    arrays = fixture.arrays("forward")
    tokens = padded_tokens(model, arrays["all_indices"], arrays["m_lens"])
    context = model.decoder.context(condition_of(arrays), torch.ones(len(tokens), dtype=torch.bool))
    valid = ~arrays["padding_mask"]
    for number in range(1, model.config.quantizers):
        layer = torch.full((len(tokens),), number)
        history = model.history(tokens, layer)
        torch.testing.assert_close(history, arrays[f"history_sum_q{number}"], atol=1e-5, rtol=0)
        logits = model.logits(history, layer, valid, context)
        official = arrays[f"logits_q{number}"].mT  # (b, m, classes)
        torch.testing.assert_close(logits[valid], official[valid], atol=LOGITS_TOLERANCE, rtol=0)


@torch.no_grad()
def test_a_batch_may_mix_layers(fixture: Fixture, model: ResidualTransformer) -> None:
    arrays = fixture.arrays("forward")
    tokens = padded_tokens(model, arrays["all_indices"], arrays["m_lens"])
    layer = arrays["mixed_qids"]
    context = model.decoder.context(condition_of(arrays), torch.ones(len(tokens), dtype=torch.bool))
    history = model.history(tokens, layer)
    torch.testing.assert_close(history, arrays["mixed_history"], atol=1e-5, rtol=0)
    valid = ~arrays["padding_mask"]
    logits = model.logits(history, layer, valid, context)
    official = arrays["mixed_logits"].mT  # (b, m, classes)
    torch.testing.assert_close(logits[valid], official[valid], atol=LOGITS_TOLERANCE, rtol=0)


@torch.no_grad()
def test_guided_logits(fixture: Fixture, model: ResidualTransformer) -> None:
    arrays = fixture.arrays("forward")
    runs = {name: re.fullmatch(r"cond_scale([\d.]+)_q(\d+)", name) for name in arrays}
    scales = {name: (float(match[1]), int(match[2])) for name, match in runs.items() if match}
    unconditional = {
        name: (0.0, int(name.rpartition("q")[2])) for name in arrays if name.startswith("force_mask_q")
    }
    assert len(scales) >= 2
    assert unconditional
    valid = ~arrays["padding_mask"]
    for name, (scale, layer) in (scales | unconditional).items():
        logits = guided_logits(model, arrays, arrays[f"history_sum_q{layer}"], layer, scale)
        torch.testing.assert_close(logits[valid], arrays[name].mT[valid], atol=GUIDED_TOLERANCE, rtol=0)


def test_generation_is_deterministic_when_one_code_is_kept(
    fixture: Fixture, model: ResidualTransformer
) -> None:
    arrays = fixture.arrays("generate")
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
        uniform = uniform_from(torch.Generator().manual_seed(replayed), torch.device("cpu"))
        ids = model.generate(arrays["base_ids"], condition_of(arrays), arrays["m_lens"], uniform, settings)
        assert ids.tolist() == arrays[name].tolist(), name
        replayed += 1
    assert replayed >= 2


@torch.no_grad()
def test_logits_at_every_step_of_a_generation(fixture: Fixture, model: ResidualTransformer) -> None:
    arrays = fixture.arrays("generate")
    recorded = next(name for name in arrays if re.fullmatch(r"ids_argmax_cs[\d.]+", name))
    scale = float(recorded.rpartition("cs")[2])
    steps = zip(arrays["steps_history_sum"], arrays["steps_scaled_logits"], strict=True)
    for layer, (history, expected) in enumerate(steps, start=1):
        logits = guided_logits(model, arrays, history, layer, scale)
        valid = valid_mask(arrays["m_lens"], history.shape[1])
        torch.testing.assert_close(logits[valid], expected.mT[valid], atol=GUIDED_TOLERANCE, rtol=0)


def test_generation_with_recorded_noise(fixture: Fixture, model: ResidualTransformer) -> None:
    arrays = fixture.arrays("generate")
    name, match = next(
        (name, match)
        for name in arrays
        if (match := re.fullmatch(r"ids_gumbel_cs([\d.]+)_top([\d.]+)", name))
    )
    settings = HeroSampling(residual_guidance_scale=float(match[1]), top_k_ratio=1 - float(match[2]))
    recorded = iter(arrays["gumbel_uniforms"])
    ids = model.generate(
        arrays["base_ids"], condition_of(arrays), arrays["m_lens"], lambda shape: next(recorded), settings
    )
    assert ids.tolist() == arrays[name].tolist()
    assert next(recorded, None) is None, "every recorded draw is used"


def test_ours_never_leaves_a_hole_inside_a_motion(fixture: Fixture) -> None:
    arrays, model = fixture.arrays("generate"), fixture.model(allow_pad_class=False)
    for name in arrays:
        match = re.fullmatch(r"ids_argmax_cs([\d.]+)", name)
        if match is None:
            continue
        settings = HeroSampling(residual_guidance_scale=float(match[1]), temperature=0)
        uniform = uniform_from(torch.Generator().manual_seed(0), torch.device("cpu"))
        ids = model.generate(arrays["base_ids"], condition_of(arrays), arrays["m_lens"], uniform, settings)
        valid = valid_mask(arrays["m_lens"], ids.shape[1])
        assert bool((ids[valid] >= 0).all())
        assert bool((ids[~valid] == -1).all())


def draws_of(arrays: dict[str, Tensor], step: int | None = None) -> LayerDraws:
    if step is None:
        layer = arrays["active_q"]
        return LayerDraws(layer, torch.zeros(len(layer), dtype=torch.bool))
    return LayerDraws(arrays["train_active_q"][step], arrays["train_cond_drop"][step].bool())


def losses_of(
    model: ResidualTransformer, arrays: dict[str, Tensor], step: int | None = None
) -> dict[str, Tensor]:
    return model.likelihood(
        arrays["all_indices"], arrays["m_lens"], condition_of(arrays), draws_of(arrays, step)
    )


def gradients_in_official_terms(
    fixture: Fixture, model: ResidualTransformer
) -> dict[str, tuple[Tensor, Tensor]]:
    """By our names: our gradients with respect to the official weights, and how often each weight was doubled.

    The importer doubles some weights, w = 2 w_official, and so their official gradient is twice ours.
    """
    factors = rename_residual({name: torch.ones_like(tensor) for name, tensor in fixture.official.items()})
    return {
        name: (parameter.grad * factors[name], factors[name])
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def test_loss_accuracy_and_every_recorded_gradient(fixture: Fixture) -> None:
    arrays, model = fixture.arrays("train"), fixture.model()
    losses = losses_of(model, arrays)
    assert losses["total"].item() == pytest.approx(arrays["loss"].item(), abs=LOSS_TOLERANCE)
    assert losses["accuracy"].item() == pytest.approx(arrays["acc"].item(), abs=1e-6)
    torch.autograd.backward(losses["total"])
    recorded = {
        name.removeprefix("grad__").replace("__", "."): value
        for name, value in arrays.items()
        if name.startswith("grad__")
    }
    assert recorded
    # convert the gradients as if they were the weights; where something arrives, compare
    zeros = {name: torch.zeros_like(tensor) for name, tensor in fixture.official.items()}
    present = rename_residual(zeros | {name: torch.ones_like(value) for name, value in recorded.items()})
    expected = rename_residual(zeros | recorded)
    compared = 0
    for name, (gradient, factor) in gradients_in_official_terms(fixture, model).items():
        if present[name].any():
            torch.testing.assert_close(gradient, expected[name] / factor, atol=GRADIENT_TOLERANCE, rtol=1e-3)
            compared += 1
    assert compared == len(recorded)


def test_gradient_norms_of_all_parameters(fixture: Fixture) -> None:
    arrays, model = fixture.arrays("train"), fixture.model()
    torch.autograd.backward(losses_of(model, arrays)["total"])
    gradients = gradients_in_official_terms(fixture, model)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in fixture.official.items()}
    for name, norm in fixture.facts["grad_norms_eval_loss"].items():
        present = rename_residual(zeros | {name: torch.ones_like(fixture.official[name])})
        squares = [gradients[ours][0][present[ours] != 0].square().sum() for ours in present]
        assert torch.stack(squares).sum().sqrt().item() == pytest.approx(norm, rel=1e-3, abs=1e-6), name


def test_official_training_steps(fixture: Fixture) -> None:
    arrays = fixture.arrays("train")
    model = fixture.model(dropout=0.0, intention_dropout=0.0).train()
    # a doubled weight moves twice as far as its official half, by half the gradient
    factor = 1 if model.config.share_weights else 2
    doubled = [model.tables.predict_own]
    others = [parameter for parameter in model.parameters() if parameter is not model.tables.predict_own]
    optimiser = torch.optim.AdamW(
        [
            {"params": others, "lr": LEARNING_RATE, "weight_decay": WEIGHT_DECAY, "eps": EPSILON},
            {
                "params": doubled,
                "lr": LEARNING_RATE * factor,
                "weight_decay": WEIGHT_DECAY / factor,
                "eps": EPSILON / factor,
            },
        ],
        betas=BETAS,
    )
    for step, expected in enumerate(arrays["train_losses"].tolist()):
        loss = losses_of(model, arrays, step)["total"]
        assert loss.item() == pytest.approx(expected, abs=LOSS_TOLERANCE), f"step {step}"
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    trained = model.layer_embedding.weight.detach()
    torch.testing.assert_close(trained, arrays["train_quant_emb_after"], atol=WEIGHTS_TOLERANCE, rtol=0)
