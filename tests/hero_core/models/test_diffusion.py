"""Schedules, samplers and draws of diffusion, by what they promise."""

import math

import pytest
import torch

from hero_core.models.diffusion import (
    DiffusionDraws,
    Noising,
    Schedule,
    even_timesteps,
    leading_timesteps,
    normal_from,
)

CPU = torch.device("cpu")


@pytest.fixture(params=["cosine", "scaled linear"])
def schedule(request: pytest.FixtureRequest) -> Schedule:
    return Schedule.cosine(40) if request.param == "cosine" else Schedule.scaled_linear(40, 0.001, 0.2)


def test_a_schedule_goes_from_signal_to_noise(schedule: Schedule) -> None:
    assert len(schedule) == 40
    assert schedule.alphas_cumprod.dtype == torch.float64
    assert (schedule.alphas_cumprod.diff() < 0).all()
    assert 0.99 < schedule.alphas_cumprod[0] < 1
    assert schedule.alphas_cumprod[-1] < 0.05
    torch.testing.assert_close(schedule.signal**2 + schedule.noise**2, torch.ones(40, dtype=torch.float64))


def test_the_cosine_is_one() -> None:
    schedule = Schedule.cosine(1000)
    half = math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert schedule.alphas_cumprod[499].item() == pytest.approx(half)


def test_fewer_steps_keep_what_is_left_of_the_signal(schedule: Schedule) -> None:
    kept = even_timesteps(40, 7)
    fewer = schedule.respaced(kept)
    assert fewer.timesteps.tolist() == kept
    torch.testing.assert_close(fewer.alphas_cumprod, schedule.alphas_cumprod[kept])
    again = schedule.respaced(kept, first_alpha=0.999)
    torch.testing.assert_close(again.alphas_cumprod, schedule.alphas_cumprod[kept])
    assert again.alphas_cumprod_prev[0] == 0.999


def test_spacings() -> None:
    assert even_timesteps(1000, 4) == [0, 333, 666, 999]
    assert even_timesteps(50, 50) == list(range(50))
    assert even_timesteps(50, 1) == [0]
    assert leading_timesteps(1000, 4) == [0, 250, 500, 750]
    assert leading_timesteps(1000, 50, offset=1)[-1] == 981


def test_what_is_known_of_the_noise_undoes_it(schedule: Schedule) -> None:
    clean, noise = torch.randn(2, 3, 5, 4)
    for step in (0, 12, 39):
        noisy = Noising(schedule)(clean, noise, torch.full((3,), step))
        torch.testing.assert_close(schedule.clean_of(noisy, noise, step), clean, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(schedule.noise_of(noisy, clean, step), noise, atol=1e-4, rtol=1e-4)


def test_ddim_follows_the_noise_back_to_the_clean_data(schedule: Schedule) -> None:
    clean, noise = torch.randn(2, 3, 5, 4)
    noisy = Noising(schedule)(clean, noise, torch.full((3,), 39))
    for step in reversed(range(1, 40)):
        noisy = schedule.ddim(clean, schedule.noise_of(noisy, clean, step), step)
        expected = Noising(schedule)(clean, noise, torch.full((3,), step - 1))
        torch.testing.assert_close(noisy, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(schedule.ddim(clean, noise, 0), clean)


def test_ancestral_steps_end_at_the_clean_data_and_have_the_right_spread(schedule: Schedule) -> None:
    """Where the clean data are known, going one step down from q(x_t) gives q(x_{t-1})."""
    rng = torch.Generator().manual_seed(0)
    noise, fresh = torch.randn(2, 1, 20_000, 1, generator=rng)
    clean = torch.full_like(noise, 3.0)
    step = 20
    noisy = Noising(schedule)(clean, noise, torch.tensor([step]))
    before = schedule.ancestral(noisy, clean, step, fresh)
    assert before.mean().item() == pytest.approx(3 * schedule.signal[step - 1].item(), abs=0.03)
    assert before.std().item() == pytest.approx(schedule.noise[step - 1].item(), abs=0.03)
    torch.testing.assert_close(schedule.ancestral(noisy, clean, 0, fresh), clean)


def test_draws_are_the_seed_s_and_in_range() -> None:
    shape = (200, 3, 4)
    one, other = (
        DiffusionDraws.draw(shape, 10, 0.25, torch.Generator().manual_seed(7), CPU) for _ in range(2)
    )
    assert torch.equal(one.noise, other.noise)
    assert one.noise.shape == shape
    assert sorted(set(one.steps.tolist())) == list(range(10))
    assert 0.1 < one.drop_condition.float().mean() < 0.4
    assert not DiffusionDraws.draw(shape, 10, 0.0, torch.Generator(), CPU).drop_condition.any()


def test_normal_numbers_are_the_generator_s() -> None:
    numbers = normal_from(torch.Generator().manual_seed(3), CPU)((2, 5))
    assert torch.equal(numbers, torch.randn(2, 5, generator=torch.Generator().manual_seed(3)))
