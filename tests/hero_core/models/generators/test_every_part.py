"""What every part that learns from whole motions promises, whichever generator it is of."""

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from hero_core.models import generators  # noqa: F401  registers them
from hero_core.models.base import Batch, VideoFeatures, generator_class
from hero_core.models.generators.hero.intention import InteractionIntention
from hero_core.models.ranks import Ranks

WORLD = 2
SIZES: dict[str, Any] = {
    "codebook_size": 8,
    "code_dim": 12,
    "latent_dim": 16,
    "width": 16,
    "ff_size": 24,
    "layers": 3,
    "heads": 2,
    "quantizers": 3,
    "max_tokens": 10,
    "max_frames": 40,
    "position_rows": 50,
    "diffusion_steps": 12,
    "feature_dim": 16,
    "intention_heads": 2,
    "dropout": 0.0,
    "intention_dropout": 0.0,
}


@dataclass(frozen=True)
class Share(Ranks):
    """One of the ranks, as if the others were there."""

    number: int = 0

    @property
    def rank(self) -> int:
        return self.number

    @property
    def world(self) -> int:
        return WORLD

    def own(self, rows: Tensor) -> Tensor:
        return rows.chunk(WORLD)[self.number]


def parts(trained_on: tuple[str, ...] = ("motions", "pairs"), setting: str | None = None) -> list[Any]:
    """As parameters of a test; those that have this setting."""
    return [
        pytest.param(part, id=f"{kind}-{name}")
        for kind in ("hero", "momask", "bamm", "t2mgpt", "mdm", "mld")
        for name, part in generator_class(kind).parts.items()
        if part.trained_on in trained_on and (setting is None or setting in part.settings.model_fields)
    ]


def make(cls: Any, **changes: Any) -> Any:
    """Random weights and biases, large enough that all that goes in makes a difference."""
    torch.manual_seed(0)
    fields = cls.settings.model_fields
    part = cls(
        cls.settings.model_validate(
            {name: value for name, value in {**SIZES, **changes}.items() if name in fields}
        )
    )
    with torch.no_grad():
        for weight in part.parameters():
            weight.add_(0.2 * torch.randn(weight.shape))
    return part


def batch_of(cls: Any, lengths: tuple[int, ...] = (40, 8, 23, 16)) -> Batch:
    rng = torch.Generator().manual_seed(1)
    count = len(lengths)
    frames = torch.randn(count, 4, 16, generator=rng)
    times = torch.arange(4).expand(count, -1) / 4
    encoded = {
        "rvq": torch.randint(8, (count, 10, 3), generator=rng),
        "vq": torch.randint(8, (count, 10, 1), generator=rng),
        "vae": torch.randn(count, 1, 32, generator=rng),
    }
    return Batch(
        tuple(map(str, range(count))),
        torch.tensor(lengths),
        frames=torch.randn(count, 40, 263, generator=rng),
        condition=None if cls.trained_on == "motions" else VideoFeatures(frames, frames.mean(dim=1), times),
        encoded=encoded.get(cls.encoded_by),
    )


def losses(part: Any, batch: Batch) -> dict[str, float]:
    with torch.no_grad():
        found = part.losses(batch, torch.Generator().manual_seed(2))
    return {name: loss.item() for name, loss in found.items()}


@pytest.mark.parametrize("cls", parts())
def test_the_losses_of_one_process_are_the_mean_over_the_ranks(cls: Any) -> None:
    part, batch = make(cls, condition_drop=0.5).train(), batch_of(cls)
    shares = [losses(part, replace(batch, ranks=Share(number=number))) for number in range(WORLD)]
    assert shares[0]["total"] != shares[1]["total"]
    for name, loss in losses(part, batch).items():
        assert sum(share[name] for share in shares) / WORLD == pytest.approx(loss, rel=1e-5), name


@pytest.mark.parametrize("cls", parts(setting="condition_drop"))
def test_the_condition_is_dropped_in_training_alone(cls: Any) -> None:
    always, never = (make(cls, condition_drop=share) for share in (0.999, 0.0))
    batch = batch_of(cls)
    assert losses(always.eval(), batch) == losses(never.eval(), batch)
    assert losses(always.train(), batch) != losses(never.train(), batch)


@pytest.mark.parametrize("cls", parts(setting="condition_drop"))
def test_a_dropped_condition_says_nothing_of_the_video(cls: Any) -> None:
    part, batch = make(cls, condition_drop=0.999, use_die=False).train(), batch_of(cls)
    other = replace(batch, condition=batch.video.map(lambda each: each.flip(0) - 1))
    assert losses(part, batch) == losses(part, other)
    assert losses(part.eval(), batch) != losses(part, other)


@pytest.mark.parametrize("cls", parts(setting="use_iie"))
def test_the_intention_learns_where_it_is_switched_on(cls: Any) -> None:
    part = make(cls, use_iie=True, condition_drop=0.0).train()
    torch.autograd.backward(part.losses(batch_of(cls), torch.Generator().manual_seed(2))["total"])
    (intention,) = (each for each in part.modules() if isinstance(each, InteractionIntention))
    assert all(each.grad is not None and bool(each.grad.any()) for each in intention.parameters())
    assert not any(isinstance(each, InteractionIntention) for each in make(cls, use_iie=False).modules())


@pytest.mark.parametrize("cls", parts())
def test_one_motion_of_one_token_can_be_learned(cls: Any) -> None:
    part = make(cls).train()
    for length in (4, 7):
        assert all(map(math.isfinite, losses(part, batch_of(cls, (length,))).values()))
