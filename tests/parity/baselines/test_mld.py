"""MLD against numbers made by running the official one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hero_core.models.base import VideoFeatures
from hero_core.models.diffusion import DiffusionDraws
from hero_core.models.generators.mld import DenoiserConfig, LatentDenoiser, MldSampling, MotionVae, VaeConfig
from hero_core.models.generators.mld.denoiser import step_waves
from hero_core.models.generators.mld.vae import Latent
from hero_core.models.joints import joints_of
from hero_core.models.padding import zero_past
from hero_core.models.sampling import Guidance
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.mld import convert_mld_vae, rename_mld

TABLE_TOLERANCE = 1e-6
PREDICTION_TOLERANCE = 2e-4
GUIDED_TOLERANCE = 1e-3
LOSS_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
WEIGHTS_TOLERANCE = 1e-5
LEARNING_RATE = 1e-4
WEIGHT_DECAY = 0.01


class Fixture:
    """One folder of numbers, and networks with the weights that made them."""

    def __init__(self, folder: Any, scratch: Path) -> None:
        self.arrays, self.facts = folder.arrays, folder.facts
        self.hyperparameters = self.facts["hyperparameters"]
        self.checkpoint = scratch / "mld.ckpt"
        self.state = {
            part: without("state__", self.arrays(f"{part}_weights")) for part in ("vae", "denoiser")
        }
        tensors = {
            f"{part}.{name}": value for part, state in self.state.items() for name, value in state.items()
        }
        torch.save({"state_dict": tensors, "epoch": 3}, self.checkpoint)

    def vae(self, statistics: MotionStatistics | None = None, **changes: object) -> MotionVae:
        plain = MotionStatistics(np.zeros(263, np.float32), np.ones(263, np.float32))
        official = convert_mld_vae(self.checkpoint, statistics or plain, self.hyperparameters["num_heads"])
        vae = MotionVae(official.config.model_copy(update=changes))
        vae.load_state_dict(official.state_dict())
        return vae.eval()

    def denoiser(self, **changes: object) -> LatentDenoiser:
        sizes = self.hyperparameters
        config = DenoiserConfig(
            latent_dim=sizes["latent_dim"][-1],
            ff_size=sizes["ff_size"],
            layers=sizes["num_layers"],
            heads=sizes["num_heads"],
            dropout=sizes["dropout"],
            feature_dim=sizes["text_encoded_dim"],
        )
        denoiser = LatentDenoiser(config.model_copy(update=changes))
        denoiser.load_state_dict(rename_mld(self.state["denoiser"]))
        return denoiser.eval()


def without(prefix: str, arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What stands under a prefix, by the rest of the name."""
    return {name.removeprefix(prefix): each for name, each in arrays.items() if name.startswith(prefix)}


