"""MLD by what it promises: its VAE, its denoiser, and reactions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from hero_core.errors import ConfigError, InputError
from hero_core.models.base import Batch, TrainingFacts, VideoFeatures
from hero_core.models.generators.mld import (
    DenoiserConfig,
    LatentDenoiser,
    Mld,
    MldSampling,
    MotionVae,
    VaeConfig,
)
from hero_core.models.generators.mld.skips import SkipTransformer
from hero_core.models.generators.mld.vae import Latent
from hero_core.models.positions import sinusoidal_positions
from hero_core.motion.statistics import MotionStatistics

SIZES: dict[str, Any] = {"latent_dim": 16, "ff_size": 32, "layers": 3, "heads": 2, "position_rows": 50}
DENOISER: dict[str, Any] = {**SIZES, "feature_dim": 8, "intention_heads": 2}


def vae(**changes: Any) -> MotionVae:
    torch.manual_seed(0)
    return MotionVae(VaeConfig(**{**SIZES, **changes})).eval()


def denoiser(**changes: Any) -> LatentDenoiser:
    torch.manual_seed(0)
    return LatentDenoiser(DenoiserConfig(**{**DENOISER, **changes})).eval()


def video(batch: int) -> VideoFeatures:
    frames = torch.randn(batch, 4, 8, generator=torch.Generator().manual_seed(1))
    return VideoFeatures(frames, frames.mean(dim=1), torch.zeros(batch, 4))


def motions(lengths: list[int], frames: int = 40) -> Batch:
    motion = 0.3 * torch.randn(len(lengths), frames, 263, generator=torch.Generator().manual_seed(2))
    return Batch(tuple(map(str, lengths)), torch.tensor(lengths), frames=motion)


def latents(batch: int) -> Batch:
    encoded = torch.randn(batch, 1, 32, generator=torch.Generator().manual_seed(3))
    keys, lengths = tuple(map(str, range(batch))), torch.full((batch,), 40)
    return Batch(keys, lengths, condition=video(batch), encoded=encoded)


def learnt(part: Any, batch: Batch, steps: int) -> list[float]:
    optimiser, losses = torch.optim.Adam(part.train().parameters(), lr=3e-3), []
    for _ in range(steps):
        loss = part.losses(batch, torch.Generator().manual_seed(0))["total"]
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("loss_over_padding", [True, False])
def test_the_vae_learns_a_batch(loss_over_padding: bool) -> None:
    losses = learnt(vae(dropout=0.0, loss_over_padding=loss_over_padding), motions([40, 24]), 40)
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("condition_tokens", ["global", "frames"])
@pytest.mark.parametrize("use_iie", [True, False])
@pytest.mark.parametrize("predicts", ["noise", "latent"])
def test_the_denoiser_learns_a_batch(condition_tokens: str, use_iie: bool, predicts: str) -> None:
    part = denoiser(dropout=0.0, condition_tokens=condition_tokens, use_iie=use_iie, predicts=predicts)
    losses = learnt(part, latents(4), 60)
    assert losses[-1] < 0.5 * losses[0]


def test_a_motion_s_latent_does_not_depend_on_its_padding() -> None:
    part, batch = vae(), motions([24, 24])
    encoded = part.encode(batch.motion, batch.lengths)
    assert encoded.shape == (2, 1, 32)
    short = part.encode(batch.motion[:, :24], batch.lengths)
    torch.testing.assert_close(encoded, short, atol=1e-5, rtol=1e-5)


def test_a_decoded_motion_is_zero_behind_its_length_and_else_independent_of_it() -> None:
    part, z, lengths = vae(), torch.randn(2, 16), torch.tensor([24, 12])
    motion = part.decode(z, lengths, 24)
    assert not motion[1, 12:].any()
    torch.testing.assert_close(motion[1:, :12], part.decode(z[1:], lengths[1:], 12), atol=1e-5, rtol=1e-5)


def test_losses_over_the_motions_alone_do_not_depend_on_the_padding() -> None:
    batch, normal = motions([24, 12]), torch.randn(2, 16)
    sizes = {"loss_over_padding": False}, {"loss_over_padding": True}
    for changes, same in zip(sizes, (True, False), strict=True):
        part = vae(**changes)
        part.normalisation.take(statistics())  # so that padding has a mean velocity to drift with
        target = part.normalisation(batch.motion) * (torch.arange(40) < batch.lengths[:, None])[..., None]
        ours, theirs = (
            part.likelihood(target[:, :size], batch.lengths, normal)["total"].item() for size in (24, 40)
        )
        assert (ours == pytest.approx(theirs, rel=1e-4)) == same


def test_positions_can_start_as_sinusoids() -> None:
    table = vae(sinusoidal_start=True).encoder_positions.table.detach()
    torch.testing.assert_close(table, sinusoidal_positions(50, 16))
    assert vae().encoder_positions.table.min() >= 0  # uniform numbers


def test_latents_can_be_less_noisy() -> None:
    batch = motions([24])
    usual, offset = (
        Latent.of(vae(log_variance_offset=by).encode(batch.motion, batch.lengths)) for by in (0, -5)
    )
    assert torch.equal(usual.mean, offset.mean)
    torch.testing.assert_close(offset.log_variance, usual.log_variance - 5)


def test_values_in_the_padding_change_nothing() -> None:
    part, batch = vae(), motions([24, 12])
    loss = part.losses(batch, torch.Generator().manual_seed(0))["total"].item()
    batch.motion[1, 12:] = 5.0
    again = part.losses(batch, torch.Generator().manual_seed(0))["total"].item()
    assert loss == pytest.approx(again, rel=1e-5)


def test_the_divergence_is_that_of_the_distributions() -> None:
    latent = Latent(torch.randn(3, 5), torch.randn(3, 5))
    ours = torch.distributions.Normal(latent.mean, (0.5 * latent.log_variance).exp())
    standard = torch.distributions.Normal(torch.zeros(3, 5), torch.ones(3, 5))
    expected = torch.distributions.kl_divergence(ours, standard).mean()
    torch.testing.assert_close(latent.divergence(), expected)


def test_a_denoiser_without_the_relu_sees_what_is_negative() -> None:
    shown, keep = video(1).map(lambda each: -each.abs()), torch.tensor([True])
    for relu in (True, False):
        part = denoiser(condition_relu=relu)
        seen = part.condition(shown, keep)
        nothing = part.condition(shown, ~keep)
        assert torch.equal(seen, nothing) == relu


@pytest.mark.parametrize("predicts", ["noise", "latent"])
def test_what_is_predicted_is_where_sampling_ends(predicts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part, wanted = denoiser(predicts=predicts), torch.randn(2, 1, 16)

    def predict(noisy: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        return part.schedule.noise_of(noisy, wanted, int(timesteps[0])) if predicts == "noise" else wanted

    monkeypatch.setattr(part, "forward", predict)
    settings = MldSampling(steps=4, guidance_scale=1.0)
    latents = part.sample(video(2), lambda shape: torch.randn(*shape), settings)
    assert (latents - wanted[:, 0]).abs().max() < 0.2  # of the noise, what the schedule's first step leaves


def test_frames_as_tokens_are_seen_and_so_is_their_order() -> None:
    shown, keep, noisy = video(2), torch.tensor([True, True]), torch.randn(2, 1, 16)
    turned = shown._replace(frames=shown.frames.flip(1))
    for tokens, blind in (("global", True), ("frames", False)):
        part = denoiser(condition_tokens=tokens)
        with torch.no_grad():
            one, other = (
                part(noisy, torch.tensor([3, 3]), part.condition(each, keep)) for each in (shown, turned)
            )
        assert torch.allclose(one, other, atol=1e-5) == blind


def test_the_vae_takes_and_makes_motions_in_their_own_units() -> None:
    plain, part, batch = vae(joint_weight=0.0), vae(joint_weight=0.0), motions([40, 24])
    part.normalisation.take(statistics())
    scaled = replace(batch, frames=3 * batch.motion + 2)
    ours, theirs = (
        (
            each.encode(shown.motion, shown.lengths),
            each.losses(shown, torch.Generator().manual_seed(0))["total"],
        )
        for each, shown in ((part, scaled), (plain, batch))
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    z, lengths = torch.randn(2, 16), torch.tensor([24, 24])
    torch.testing.assert_close(part.decode(z, lengths, 24), 3 * plain.decode(z, lengths, 24) + 2)


def test_training_draws_latents_from_their_distributions() -> None:
    part, batch = vae(), motions([24])
    one, other = (part.losses(batch, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert one["features"] != other["features"]
    assert one["kl"] == other["kl"]


def test_skips_pair_the_blocks_from_the_middle() -> None:
    order: list[str] = []

    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.name = f"block {len(names)}"
            names.append(self.name)

        def forward(self, x: Tensor) -> Tensor:
            order.append(self.name)
            return x + 1

    names: list[str] = []
    stack = SkipTransformer(Named, 5, 2)
    with torch.no_grad():
        for join in stack.joins:  # only what was passed on gets through
            join.weight.copy_(torch.tensor([[0.0, 0, 1, 0], [0, 0, 0, 1]]))  # type: ignore[union-attr,operator]
            join.bias.zero_()  # type: ignore[union-attr,operator]
        stack.norm = torch.nn.Identity()  # type: ignore[assignment]
        output = stack(torch.zeros(1, 1, 2))
    assert order == ["block 0", "block 1", "block 2", "block 3", "block 4"]
    assert output.flatten().tolist() == [2, 2]  # the last join got what the first block made, 1


def mld(**sampling: Any) -> Mld:
    return Mld({"vae": vae(), "denoiser": denoiser()}, MldSampling(**{"steps": 5, **sampling}))


def test_reactions_are_of_the_lengths_asked_for_and_the_seed_s() -> None:
    generator, lengths = mld(), torch.tensor([23, 9])
    one, same, other = (
        generator.generate(video(2), lengths, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert one.lengths.tolist() == [20, 8]
    assert one.motion.shape == (2, 20, 263)
    assert not one.motion[1, 8:].any()
    assert torch.equal(one.motion, same.motion)
    assert not torch.equal(one.motion, other.motion)
    assert generator.max_length == 48
    assert generator.feature_dim == 8


def test_motions_through_the_latents_and_back() -> None:
    batch = motions([24, 12])
    again = mld().reconstruct(batch.motion, batch.lengths)
    encoded = Latent.of(vae().encode(batch.motion, batch.lengths))
    torch.testing.assert_close(again, vae().decode(encoded.mean, batch.lengths, 40))
    assert not again[1, 12:].any()


def statistics() -> MotionStatistics:
    return MotionStatistics(np.full(263, 2, np.float32), np.full(263, 3, np.float32))


def test_build_takes_the_data_s_sizes_and_statistics() -> None:
    built = MotionVae.build(VaeConfig(**SIZES), TrainingFacts(statistics(), 0, 48, parts={}))
    assert built.normalisation.std[0] == 3
    facts = TrainingFacts(statistics(), feature_dim=6, longest_frames=48, parts={"vae": built})
    part = LatentDenoiser.build(DenoiserConfig(**{**DENOISER, "latent_dim": 32}), facts)
    assert (part.config.latent_dim, part.config.feature_dim) == (16, 6)
    with pytest.raises(ConfigError, match="at least 54"):
        MotionVae.build(VaeConfig(**SIZES), TrainingFacts(statistics(), 0, 52, parts={}))


def test_impossible_settings_and_lengths_are_refused() -> None:
    for changes, problem in (({"layers": 4}, "odd"), ({"heads": 3}, "heads")):
        for config, sizes in ((VaeConfig, SIZES), (DenoiserConfig, DENOISER)):
            with pytest.raises(ValidationError, match=problem):
                config(**{**sizes, **changes})
    with pytest.raises(ValidationError, match="even"):
        DenoiserConfig(**{**DENOISER, "feature_dim": 7})
    with pytest.raises(ConfigError, match="latent_dim is 16 of the vae, 32"):
        Mld({"vae": vae(), "denoiser": denoiser(latent_dim=32)})
    for lengths in (None, torch.tensor([52]), torch.tensor([8, 8])):
        with pytest.raises(InputError):
            mld().generate(video(1), lengths, torch.Generator())
