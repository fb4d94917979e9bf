"""What is in view at one moment. A view is made from a plan, and both the picture and `sight` are made from it.

x = 0 is the middle of the picture, y = 0 its top; lengths count in picture heights.
"""

from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
ThingKind = Literal["dog", "lion", "bird", "car", "ball"]

HANGING: Point = (0.05, -0.335)
"""A hand at rest, as `Figure.hands` counts."""


@dataclass(frozen=True)
class Face:
    """-1..1 each: brows slant inwards (anger) or lift, mouth turns up or down, and how far it is open."""

    slant: float = 0.0
    smile: float = 0.0
    open: float = 0.0
    blush: float = 0.0

    def faded(self, share: float) -> "Face":
        """The same expression at `share` of its strength."""
        return Face(self.slant * share, self.smile * share, self.open * share, self.blush * share)


NEUTRAL = Face()
ANGRY = Face(slant=1.0, smile=-1.0, open=0.35, blush=0.0)
HAPPY = Face(slant=0.0, smile=1.0, open=1.0, blush=1.0)


@dataclass(frozen=True)
class Figure:
    """A standing person.

    `hands` are (left in the picture, right in the picture): outwards and up from the shoulder, in figure
    heights. `hand_sizes` grow when a hand comes towards the camera. `stride` -1..1 is where the legs are.
    """

    x: float
    feet_y: float
    height: float
    face: Face = NEUTRAL
    hands: tuple[Point, Point] = (HANGING, HANGING)
    hand_sizes: tuple[float, float] = (1.0, 1.0)
    open_palms: bool = False
    bow: float = 0.0
    stride: float = 0.0

    @property
    def head_position(self) -> Point:
        """Where the middle of the head is; a bow brings it down."""
        return self.x, self.feet_y - (0.865 - 1.75 * self.bow_drop) * self.height

    @property
    def bow_drop(self) -> float:
        """How much lower the shoulders are by bowing, in figure heights."""
        return 0.17 * self.bow

    def hand_position(self, side: int) -> Point:
        """Where hand 0 (left in the picture) or 1 is."""
        sign = (-1, 1)[side]
        outward, up = self.hands[side]
        return self.x + sign * (0.135 + outward) * self.height, self.feet_y - (0.685 + up) * self.height


@dataclass(frozen=True)
class Thing:
    """An animal, a car or a ball.

    Attributes:
        x, y: where it meets the ground; of a bird and a ball, the middle.
        size: height of a dog or lion, wing span of a bird, width of a car, diameter of a ball.
        phase: seconds of its own movement (tail, legs, wings); turns of a ball.
        effort: 0..1, how much a dog runs or a lion roars.
        shadow: whether a ball lies on the ground.
    """

    kind: ThingKind
    x: float
    y: float
    size: float
    phase: float = 0.0
    effort: float = 0.0
    shadow: bool = False

    @property
    def middle(self) -> Point:
        """The middle of what is seen of it."""
        return self.x, self.y - (0.0 if self.kind in ("bird", "ball") else self.size / 2)


@dataclass(frozen=True)
class TrafficLight:
    """A traffic light for walkers: green, or else red."""

    foot: Point
    height: float
    green: bool


@dataclass(frozen=True)
class Rocket:
    """The rising spark of a firework."""

    at: Point


@dataclass(frozen=True)
class Burst:
    """A firework that has burst; `age` 0..1 from flash to gone, `colour` which of its colours."""

    centre: Point
    radius: float
    age: float
    colour: int


@dataclass(frozen=True)
class View:
    """Everything in view but the backdrop."""

    person: Figure | None = None
    things: tuple[Thing, ...] = ()
    light: TrafficLight | None = None
    crossing: bool = False
    rockets: tuple[Rocket, ...] = ()
    bursts: tuple[Burst, ...] = ()
