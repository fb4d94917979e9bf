"""The learning rate as a pure function of the step."""

from pydantic import Field

from hero_core.config import Config


class ScheduleConfig(Config):
    """Linear warm-up, then steps down by ``gamma`` at the milestones.

    ``official_warmup`` reproduces what the official release really does: the rate stays where the warm-up
    left it, ``lr * W / (W + 1)``, because nothing restores it.
    """

    lr: float = Field(2e-4, gt=0)
    warmup_steps: int = Field(0, ge=0)
    milestones: tuple[int, ...] = ()
    gamma: float = Field(0.1, gt=0, le=1)
    official_warmup: bool = False

    @property
    def milestone_delay_steps(self) -> int:
        """How much later than written the milestones act."""
        return 0


def learning_rate(schedule: ScheduleConfig, step: int) -> float:
    """Learning rate of ``step``, counted from 1; a milestone acts after its step."""
    reached = (step + 1) / (schedule.warmup_steps + 1)
    ceiling = schedule.warmup_steps / (schedule.warmup_steps + 1) if schedule.official_warmup else 1.0
    delay = schedule.milestone_delay_steps
    passed = sum(step > milestone + delay for milestone in schedule.milestones)
    return schedule.lr * min(reached, ceiling or 1.0) * schedule.gamma**passed
