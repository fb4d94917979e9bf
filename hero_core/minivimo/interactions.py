"""The twenty-five interactions of MiniViMo: what is seen, and the one reaction that fits it."""

from dataclasses import dataclass
from typing import Literal

Asks = Literal["sight", "order", "speed", "last", "nearness"]


@dataclass(frozen=True)
class Interaction:
    """One kind of clip.

    `asks` is what the answer lies in, beyond telling things apart:
        sight: one frame at the right moment shows it;
        order: the same frames in reverse order are another interaction with another reaction;
        speed: the same frames further apart in time are another interaction;
        last: two events like each other happen, on one side and on the other, and the last one counts;
        nearness: the same thing as in another interaction, but it stays far away.

    `sided` interactions happen on the reacting person's own left or right, and the reaction follows:
    the hand that is used, the foot that kicks, the side of the catch or the direction of the sidestep.
    """

    name: str
    broad: str
    reaction: str
    sided: bool = False
    asks: Asks = "sight"


INTERACTIONS: tuple[Interaction, ...] = (
    Interaction("approach_angry", "human-human", "step_back"),
    Interaction("approach_neutral", "human-human", "stand"),
    Interaction("approach_happy", "human-human", "wave"),
    Interaction("open_arms", "human-human", "hug"),
    Interaction("bow", "human-human", "bow"),
    Interaction("throw_ball", "human-human", "catch", sided=True),
    Interaction("high_five", "human-human", "raise_hand", sided=True),
    Interaction("punch", "human-human", "block"),
    Interaction("dog_comes_near", "animal-human", "crouch_and_pet", sided=True),
    Interaction("lion_charges", "animal-human", "jump_back"),
    Interaction("bird_swoops", "animal-human", "shield_head"),
    Interaction("car_comes", "scene-human", "sidestep", sided=True),
    Interaction("ball_rolls", "scene-human", "kick", sided=True),
    Interaction("green_light", "scene-human", "walk_forward"),
    Interaction("fireworks", "scene-human", "cheer"),
    Interaction("walks_away", "human-human", "walk_forward", asks="order"),
    Interaction("they_catch", "human-human", "cheer", asks="order"),
    Interaction("red_light", "scene-human", "step_back", asks="order"),
    Interaction("fast_ball", "human-human", "sidestep", sided=True, asks="speed"),
    Interaction("rush", "human-human", "jump_back", asks="speed"),
    Interaction("change_hands", "human-human", "raise_hand", sided=True, asks="last"),
    Interaction("dog_crosses", "animal-human", "crouch_and_pet", sided=True, asks="last"),
    Interaction("car_swerves", "scene-human", "sidestep", sided=True, asks="last"),
    Interaction("car_passes", "scene-human", "stand", asks="nearness"),
    Interaction("bird_passes", "animal-human", "stand", asks="nearness"),
)

BROAD_CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(kind.broad for kind in INTERACTIONS))
REACTIONS: tuple[str, ...] = tuple(dict.fromkeys(kind.reaction for kind in INTERACTIONS))
