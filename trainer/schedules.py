"""The learning rate as a pure function of the step."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from hero_core.config import Config


class ScheduleConfig(Config):
    """Linear warm-up, then steps down at the milestones.

    Attributes:
        lr: the learning rate after the warm-up.
        warmup_steps: length of the warm-up.
        milestones: steps after which the rate is multiplied by ``gamma``.
        gamma: factor of each milestone.
        official_warmup: as the official release really does, leave the rate where the warm-up left it,
            ``lr * W / (W + 1)``, because nothing restores it.
        milestone_delay_steps: how much later than written the milestones act. The official tokenizer training counts
            them from the last step of the warm-up: 19 for the paper's 20.
    """

    official_values: ClassVar[Mapping[str, Any]] = {"official_warmup": True}

    lr: float = Field(2e-4, gt=0)
    warmup_steps: int = Field(0, ge=0)
    milestones: tuple[int, ...] = ()
    gamma: float = Field(0.1, gt=0, le=1)
    official_warmup: bool = False
    milestone_delay_steps: int = Field(0, ge=0)


def learning_rate(schedule: ScheduleConfig, step: int) -> float:
    """Learning rate of ``step``, counted from 1; a milestone acts after its step."""
    reached = (step + 1) / (schedule.warmup_steps + 1)
    ceiling = schedule.warmup_steps / (schedule.warmup_steps + 1) if schedule.official_warmup else 1.0
    passed = sum(step > milestone + schedule.milestone_delay_steps for milestone in schedule.milestones)
    return schedule.lr * min(reached, ceiling or 1.0) * schedule.gamma**passed
