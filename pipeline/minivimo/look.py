"""How a clip looks: everything that varies from clip to clip and must not matter for the reaction."""

from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]  # RGB, 0-255

BACKDROPS = ("gradient", "room", "street", "park")
DISTRACTORS = ("leaf", "balloon", "walker", "cloud")

_SKINS: tuple[Colour, ...] = (
    (255, 219, 188),
    (240, 194, 154),
    (212, 160, 116),
    (166, 112, 74),
    (112, 72, 50),
)
_HAIRS: tuple[Colour, ...] = ((36, 28, 26), (92, 58, 34), (150, 98, 48), (214, 178, 96), (120, 120, 126))
_CLOTHES: tuple[Colour, ...] = (
    (64, 112, 176),
    (92, 150, 120),
    (150, 108, 168),
    (196, 150, 72),
    (110, 118, 132),
    (70, 140, 160),
    (176, 104, 96),
)


@dataclass(frozen=True)
class Distractor:
    """A thing that drifts through the picture and means nothing.

    Positions in picture heights (x from the middle, y from the top), speed in heights per second.
    """

    kind: str
    x: float
    y: float
    speed_x: float
    speed_y: float
    size: float
    colour: Colour


@dataclass(frozen=True)
class Look:
    """Colours, backdrop, camera and distractors of one clip. Lengths in picture heights."""

    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    accent: Colour
    backdrop: str
    backdrop_seed: int
    sky: Colour
    ground: Colour
    horizon: float
    light: float
    noise: int
    shake: float
    shake_hz: tuple[float, float]
    shake_phase: tuple[float, float]
    offset_x: float
    scale: float
    long_hair: bool
    flip: bool
    distractors: tuple[Distractor, ...]


def sample_look(rng: np.random.Generator, night: bool) -> Look:
    """Draws a look. `night` darkens the backdrop, for the clips that need a dark sky."""
    light = float(rng.uniform(0.25, 0.4) if night else rng.choice([1.0, 1.0, 1.0, rng.uniform(0.35, 0.8)]))
    hue = rng.uniform(-24, 24, size=3)
    return Look(
        skin=_pick(rng, _SKINS),
        hair=_pick(rng, _HAIRS),
        shirt=_pick(rng, _CLOTHES),
        trousers=_pick(rng, ((52, 58, 76), (84, 76, 66), (40, 44, 48), (96, 104, 116))),
        accent=_pick(rng, ((232, 92, 60), (240, 176, 44), (236, 236, 230), (216, 84, 140), (96, 190, 84))),
        backdrop=str(rng.choice(["gradient", "street", "park"] if night else list(BACKDROPS))),
        backdrop_seed=int(rng.integers(2**31)),
        sky=_tint((168, 200, 228), hue),
        ground=_tint((158, 158, 146), -hue),
        horizon=float(rng.uniform(0.40, 0.47)),
        light=light,
        noise=int(rng.integers(0, 5)),
        shake=float(rng.choice([0.002, 0.006, 0.012])),
        shake_hz=(float(rng.uniform(0.5, 2.2)), float(rng.uniform(0.5, 2.2))),
        shake_phase=(float(rng.uniform(0, 6.28)), float(rng.uniform(0, 6.28))),
        offset_x=float(rng.uniform(-0.06, 0.06)),
        scale=float(rng.uniform(0.93, 1.07)),
        long_hair=bool(rng.random() < 0.5),
        flip=bool(rng.random() < 0.5),
        distractors=tuple(_sample_distractor(rng) for _ in range(int(rng.integers(0, 4)))),
    )


def _sample_distractor(rng: np.random.Generator) -> Distractor:
    kind = str(rng.choice(DISTRACTORS))
    low, high = {"leaf": (0.05, 0.6), "balloon": (0.05, 0.35), "walker": (0.0, 0.0), "cloud": (0.04, 0.2)}[
        kind
    ]
    direction = -1.0 if rng.random() < 0.5 else 1.0
    return Distractor(
        kind=kind,
        x=float(rng.uniform(-0.6, 0.6)),
        y=float(rng.uniform(low, high)),
        speed_x=direction * float(rng.uniform(0.01, 0.12)),
        speed_y=float(rng.uniform(0.02, 0.1)) * {"leaf": 1.0, "balloon": -0.5}.get(kind, 0.0),
        size=float(rng.uniform(0.7, 1.3)),
        colour=_pick(rng, _CLOTHES),
    )


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    base = colours[int(rng.integers(len(colours)))]
    return _tint(base, rng.uniform(-12, 12, size=3))


def _tint(colour: Colour, shift: np.ndarray) -> Colour:
    red, green, blue = (int(np.clip(c + s, 0, 255)) for c, s in zip(colour, shift, strict=True))
    return red, green, blue
