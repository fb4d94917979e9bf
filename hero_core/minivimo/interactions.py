"""The fifteen interactions of MiniViMo: what is seen, and the one reaction that fits it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Interaction:
    """One kind of clip.

    `sided` interactions happen on the reacting person's own left or right, and the reaction follows:
    the hand that is used, the foot that kicks, the side of the catch or the direction of the sidestep.
    """

    name: str
    broad: str
    reaction: str
    sided: bool = False


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
)

BROAD_CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(kind.broad for kind in INTERACTIONS))
REACTIONS: tuple[str, ...] = tuple(dict.fromkeys(kind.reaction for kind in INTERACTIONS))
