"""MDM against numbers made by running the official one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hero_core.models.base import VideoFeatures
from hero_core.models.diffusion import DiffusionDraws, Schedule, even_timesteps, leading_timesteps
from hero_core.models.generators.mdm import MdmConfig, MdmDenoiser, MdmSampling
from hero_core.models.padding import valid_mask, zero_past
from hero_core.models.sampling import Guidance
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.mdm import convert_mdm_denoiser, rename_mdm
from trainer.averages import Averages

TABLE_TOLERANCE = 1e-12
PREDICTION_TOLERANCE = 2e-4
GUIDED_TOLERANCE = 1e-3
LOSS_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
WEIGHTS_TOLERANCE = 1e-5
LEARNING_RATE = 1e-4

# the official table -> ours
TABLES = {
    "betas": "betas",
    "alphas_cumprod": "alphas_cumprod",
    "alphas_cumprod_prev": "alphas_cumprod_prev",
    "sqrt_alphas_cumprod": "signal",
    "sqrt_one_minus_alphas_cumprod": "noise",
    "posterior_variance": "posterior_variance",
    "posterior_mean_coef1": "posterior_clean",
    "posterior_mean_coef2": "posterior_noisy",
}


class Fixture:
    """One folder of numbers, and denoisers with the weights that made them."""

    def __init__(self, folder: Any, scratch: Path) -> None:
        self.arrays, self.word, self.facts = folder.arrays, folder.word, folder.facts
        self.hyperparameters = self.facts["hyperparameters"]
        self.weights, self.args_json = scratch / "model.pt", scratch / "args.json"
        state = self.arrays("weights")
        self.official = {
            name.removeprefix("state__"): tensor for name, tensor in state.items() if name.startswith("state")
        }
        torch.save(self.official, self.weights)
        sizes = ("latent_dim", "cond_mask_prob", "noise_schedule")
        options = {name: self.hyperparameters[name] for name in sizes}
        options |= {"layers": self.hyperparameters["num_layers"], "arch": "trans_enc"}
        options |= {"diffusion_steps": self.hyperparameters["diffusion_steps"][0]}
        self.args_json.write_text(json.dumps(options))

    def converted(self) -> MdmDenoiser:
        plain = MotionStatistics(torch.zeros(263).numpy(), torch.ones(263).numpy())
        return convert_mdm_denoiser(self.weights, self.args_json, plain, self.hyperparameters["num_heads"])

    def model(self, **changes: object) -> MdmDenoiser:
        official = self.converted()
        model = MdmDenoiser(official.config.model_copy(update=changes))
        model.load_state_dict(official.state_dict())
        return model.eval()

    def gradients(self) -> dict[str, Tensor]:
        arrays = self.arrays("train")
        return {
            name.removeprefix("grad__").replace("__", "."): value
            for name, value in arrays.items()
            if name.startswith("grad__")
        }


@pytest.fixture(scope="module")
def fixture(open_folder: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Fixture:
    return Fixture(open_folder("baselines/mdm"), tmp_path_factory.mktemp("mdm"))


def condition_of(arrays: dict[str, Tensor]) -> VideoFeatures:
    cond = arrays["cond"]
    return VideoFeatures(cond[:, None], cond, torch.zeros(len(cond), 1))


def kept(condition: VideoFeatures, keep: bool) -> Tensor:
    return torch.full((len(condition.global_feature),), keep)


def test_the_converted_model_states_the_official_sizes(fixture: Fixture) -> None:
    expected, config = fixture.hyperparameters, fixture.converted().config
    assert config.latent_dim == expected["latent_dim"]
    assert config.ff_size == expected["ff_size"]
    assert config.layers == expected["num_layers"]
    assert config.heads == expected["num_heads"]
    assert config.feature_dim == expected["clip_dim"]
    assert config.condition_drop == expected["cond_mask_prob"]
    assert config.dropout == expected["dropout"]
    assert not config.mask_frames
    assert MdmSampling().guidance_scale == expected["guidance"]
    assert MdmConfig.model_validate_json(config.model_dump_json()) == config


def schedules(fixture: Fixture) -> Iterator[tuple[str, Schedule]]:
    tables = fixture.arrays("tables")
    for steps in fixture.hyperparameters["diffusion_steps"]:
        yield f"cosine{steps}", Schedule.cosine(steps)
    total = fixture.hyperparameters["diffusion_steps"][0]
    for name in fixture.facts["respacings"]:
        timesteps = tables[f"{name}_timestep_map"].tolist()
        yield name, Schedule.cosine(total).respaced(timesteps)


def test_every_table_in_full(fixture: Fixture) -> None:
    tables, compared = fixture.arrays("tables"), set()
    for name, schedule in schedules(fixture):
        for theirs, ours in TABLES.items():
            expected, table = tables[f"{name}_{theirs}"], getattr(schedule, ours)
            assert table.dtype == torch.float64
            # respaced betas are differences of numbers near one, which no way of computing has more digits of
            rounding = 1e-15 if name.startswith("respaced") else 0
            torch.testing.assert_close(table, expected, rtol=TABLE_TOLERANCE, atol=rounding)
            compared.add(f"{name}_{theirs}")
        # the official logarithm has the second value in the first place, where it is not used
        variance = schedule.posterior_variance
        expected = tables[f"{name}_posterior_log_variance_clipped"]
        torch.testing.assert_close(variance[1:].log(), expected[1:], rtol=TABLE_TOLERANCE, atol=1e-11)
        assert expected[0] == expected[1]
        assert variance[0] == 0
        compared.add(f"{name}_posterior_log_variance_clipped")
        if f"{name}_timestep_map" in tables:
            assert schedule.timesteps.tolist() == tables[f"{name}_timestep_map"].tolist()
            compared.add(f"{name}_timestep_map")
    assert compared == set(tables)


def test_spacing_of_the_steps(fixture: Fixture) -> None:
    tables, total = fixture.arrays("tables"), fixture.hyperparameters["diffusion_steps"][0]
    for name, respacing in fixture.facts["respacings"].items():
        expected = tables[f"{name}_timestep_map"].tolist()
        if isinstance(respacing, str):
            assert leading_timesteps(total, int(respacing.removeprefix("ddim"))) == expected
        elif len(respacing) == 1:
            assert even_timesteps(total, respacing[0]) == expected


@torch.no_grad()
def test_the_sinusoid_and_the_embedded_timesteps(fixture: Fixture) -> None:
    arrays, model, stored = fixture.arrays("forward"), fixture.model(), fixture.arrays("weights")
    rows = stored["pe_first_rows"][:, 0]
    torch.testing.assert_close(model.positions[: len(rows)], rows, atol=1e-6, rtol=0)
    embedded = model.step_embedding(model.positions[arrays["timesteps"]])
    torch.testing.assert_close(embedded, arrays["time_embedding"], atol=PREDICTION_TOLERANCE, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("suffix", ["", "_mask_frames"])
def test_predictions_with_and_without_condition_and_guided(fixture: Fixture, suffix: str) -> None:
    arrays, model = fixture.arrays("forward"), fixture.model(mask_frames=bool(suffix))
    condition, lengths = condition_of(arrays), arrays["m_lens"]
    for keep, name in ((True, "x0"), (False, "x0_uncond")):
        token = model.condition(condition, kept(condition, keep))
        clean = model(arrays["x"], arrays["timesteps"], token, lengths)
        torch.testing.assert_close(clean, arrays[name + suffix], atol=PREDICTION_TOLERANCE, rtol=0)
    guidance = Guidance(fixture.hyperparameters["guidance"])
    token = model.condition(*guidance.condition(condition))
    inputs = map(guidance.rows, (arrays["x"], arrays["timesteps"]))
    guided = guidance.combine(model(*inputs, token, guidance.rows(lengths)))
    torch.testing.assert_close(guided, arrays["x0_guided" + suffix], atol=GUIDED_TOLERANCE, rtol=0)


def cases(fixture: Fixture) -> list[str]:
    ending = "loss_per_sample"
    return [name.removesuffix(ending) for name in fixture.arrays("train") if name.endswith(ending)]


def model_of(fixture: Fixture, case: str, **changes: object) -> MdmDenoiser:
    steps = int(case.removeprefix("cosine").split("_")[0])
    return fixture.model(diffusion_steps=steps, mask_frames="mask_frames" in case, **changes)


def draws_of(arrays: dict[str, Tensor], case: str) -> DiffusionDraws:
    nothing_dropped = torch.zeros(len(arrays["motion"]), dtype=torch.bool)
    return DiffusionDraws(arrays[f"{case}t"], arrays[f"{case}noise"], nothing_dropped)


def test_noised_motions_and_losses(fixture: Fixture) -> None:
    arrays = fixture.arrays("train")
    assert len(cases(fixture)) >= 2
    for case in cases(fixture):
        model, draws = model_of(fixture, case), draws_of(arrays, case)
        noisy = model.noising(arrays["motion"], draws.noise, draws.steps)
        torch.testing.assert_close(noisy, arrays[f"{case}x_t"], atol=1e-6, rtol=1e-6)
        errors = model.errors(arrays["motion"], arrays["m_lens"], condition_of(arrays), draws)
        torch.testing.assert_close(errors, arrays[f"{case}loss_per_sample"], atol=LOSS_TOLERANCE, rtol=0)


def test_gradients_and_their_norms(fixture: Fixture) -> None:
    arrays = fixture.arrays("train")
    case = fixture.word("train", "grad_case")
    model = model_of(fixture, case)
    errors = model.errors(arrays["motion"], arrays["m_lens"], condition_of(arrays), draws_of(arrays, case))
    torch.autograd.backward(errors.mean())
    parameters = dict(model.named_parameters())
    recorded = fixture.gradients()
    assert recorded
    for name, expected in rename_mdm(recorded).items():
        torch.testing.assert_close(parameters[name].grad, expected, atol=GRADIENT_TOLERANCE, rtol=1e-3)
    norms = {name: torch.tensor(norm) for name, norm in fixture.facts["grad_norms_eval_loss"].items()}
    assert len(norms) == len(parameters)
    for name, norm in rename_mdm(norms).items():
        gradient = parameters[name].grad
        assert gradient is not None
        assert gradient.norm().item() == pytest.approx(norm.item(), rel=1e-3, abs=1e-6), name


def test_official_training_steps_and_averages(fixture: Fixture) -> None:
    arrays = fixture.arrays("train")
    steps = fixture.hyperparameters["diffusion_steps"][-1]
    model = fixture.model(dropout=0.0, diffusion_steps=steps, mask_frames=True).train()
    averages = Averages(model, fixture.hyperparameters["avg_model_beta"], warmup=False)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    for step, expected in enumerate(arrays["train_losses"].tolist()):
        draws = DiffusionDraws(*(arrays[f"train_{name}"][step] for name in ("t", "noise", "cond_drop")))
        draws = DiffusionDraws(draws.steps, draws.noise, draws.drop_condition.bool())
        loss = model.errors(arrays["motion"], arrays["m_lens"], condition_of(arrays), draws).mean()
        assert loss.item() == pytest.approx(expected, abs=LOSS_TOLERANCE), f"step {step}"
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        averages.update(step + 1)
    for name, ours in (
        ("train_embed_text_bias_after", model.condition_projection.bias.detach()),
        ("train_pose_final_bias_after", model.pose_output.bias.detach()),
        ("train_pose_final_bias_average_after", averages.values["pose_output.bias"]),
    ):
        torch.testing.assert_close(ours, arrays[name], atol=WEIGHTS_TOLERANCE, rtol=0)


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
def test_sampling_replays_the_official_noise(fixture: Fixture, sampler: str) -> None:
    arrays, tables = fixture.arrays("generate"), fixture.arrays("tables")
    model, condition, lengths = fixture.model(), condition_of(arrays), arrays["m_lens"]
    settings = MdmSampling(guidance_scale=fixture.hyperparameters["guidance"], sampler=sampler)
    for name in fixture.facts["respacings"]:
        initial, noise = arrays[f"{name}_initial"], arrays[f"{name}_noise"]
        draws = iter([initial, *noise])
        schedule = model.schedule.respaced(tables[f"{name}_timestep_map"].tolist())
        motion = model.sample(
            schedule, condition, lengths, initial.shape[1], lambda shape, draws=draws: next(draws), settings
        )
        expected = arrays[f"{name}_sample" if sampler == "ancestral" else f"{name}_ddim_eta0_sample"]
        torch.testing.assert_close(motion, expected, atol=GUIDED_TOLERANCE, rtol=0)
        assert len(list(draws)) == (0 if sampler == "ancestral" else len(noise))


@torch.no_grad()
def test_every_step_of_the_ancestral_sampler(fixture: Fixture) -> None:
    arrays, tables = fixture.arrays("generate"), fixture.arrays("tables")
    model, condition, lengths = fixture.model(), condition_of(arrays), arrays["m_lens"]
    guidance = Guidance(fixture.hyperparameters["guidance"])
    tokens, rows = model.condition(*guidance.condition(condition)), guidance.rows(lengths)
    for name in fixture.facts["respacings"]:
        motion = arrays[f"{name}_initial"]
        schedule = model.schedule.respaced(tables[f"{name}_timestep_map"].tolist())
        for number, step in enumerate(reversed(range(len(schedule)))):
            timesteps = torch.full_like(rows, int(schedule.timesteps[step]))
            clean = guidance.combine(model(guidance.rows(motion), timesteps, tokens, rows))
            motion = schedule.ancestral(motion, clean, step, arrays[f"{name}_noise"][number])
            for ours, what in ((clean, "x0"), (motion, "sample")):
                expected = arrays[f"{name}_steps_{what}_first_frames"][number]
                torch.testing.assert_close(
                    ours[:, : expected.shape[1]], expected, atol=GUIDED_TOLERANCE, rtol=0
                )


def test_averaged_weights_are_preferred(fixture: Fixture, tmp_path: Path) -> None:
    both = tmp_path / "both.pt"
    worse = {name: tensor + 1 for name, tensor in fixture.official.items()}
    torch.save({"model": worse, "model_avg": fixture.official}, both)
    plain = fixture.converted()
    fixture_weights, fixture.weights = fixture.weights, both
    try:
        averaged = fixture.converted()
    finally:
        fixture.weights = fixture_weights
    for name, tensor in plain.state_dict().items():
        assert torch.equal(averaged.state_dict()[name], tensor), name


def test_padding_is_seen_only_without_frame_masks(fixture: Fixture) -> None:
    arrays = fixture.arrays("forward")
    condition, lengths = condition_of(arrays), arrays["m_lens"]
    shorter = int(lengths.min())
    valid = valid_mask(lengths, arrays["x"].shape[1])
    for masked in (True, False):
        model = fixture.model(mask_frames=masked)
        token = model.condition(condition, kept(condition, True))
        clean = model(arrays["x"], arrays["timesteps"], token, lengths)
        again = model(zero_past(arrays["x"], lengths), arrays["timesteps"], token, lengths)
        assert torch.allclose(clean[valid], again[valid], atol=1e-5) == masked
        assert shorter < arrays["x"].shape[1]
