"""The masked transformer against numbers made by running the official one."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hero_core.models.base import VideoFeatures
from hero_core.models.generators.hero.masked import MaskedConfig, MaskedTransformer, MaskingDraws
from hero_core.models.generators.hero.settings import HeroSampling
from hero_core.models.generators.hero.transformer import Context
from hero_core.models.padding import valid_mask
from hero_core.models.sampling import Guidance, uniform_from
from hero_core.official.convert import convert_masked
from hero_core.official.tensors import MASKED_KEYS, read_tensors, rename_transformer

LOGITS_TOLERANCE = 2e-4
GUIDED_TOLERANCE = 1e-3
LOSS_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
WEIGHTS_TOLERANCE = 1e-5


class Fixture:
    """One folder of numbers, and the official weights that made them."""

    def __init__(self, folder: Any) -> None:
        self.arrays, self.facts = folder.arrays, folder.facts
        self.weights, self.opt_txt = folder.file("checkpoint_path"), folder.file("opt_txt_path")

    def model(self, **changes: object) -> MaskedTransformer:
        official = convert_masked(self.weights, self.opt_txt)
        model = MaskedTransformer(official.config.model_copy(update=changes))
        model.load_state_dict(official.state_dict())
        return model.eval()


@pytest.fixture(scope="module")
def fixture(open_folder: Callable[[str], Any]) -> Fixture:
    return Fixture(open_folder("mask_transformer"))


@pytest.fixture(scope="module")
def model(fixture: Fixture) -> MaskedTransformer:
    return fixture.model()


def condition_of(arrays: dict[str, Tensor]) -> VideoFeatures:
    frames = arrays["memory_local"]
    return VideoFeatures(frames, arrays["cond_global"], torch.zeros(frames.shape[:2]))


def guided_logits(
    model: MaskedTransformer, condition: VideoFeatures, ids: Tensor, lengths: Tensor, scale: float
) -> Tensor:
    guidance = Guidance(scale)
    context = model.decoder.context(*guidance.condition(condition))
    valid = valid_mask(lengths, ids.shape[1])
    return guidance.combine(model.logits(guidance.rows(ids), guidance.rows(valid), context))


def test_config_states_the_official_sizes_and_habits(fixture: Fixture, model: MaskedTransformer) -> None:
    expected = fixture.facts["hyperparameters"]
    config = model.config
    assert config.codebook_size == expected["num_tokens"]
    assert config.code_dim == expected["code_dim"]
    assert config.latent_dim == expected["latent_dim"]
    assert config.ff_size == expected["ff_size"]
    assert config.layers == expected["num_layers"]
    assert config.heads == expected["num_heads"]
    assert config.feature_dim == expected["clip_dim"]
    assert config.intention_heads == expected["iie_heads"]
    assert config.intention_dropout == expected["iie_dropout"]
    assert config.dropout == expected["dropout"]
    assert config.condition_drop == expected["cond_drop_prob"]
    assert config.mask_over_padded
    assert config.guidance_keeps_frames


@torch.no_grad()
def test_intention_and_projections(fixture: Fixture, model: MaskedTransformer) -> None:
    arrays = fixture.arrays("forward")
    condition = condition_of(arrays)
    assert model.decoder.intention is not None
    torch.testing.assert_close(model.decoder.intention(condition), arrays["iie_output"], atol=2e-5, rtol=1e-5)
    context = model.decoder.context(condition, torch.ones(len(condition.frames), dtype=torch.bool))
    torch.testing.assert_close(context.token[:, 0], arrays["cond_projected"], atol=LOGITS_TOLERANCE, rtol=0)
    memory = model.decoder.condition_projection(condition.frames)
    torch.testing.assert_close(memory, arrays["memory_projected"], atol=LOGITS_TOLERANCE, rtol=0)


@torch.no_grad()
def test_logits_with_and_without_condition(fixture: Fixture, model: MaskedTransformer) -> None:
    arrays = fixture.arrays("forward")
    ids, valid, condition = arrays["motion_ids"], ~arrays["padding_mask"], condition_of(arrays)
    for keep, name in ((True, "logits"), (False, "logits_force_mask")):
        context: Context = model.decoder.context(condition, torch.full((len(ids),), keep))
        logits = model.logits(ids, valid, context)  # (b, n, codes)
        torch.testing.assert_close(logits[valid], arrays[name].mT[valid], atol=LOGITS_TOLERANCE, rtol=0)


@torch.no_grad()
def test_guided_logits(fixture: Fixture, model: MaskedTransformer) -> None:
    arrays = fixture.arrays("forward")
    scales = {
        name: float(name.rpartition("scale")[2]) for name in arrays if name.startswith("logits_cond_scale")
    }
    assert len(scales) >= 2
    valid = ~arrays["padding_mask"]
    for name, scale in scales.items():
        logits = guided_logits(model, condition_of(arrays), arrays["motion_ids"], arrays["m_lens"], scale)
        torch.testing.assert_close(logits[valid], arrays[name].mT[valid], atol=GUIDED_TOLERANCE, rtol=0)


def greedy(model: MaskedTransformer, **settings: Any) -> HeroSampling:
    """Settings under which a single code passes the top-k filter."""
    return HeroSampling(top_k_ratio=0.5 / model.config.codebook_size, **settings)


def test_generation_is_deterministic_when_one_code_is_kept(
    fixture: Fixture, model: MaskedTransformer
) -> None:
    arrays = fixture.arrays("generate")
    runs = [(name, re.fullmatch(r"ids_argmax_(cs([\d.]+)|force_mask)_t(\d+)", name)) for name in arrays]
    replayed = 0
    for name, match in runs:
        if match is None:
            continue
        scale = 0.0 if match[1] == "force_mask" else float(match[2])
        settings = greedy(model, guidance_scale=scale, steps=int(match[3]))
        uniform = uniform_from(torch.Generator().manual_seed(replayed), torch.device("cpu"))
        ids = model.generate(condition_of(arrays), arrays["m_lens"], uniform, settings)
        assert ids.tolist() == arrays[name].tolist(), name
        replayed += 1
    assert replayed >= 3


@torch.no_grad()
def test_logits_at_every_step_of_a_generation(fixture: Fixture, model: MaskedTransformer) -> None:
    arrays = fixture.arrays("generate")
    recorded = next(name for name in arrays if name.startswith("ids_argmax_cs"))
    scale = float(recorded.split("_")[2].removeprefix("cs"))
    for ids, expected in zip(arrays["steps_input_ids"], arrays["steps_scaled_logits"], strict=True):
        logits = guided_logits(model, condition_of(arrays), ids, arrays["m_lens"], scale)
        valid = valid_mask(arrays["m_lens"], ids.shape[1])
        torch.testing.assert_close(logits[valid], expected.mT[valid], atol=GUIDED_TOLERANCE, rtol=0)


def test_generation_with_recorded_noise(fixture: Fixture, model: MaskedTransformer) -> None:
    arrays = fixture.arrays("generate")
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


def draws_of(arrays: dict[str, Tensor], prefix: str = "", step: int | None = None) -> MaskingDraws:
    def recorded(name: str) -> Tensor:
        array = arrays[prefix + name]
        return array if step is None else array[step]

    progress = recorded("rand_time")
    drop = torch.zeros(len(progress), dtype=torch.bool) if step is None else recorded("cond_drop").bool()
    return MaskingDraws(
        progress=progress,
        order=recorded("perm_uniform").argsort(dim=-1),
        use_random=recorded("replace_with_random"),
        random_tokens=recorded("random_ids"),
        use_mask=recorded("replace_with_mask"),
        drop_condition=drop,
    )


def test_masking_replays_the_official_draws(fixture: Fixture, model: MaskedTransformer) -> None:
    arrays = fixture.arrays("train")
    steps: list[tuple[str, int | None]] = [("", None)]
    steps += [("train_", step) for step in range(len(arrays["train_losses"]))]
    for prefix, step in steps:
        inputs, targets = model.mask(arrays["ids"], arrays["m_lens"], draws_of(arrays, prefix, step))
        expected_inputs, labels = arrays[prefix + "x_ids"], arrays[prefix + "labels"]
        if step is not None:
            expected_inputs, labels = expected_inputs[step], labels[step]
        assert inputs.tolist() == expected_inputs.tolist()
        assert arrays["ids"].masked_fill(~targets, model.mask_id).tolist() == labels.tolist()


def test_loss_accuracy_and_every_recorded_gradient(fixture: Fixture) -> None:
    arrays, model = fixture.arrays("train"), fixture.model()
    losses = model.likelihood(arrays["ids"], arrays["m_lens"], condition_of(arrays), draws_of(arrays))
    assert losses["total"].item() == pytest.approx(arrays["loss"].item(), abs=LOSS_TOLERANCE)
    assert losses["accuracy"].item() == pytest.approx(arrays["acc"].item(), abs=1e-6)
    torch.autograd.backward(losses["total"])
    recorded = {
        name.removeprefix("grad__").replace("__", "."): value
        for name, value in arrays.items()
        if name.startswith("grad__")
    }
    assert recorded
    parameters = dict(model.named_parameters())
    for name, expected in rename_transformer(recorded).items():
        torch.testing.assert_close(parameters[name].grad, expected, atol=GRADIENT_TOLERANCE, rtol=1e-3)


def test_gradient_norms_of_all_parameters(fixture: Fixture) -> None:
    arrays, model = fixture.arrays("train"), fixture.model()
    losses = model.likelihood(arrays["ids"], arrays["m_lens"], condition_of(arrays), draws_of(arrays))
    torch.autograd.backward(losses["total"])
    official = read_tensors(fixture.weights, MASKED_KEYS)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in official.items()}
    parameters = dict(model.named_parameters())
    for name, norm in fixture.facts["grad_norms_eval_loss"].items():
        present = rename_transformer(zeros | {name: torch.ones_like(official[name])})
        gradients = {ours: parameters[ours].grad for ours in present if present[ours].any()}
        parts = [each[present[ours] != 0] for ours, each in gradients.items() if each is not None]
        assert torch.cat(parts).norm().item() == pytest.approx(norm, rel=1e-3, abs=1e-6), name


def test_official_training_steps(fixture: Fixture) -> None:
    arrays = fixture.arrays("train")
    model = fixture.model(dropout=0.0, intention_dropout=0.0).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-4, betas=(0.9, 0.99), weight_decay=1e-5)
    for step, expected in enumerate(arrays["train_losses"].tolist()):
        draws = draws_of(arrays, "train_", step)
        loss = model.likelihood(arrays["ids"], arrays["m_lens"], condition_of(arrays), draws)["total"]
        assert loss.item() == pytest.approx(expected, abs=LOSS_TOLERANCE), f"step {step}"
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    for name, ours in (
        ("train_token_emb_after", model.token_embedding.weight),
        ("train_cond_emb_after", model.decoder.condition_projection.weight),
    ):
        torch.testing.assert_close(ours.detach(), arrays[name], atol=WEIGHTS_TOLERANCE, rtol=0)


def test_config_round_trips(model: MaskedTransformer) -> None:
    assert MaskedConfig.model_validate_json(model.config.model_dump_json()) == model.config
