"""What happens in a clip, and when: drawn from (seed, index) alone, before anything is rendered."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hero_core.minivimo.interactions import INTERACTIONS, Interaction
from hero_core.motion.format import FPS
from hero_core.records import Side, Truth
from pipeline.minivimo.far import FarThing, sample_far
from pipeline.minivimo.look import Look, sample_look

SIZES: tuple[tuple[int, int], ...] = (  # (width, height)
    (288, 216),
    (288, 162),
    (224, 224),
    (256, 192),
    (224, 168),
    (176, 176),
    (192, 256),
    (168, 224),
)
FRAME_RATES = (10.0, 12.0, 12.5, 15.0, 20.0, 25.0)

_RISE_SECONDS = 0.35
_SHORTEST, _LONGEST = 68, 120  # motion frames
_EARLIEST_EVENT = 0.2  # as a share of the clip
_TAIL_SECONDS = 1.6  # after the event, for the reaction
_FAR_SHARE = 0.4  # of the clips in which something irrelevant happens far away

# Separate random streams, so that a new draw in one of them leaves the others as they were.
_ORDER, _SIDES, _PLAN, _LOOK, _DELAYS, _FAR = range(6)


@dataclass(frozen=True)
class ClipPlan:
    """One clip: what is seen, when one can tell what to do, and how it looks.

    `event_seconds` is the first moment at which a watcher can tell what to do: the ball is released, the light has
    changed, the second hand is up. Where something is revealed (a face, a hand) it grows during `rise_seconds` before,
    stays for `hold_seconds`, then ends. `side` is the side of the fitting reaction, in the reacting person's own left
    and right. `far` is something irrelevant far away, or nothing.
    """

    seed: int
    index: int
    interaction: Interaction
    side: Side
    event_seconds: float
    rise_seconds: float
    hold_seconds: float
    duration_seconds: float
    fps: float
    width: int
    height: int
    look: Look
    far: FarThing | None

    @property
    def half_width(self) -> float:
        """Half the picture's width, in picture heights."""
        return self.width / self.height / 2

    @property
    def frame_count(self) -> int:
        """Video frames."""
        return round(self.duration_seconds * self.fps)

    @property
    def frame_times_seconds(self) -> np.ndarray:
        """(frame_count,) times of the video's frames."""
        return np.arange(self.frame_count) / self.fps

    @property
    def pace(self) -> float:
        """How slow the clip is: 1 is usual, more is slower."""
        return self.rise_seconds / _RISE_SECONDS

    @property
    def motion_length(self) -> int:
        """Motion frames at 20 fps."""
        return round(self.duration_seconds * FPS)

    @property
    def seen_side(self) -> Literal["left", "right"]:
        """Side of the picture where it happens (at last). Cars and fast balls are avoided, everything else is met.

        Of an interaction that is not sided, any side.
        """
        seen_left = bool(self.look.backdrop_seed % 2)
        if self.side != "none":
            seen_left = (self.side == "left") != (self.interaction.reaction == "sidestep")
        return "left" if seen_left else "right"

    def delay_seconds(self, variant: int) -> float:
        """Reaction time of one motion of this clip."""
        rng = np.random.default_rng([self.seed, self.index, _DELAYS, variant])
        return float(rng.uniform(0.15, 0.38))

    def onset_seconds(self, variant: int) -> float:
        """When one motion of this clip begins to react; 0 for `stand`, which never does."""
        if self.interaction.reaction == "stand":
            return 0.0
        return self.event_seconds + self.delay_seconds(variant)

    def truth(self, variant: int) -> Truth:
        """The right answer to this clip, as one of its motions gives it."""
        return Truth(self.interaction.reaction, self.side, self.onset_seconds(variant))

    def reveal(self, time_seconds: float) -> float:
        """How much of the revealing part shows, 0 to 1."""
        rise = (time_seconds - self.event_seconds + self.rise_seconds) / self.rise_seconds
        fall = (self.event_seconds + self.hold_seconds + 0.35 - time_seconds) / 0.35
        return smoothstep(min(rise, fall))


def sample_clip(seed: int, index: int) -> ClipPlan:
    """Plan clip `index` of the data set `seed`.

    Interactions come in shuffled blocks of all of them, and the sides of a sided one alternate between
    blocks, so any run of clips is balanced. The event comes at a share of the clip that is uniform between a fifth
    and what leaves time to react, for all interactions alike.
    """
    block, place = divmod(index, len(INTERACTIONS))
    order = np.random.default_rng([seed, block, _ORDER]).permutation(len(INTERACTIONS))
    kind = int(order[place])
    interaction = INTERACTIONS[kind]

    rng = np.random.default_rng([seed, index, _PLAN])
    duration = int(rng.integers(_SHORTEST, _LONGEST + 1)) / FPS  # a whole number of motion frames
    speed = float(rng.uniform(0.8, 1.25))
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    far_rng = np.random.default_rng([seed, index, _FAR])
    return ClipPlan(
        seed=seed,
        index=index,
        interaction=interaction,
        side=_side(seed, block, kind) if interaction.sided else "none",
        event_seconds=float(rng.uniform(_EARLIEST_EVENT, 1 - _TAIL_SECONDS / duration)) * duration,
        rise_seconds=_RISE_SECONDS / speed,
        hold_seconds=float(rng.uniform(0.75, 1.05)) / speed,
        duration_seconds=duration,
        fps=FRAME_RATES[int(rng.integers(len(FRAME_RATES)))],
        width=width,
        height=height,
        look=sample_look(np.random.default_rng([seed, index, _LOOK]), night=interaction.name == "fireworks"),
        far=sample_far(far_rng, duration) if far_rng.random() < _FAR_SHARE else None,
    )


def smoothstep(x: float) -> float:
    """0 below 0, 1 above 1, smooth in between."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)


def _side(seed: int, block: int, kind: int) -> Side:
    """Two blocks in a row show both sides, in random order."""
    first = int(np.random.default_rng([seed, block // 2, _SIDES, kind]).integers(2))
    return "left" if (first + block) % 2 == 0 else "right"
