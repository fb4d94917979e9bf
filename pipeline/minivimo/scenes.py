"""What the reacting person sees in each interaction: from a plan and a time to what is in view."""

from collections.abc import Callable

from pipeline.minivimo.animal_scenes import (
    bird_passes,
    bird_swoops,
    dog_comes_near,
    dog_crosses,
    lion_charges,
)
from pipeline.minivimo.person_scenes import (
    approach,
    bow,
    change_hands,
    fast_ball,
    high_five,
    open_arms,
    punch,
    rush,
    they_catch,
    throw_ball,
    walks_away,
)
from pipeline.minivimo.plan import ClipPlan
from pipeline.minivimo.street_scenes import (
    ball_rolls,
    car_comes,
    car_passes,
    car_swerves,
    fireworks,
    green_light,
    red_light,
)
from pipeline.minivimo.view import ANGRY, HAPPY, NEUTRAL, View

Scene = Callable[[ClipPlan, float], View]


def view_at(plan: ClipPlan, time_seconds: float) -> View:
    """What the clip is about, as it is in view at one time. Depends on nothing else."""
    return _SCENES[plan.interaction.name](plan, time_seconds)


_SCENES: dict[str, Scene] = {
    "approach_angry": approach(ANGRY),
    "approach_neutral": approach(NEUTRAL),
    "approach_happy": approach(HAPPY),
    "walks_away": walks_away,
    "rush": rush,
    "open_arms": open_arms,
    "bow": bow,
    "throw_ball": throw_ball,
    "fast_ball": fast_ball,
    "they_catch": they_catch,
    "high_five": high_five,
    "change_hands": change_hands,
    "punch": punch,
    "dog_comes_near": dog_comes_near,
    "dog_crosses": dog_crosses,
    "lion_charges": lion_charges,
    "bird_swoops": bird_swoops,
    "bird_passes": bird_passes,
    "car_comes": car_comes,
    "car_swerves": car_swerves,
    "car_passes": car_passes,
    "ball_rolls": ball_rolls,
    "green_light": green_light,
    "red_light": red_light,
    "fireworks": fireworks,
}
