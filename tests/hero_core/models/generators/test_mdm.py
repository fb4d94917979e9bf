"""MDM by what it promises: losses, padding, guidance, and reactions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from hero_core.errors import ConfigError, InputError
from hero_core.models.base import Batch, TrainingFacts, VideoFeatures
from hero_core.models.diffusion import DiffusionDraws
from hero_core.models.generators.mdm import Mdm, MdmConfig, MdmDenoiser, MdmSampling
from hero_core.motion.statistics import MotionStatistics

SIZES: dict[str, Any] = {
    "latent_dim": 16,
    "ff_size": 32,
    "layers": 2,
    "heads": 2,
    "feature_dim": 8,
    "diffusion_steps": 12,
    "max_frames": 40,
    "intention_heads": 2,
}


def denoiser(**changes: Any) -> MdmDenoiser:
    torch.manual_seed(0)
    return MdmDenoiser(MdmConfig(**{**SIZES, **changes})).eval()


def video(batch: int) -> VideoFeatures:
    frames = torch.randn(batch, 4, 8, generator=torch.Generator().manual_seed(1))
    return VideoFeatures(frames, frames.mean(dim=1), torch.zeros(batch, 4))


def batch_of(lengths: list[int], frames: int = 40) -> Batch:
    motion = torch.randn(len(lengths), frames, 263, generator=torch.Generator().manual_seed(2))
    keys = tuple(map(str, lengths))
    return Batch(keys, torch.tensor(lengths), frames=motion, condition=video(len(lengths)))


def generate(model: MdmDenoiser, lengths: list[int], seed: int = 0, **sampling: Any) -> Tensor:
    generator = Mdm({"denoiser": model}, MdmSampling(**sampling))
    rng = torch.Generator().manual_seed(seed)
    return generator.generate(video(len(lengths)), torch.tensor(lengths), rng).motion


@pytest.mark.parametrize("mask_frames", [True, False])
@pytest.mark.parametrize("use_iie", [True, False])
def test_it_learns_a_batch(mask_frames: bool, use_iie: bool) -> None:
    model = denoiser(mask_frames=mask_frames, use_iie=use_iie, dropout=0.0).train()
    batch, optimiser = batch_of([40, 24]), torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        loss = model.losses(batch, torch.Generator().manual_seed(0))["total"]
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_a_short_motion_weighs_as_much_as_a_long_one() -> None:
    model, batch = denoiser(mask_frames=True), batch_of([40, 8])
    draws = DiffusionDraws.draw(batch.motion.shape, 12, 0.0, torch.Generator(), torch.device("cpu"))
    errors = model.errors(batch.motion, batch.lengths, batch.video, draws)
    again = model.errors(batch.motion[1:, :8], batch.lengths[1:], video_of(batch, 1), rows_of(draws, 1, 8))
    torch.testing.assert_close(errors[1:], again, rtol=1e-4, atol=1e-5)


def video_of(batch: Batch, row: int) -> VideoFeatures:
    return batch.video.map(lambda each: each[row : row + 1])


def rows_of(draws: DiffusionDraws, row: int, frames: int) -> DiffusionDraws:
    return DiffusionDraws(
        draws.steps[row : row + 1], draws.noise[row : row + 1, :frames], draws.drop_condition[row : row + 1]
    )


def test_values_in_the_padding_change_no_loss() -> None:
    for mask_frames in (True, False):
        model, batch = denoiser(mask_frames=mask_frames), batch_of([24, 16])
        loss = model.losses(batch, torch.Generator().manual_seed(0))["total"]
        batch.motion[1, 16:] = 9.0
        again = model.losses(batch, torch.Generator().manual_seed(0))["total"]
        assert loss.item() == pytest.approx(again.item(), rel=1e-5)


def test_a_reaction_is_zero_behind_its_length() -> None:
    motion = generate(denoiser(), [23, 9])
    assert motion.shape == (2, 20, 263)
    assert not motion[1, 8:].any()
    assert motion[1, :8].all()


@torch.no_grad()
def test_masked_frames_do_not_depend_on_the_padding() -> None:
    model, noisy, lengths = denoiser(mask_frames=True), torch.randn(2, 24, 263), torch.tensor([16, 16])
    token = model.condition(video(2), torch.tensor([True, True]))
    short, long = (model(noisy[:, :size], torch.tensor([3, 9]), token, lengths) for size in (16, 24))
    torch.testing.assert_close(short, long[:, :16])


def test_without_frame_masks_motions_are_made_at_the_full_length() -> None:
    model = denoiser()
    shapes: list[tuple[int, ...]] = []
    inner = model.forward

    def forward(noisy: Tensor, *rest: Tensor) -> Tensor:
        shapes.append(tuple(noisy.shape))
        return inner(noisy, *rest)

    model.forward = forward  # type: ignore[method-assign]
    generate(model, [20], steps=2)
    assert shapes == [(2, 40, 263)] * 2


def test_the_same_seed_gives_the_same_reactions_and_another_others() -> None:
    model = denoiser()
    one, same, other = (generate(model, [20, 12], seed=seed, steps=4) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_guidance_of_one_and_of_nothing() -> None:
    model, condition = denoiser(), video(2)
    lengths = torch.tensor([20, 20])
    blind = condition.map(torch.zeros_like)

    def sample(shown: VideoFeatures, scale: float) -> Tensor:
        rng = torch.Generator().manual_seed(0)
        settings = MdmSampling(sampler="ddim", steps=3, guidance_scale=scale)
        return Mdm({"denoiser": model}, settings).generate(shown, lengths, rng).motion

    torch.testing.assert_close(sample(condition, 0.0), sample(blind, 1.0), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(sample(condition, 1.0), sample(blind, 1.0))


def test_as_many_steps_as_are_asked_for() -> None:
    model = denoiser()
    assert len(model.schedule_of(None)) == len(model.schedule_of(100)) == 12
    assert model.schedule_of(4).timesteps.tolist() == [0, 4, 7, 11]


def facts(longest: int) -> TrainingFacts:
    statistics = MotionStatistics(np.full(263, 2, np.float32), np.full(263, 3, np.float32))
    return TrainingFacts(statistics, feature_dim=6, longest_frames=longest, parts={})


def test_build_takes_the_data_s_sizes_and_statistics() -> None:
    model = MdmDenoiser.build(MdmConfig(**SIZES), facts(40))
    assert model.config.feature_dim == 6
    assert model.normalisation.std[0] == 3
    with pytest.raises(ConfigError, match="max_frames"):
        MdmDenoiser.build(MdmConfig(**SIZES), facts(44))


def test_it_learns_and_makes_motions_in_their_own_units() -> None:
    plain, model, batch = denoiser(), denoiser(), batch_of([40, 24])
    model.normalisation.take(facts(40).statistics)
    scaled = replace(batch, frames=3 * batch.motion + 2)
    ours, theirs = (
        each.losses(shown, torch.Generator().manual_seed(0))["total"].item()
        for each, shown in ((model, scaled), (plain, batch))
    )
    assert ours == pytest.approx(theirs, rel=1e-5)
    torch.testing.assert_close(generate(model, [40]), 3 * generate(plain, [40]) + 2, rtol=1e-4, atol=1e-4)


def test_impossible_settings_and_lengths_are_refused() -> None:
    with pytest.raises(ValidationError, match="heads"):
        MdmConfig(**{**SIZES, "heads": 3})
    with pytest.raises(ValidationError, match="intention_heads"):
        MdmConfig(**{**SIZES, "use_iie": True, "intention_heads": 3})
    with pytest.raises(ValidationError, match="steps"):
        MdmSampling(steps=1)  # would tell the model that pure noise is nearly clean
    generator = Mdm({"denoiser": denoiser()})
    assert generator.max_length == 40
    assert generator.feature_dim == 8
    for lengths in (None, torch.tensor([44]), torch.tensor([8, 8])):
        with pytest.raises(InputError):
            generator.generate(video(1), lengths, torch.Generator())
    assert generator.reconstruct(torch.zeros(1, 4, 263), torch.tensor([4])) is None  # type: ignore[func-returns-value]


def test_blocks_start_from_weights_of_their_own() -> None:
    first, second = (unit.attention for unit in denoiser().units)
    bound = (6 / (16 + 48)) ** 0.5
    assert first.inputs.weight.abs().max() <= bound  # type: ignore[union-attr]
    assert not torch.equal(first.inputs.weight, second.inputs.weight)  # type: ignore[union-attr]