@pytest.fixture(scope="module")
def fixture(open_folder: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Fixture:
    return Fixture(open_folder("baselines/mld"), tmp_path_factory.mktemp("mld"))


def condition_of(tokens: Tensor) -> VideoFeatures:
    """Condition tokens ``(b, k, d)``: the global feature, then the frames."""
    frames = tokens[:, 1:] if tokens.shape[1] > 1 else tokens
    return VideoFeatures(frames, tokens[:, 0], torch.zeros(frames.shape[:2]))


def kept(tokens: Tensor) -> Tensor:
    return torch.ones(len(tokens), dtype=torch.bool)


def kind_of(tokens: Tensor) -> str:
    return "frames" if tokens.shape[1] > 1 else "global"


def test_the_models_state_the_official_sizes(fixture: Fixture) -> None:
    expected, vae = fixture.hyperparameters, fixture.vae().config
    assert vae.latent_dim == expected["latent_dim"][-1]
    assert vae.ff_size == expected["ff_size"]
    assert vae.layers == expected["num_layers"]
    assert vae.heads == expected["num_heads"]
    assert vae.dropout == expected["dropout"]
    assert vae.kl_weight == expected["lambda_kl"]
    assert vae.joint_weight == expected["lambda_joint"]
    assert fixture.denoiser().config.condition_drop == expected["guidance_uncondp"]
    assert MldSampling().guidance_scale == expected["guidance"]
    assert VaeConfig.model_validate_json(vae.model_dump_json()) == vae


def test_tables_and_steps(fixture: Fixture) -> None:
    tables, denoiser = fixture.arrays("tables"), fixture.denoiser()
    for name in ("betas", "alphas_cumprod"):
        ours = getattr(denoiser.schedule, name)
        torch.testing.assert_close(ours, tables[name], rtol=TABLE_TOLERANCE, atol=TABLE_TOLERANCE)
    for steps, name in ((50, "ddim50_timesteps"), (fixture.hyperparameters["steps"], "ddim_small_timesteps")):
        schedule = denoiser.schedule_of(steps)
        assert schedule.timesteps.flip(0).tolist() == tables[name].tolist()
        assert schedule.first_alpha == pytest.approx(
            tables["final_alpha_cumprod"].item(), abs=TABLE_TOLERANCE
        )


@torch.no_grad()
def test_latents_and_motions_of_the_vae(fixture: Fixture) -> None:
    arrays, vae = fixture.arrays("vae_forward"), fixture.vae()
    motion, lengths = arrays["motion"], arrays["m_lens"]
    latent = Latent.of(vae.encode(motion, lengths))
    torch.testing.assert_close(latent.mean, arrays["mu"], atol=PREDICTION_TOLERANCE, rtol=0)
    deviation = latent.log_variance.exp() ** 0.5
    torch.testing.assert_close(deviation, arrays["std"], atol=PREDICTION_TOLERANCE, rtol=0)
    z = latent.sample(arrays["eps"])
    torch.testing.assert_close(z, arrays["z"], atol=PREDICTION_TOLERANCE, rtol=0)
    for latents, name in ((arrays["z"], "decoded"), (arrays["z_free"], "decoded_free")):
        decoded = vae.decode(latents, lengths, motion.shape[1])
        torch.testing.assert_close(decoded, arrays[name], atol=PREDICTION_TOLERANCE, rtol=0)


def trained_vae(fixture: Fixture, **changes: object) -> MotionVae:
    arrays = fixture.arrays("vae_train")
    return fixture.vae(MotionStatistics(arrays["mean"].numpy(), arrays["std"].numpy()), **changes)


@torch.no_grad()
def test_joints_of_the_reconstruction(fixture: Fixture) -> None:
    arrays, vae = fixture.arrays("vae_train"), trained_vae(fixture)
    lengths = arrays["m_lens"]
    motion = zero_past(arrays["motion"], lengths)
    z = vae.latent_of(motion, lengths).sample(arrays["eps"])
    rebuilt = vae.motion_of(z, lengths, motion.shape[1])
    torch.testing.assert_close(rebuilt, arrays["reconstruction"], atol=PREDICTION_TOLERANCE, rtol=0)
    for normalised, name in ((rebuilt, "joints_reconstruction"), (motion, "joints_reference")):
        joints = joints_of(vae.normalisation.inverse(normalised))
        torch.testing.assert_close(joints, arrays[name], atol=PREDICTION_TOLERANCE, rtol=1e-5)


def test_losses_and_gradients_of_the_vae(fixture: Fixture) -> None:
    arrays, vae = fixture.arrays("vae_train"), trained_vae(fixture)
    losses = vae.likelihood(arrays["motion"], arrays["m_lens"], arrays["eps"])
    named = {"total": "total", "features": "feature", "joints": "joints", "kl": "kl"}
    for ours, theirs in named.items():
        expected = arrays[f"loss_{theirs}"].item()
        assert losses[ours].item() == pytest.approx(expected, abs=LOSS_TOLERANCE), ours
    torch.autograd.backward(losses["total"])
    assert_gradients(vae, arrays, fixture.facts["vae_grad_norms_eval_loss"], fixture.state["vae"])


def assert_gradients(
    network: nn.Module, arrays: dict[str, Tensor], norms: dict[str, float], state: dict[str, Tensor]
) -> None:
    """Of every recorded gradient its values, and of every parameter the norm."""
    parameters, names = dict(network.named_parameters()), list(state)
    numbers = {name: torch.full_like(each, number) for number, (name, each) in enumerate(state.items())}
    renamed = {names[int(each.flatten()[0])]: ours for ours, each in rename_mld(numbers).items()}
    recorded = {name.replace("__", "."): value for name, value in without("grad__", arrays).items()}
    assert recorded
    for name, expected in recorded.items():
        gradient = parameters[renamed[name]].grad
        assert gradient is not None, name
        expected = expected.squeeze(1) if name.endswith("pe") else expected
        torch.testing.assert_close(
            gradient[: len(expected)], expected, atol=GRADIENT_TOLERANCE, rtol=1e-3, msg=name
        )
    for name, norm in norms.items():
        gradient = parameters[renamed[name]].grad
        assert gradient is not None, name
        assert gradient.norm().item() == pytest.approx(norm, rel=1e-3, abs=1e-5), name


def test_official_training_steps_of_the_vae(fixture: Fixture) -> None:
    arrays, vae = fixture.arrays("vae_train"), trained_vae(fixture, dropout=0.0).train()
    optimiser = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for step, expected in enumerate(arrays["train_losses"].tolist()):
        loss = vae.likelihood(arrays["motion"], arrays["m_lens"], arrays["train_eps"][step])["total"]
        assert loss.item() == pytest.approx(expected, abs=LOSS_TOLERANCE), f"step {step}"
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    for name, ours in (
        ("train_global_motion_token_after", vae.tokens),
        ("train_final_bias_after", vae.pose_output.bias),
    ):
        torch.testing.assert_close(ours.detach(), arrays[name], atol=WEIGHTS_TOLERANCE, rtol=0)


@torch.no_grad()
def test_noise_predicted_from_any_condition(fixture: Fixture) -> None:
    arrays = fixture.arrays("denoiser_forward")
    steps = arrays["timesteps"]
    waves = step_waves(steps, fixture.hyperparameters["text_encoded_dim"])
    torch.testing.assert_close(waves, arrays["time_projection"], atol=PREDICTION_TOLERANCE, rtol=0)
    embedded = fixture.denoiser().step_embedding(waves)
    torch.testing.assert_close(embedded, arrays["time_embedding"], atol=PREDICTION_TOLERANCE, rtol=0)
    compared = 0
    for name, expected in without("noise_", arrays).items():
        which, _, scalar = name.partition("_t")
        tokens = arrays.get(which)
        if tokens is None:
            tokens = torch.zeros(len(steps), int(which.removeprefix("zeros")), arrays["cond1"].shape[-1])
        denoiser = fixture.denoiser(condition_tokens=kind_of(tokens))
        shown = denoiser.condition(condition_of(tokens), kept(tokens))
        timesteps = torch.full_like(steps, int(scalar)) if scalar else steps
        noise = denoiser(arrays["sample"], timesteps, shown)
        torch.testing.assert_close(noise, expected, atol=PREDICTION_TOLERANCE, rtol=0)
        dropped = denoiser.condition(condition_of(tokens), ~kept(tokens))
        torch.testing.assert_close(dropped, denoiser.condition(condition_of(0 * tokens), kept(tokens)))
        compared += 1
    assert compared >= 4


def latents_of(fixture: Fixture, arrays: dict[str, Tensor], normal: Tensor) -> Tensor:
    encoded = fixture.vae().encode(arrays["motion"], arrays["m_lens"])
    return Latent.of(encoded).sample(normal)


def test_loss_and_gradients_of_the_denoiser(fixture: Fixture) -> None:
    arrays, denoiser = fixture.arrays("denoiser_train"), fixture.denoiser()
    drop = arrays["drop_uniform"] < fixture.hyperparameters["guidance_uncondp"]
    draws = DiffusionDraws(arrays["t"], arrays["noise"], drop)
    latents = latents_of(fixture, arrays, arrays["latent_eps"])
    condition = condition_of(arrays["cond1"])
    noisy = denoiser.noising(latents[:, None], draws.noise, draws.steps)
    predicted = denoiser(noisy, draws.steps, denoiser.condition(condition, ~drop))
    torch.testing.assert_close(predicted, arrays["noise_pred"], atol=PREDICTION_TOLERANCE, rtol=0)
    loss = denoiser.error(latents, condition, draws)
    assert loss.item() == pytest.approx(arrays["loss"].item(), abs=LOSS_TOLERANCE)
    torch.autograd.backward(loss)
    norms = fixture.facts["denoiser_grad_norms_eval_loss"]
    assert_gradients(denoiser, arrays, norms, fixture.state["denoiser"])


def test_official_training_steps_of_the_denoiser(fixture: Fixture) -> None:
    arrays, denoiser = fixture.arrays("denoiser_train"), fixture.denoiser(dropout=0.0).train()
    optimiser = torch.optim.AdamW(denoiser.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for step, expected in enumerate(arrays["train_losses"].tolist()):
        drop = arrays["train_drop_uniform"][step] < 0.5
        draws = DiffusionDraws(arrays["train_t"][step], arrays["train_noise"][step], drop)
        latents = latents_of(fixture, arrays, arrays["train_latent_eps"][step])
        loss = denoiser.error(latents, condition_of(arrays["cond1"]), draws)
        assert loss.item() == pytest.approx(expected, abs=LOSS_TOLERANCE), f"step {step}"
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    for name, ours in (
        ("train_emb_proj_bias_after", denoiser.condition_projection.bias),
        ("train_norm_after", denoiser.transformer.norm.weight),
    ):
        torch.testing.assert_close(ours.detach(), arrays[name], atol=WEIGHTS_TOLERANCE, rtol=0)


@pytest.mark.parametrize("which", ["cond1", "cond17"])
def test_sampled_latents_and_their_motions(fixture: Fixture, which: str) -> None:
    arrays, facts = fixture.arrays("generate"), fixture.hyperparameters
    if which not in arrays:
        pytest.skip(f"no {which} in this set of fixtures")
    tokens, lengths = arrays[which], arrays["m_lens"]
    denoiser = fixture.denoiser(condition_tokens=kind_of(tokens))
    settings = MldSampling(steps=facts["steps"], guidance_scale=facts["guidance"])
    z = denoiser.sample(condition_of(tokens), lambda shape: arrays[f"{which}_initial"], settings)
    torch.testing.assert_close(z, arrays[f"{which}_z"], atol=GUIDED_TOLERANCE, rtol=0)
    motion = fixture.vae().decode(z, lengths, arrays[f"{which}_motion"].shape[1])
    torch.testing.assert_close(motion, arrays[f"{which}_motion"], atol=GUIDED_TOLERANCE, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("which", ["cond1", "cond17"])
def test_every_step_of_the_sampler(fixture: Fixture, which: str) -> None:
    arrays, facts = fixture.arrays("generate"), fixture.hyperparameters
    if which not in arrays:
        pytest.skip(f"no {which} in this set of fixtures")
    denoiser = fixture.denoiser(condition_tokens=kind_of(arrays[which]))
    guidance, schedule = Guidance(facts["guidance"]), denoiser.schedule_of(facts["steps"])
    shown = denoiser.condition(*guidance.condition(condition_of(arrays[which])))
    latents = arrays[f"{which}_initial"]
    for number, step in enumerate(reversed(range(len(schedule)))):
        rows = guidance.rows(latents)
        timesteps = torch.full((len(rows),), int(schedule.timesteps[step]))
        noise = guidance.combine(denoiser(rows, timesteps, shown))
        expected = arrays[f"{which}_steps_guided_noise"][number]
        torch.testing.assert_close(noise, expected, atol=GUIDED_TOLERANCE, rtol=0)
        latents = schedule.ddim(schedule.clean_of(latents, noise, step), noise, step)
        expected = arrays[f"{which}_steps_latents_after"][number]
        torch.testing.assert_close(latents, expected, atol=GUIDED_TOLERANCE, rtol=0)
