"""The judge names what a motion does, keeps doing so when the motion is a little off, and is not easily fooled."""

from itertools import product

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from hero_core.errors import InputError
from hero_core.minivimo.interactions import INTERACTIONS, REACTIONS
from hero_core.minivimo.judge import UNCLEAR, Verdict, judge
from pipeline.minivimo import ClipPlan, make_motion, sample_clip

CLIPS = 3 * len(INTERACTIONS)


@pytest.fixture(scope="module")
def truth() -> list[tuple[ClipPlan, int, np.ndarray]]:
    """(plan, variant, joints) of 600 motions from four seeds, all interactions alike."""
    clips = [sample_clip(seed, index) for seed, index in product((0, 11, 222, 3333), range(CLIPS))]
    return [(plan, variant, make_motion(plan, variant)) for plan in clips for variant in (0, 1)]


@pytest.fixture(scope="module")
def verdicts(truth: list[tuple[ClipPlan, int, np.ndarray]]) -> list[Verdict]:
    """Of the same motions."""
    return [judge(joints) for _, _, joints in truth]


def is_right(verdict: Verdict, plan: ClipPlan, variant: int) -> bool:
    """Class, side, and onset within a quarter of a second."""
    late = verdict.onset_seconds - plan.onset_seconds(variant)
    return (verdict.reaction, verdict.side) == (plan.interaction.reaction, plan.side) and abs(late) <= 0.25


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], size_m: float) -> np.ndarray:
    """An error that wanders over about half a second, `size_m` long for each joint (root mean square)."""
    wander = gaussian_filter1d(rng.normal(size=shape), 4, axis=0, mode="nearest")
    return np.asarray(size_m * wander / np.sqrt((wander**2).sum(axis=-1).mean()))


def test_knows_every_reaction_of_the_interactions_and_no_other(verdicts: list[Verdict]) -> None:
    assert {verdict.reaction for verdict in verdicts} - {UNCLEAR} == set(REACTIONS)
    assert len(REACTIONS) == len(set(REACTIONS)) <= len(INTERACTIONS)


def test_right_on_the_ground_truth(
    truth: list[tuple[ClipPlan, int, np.ndarray]], verdicts: list[Verdict]
) -> None:
    right = [
        is_right(verdict, plan, variant) for (plan, variant, _), verdict in zip(truth, verdicts, strict=True)
    ]
    assert len(right) == 600
    assert np.mean(right) >= 0.99


def test_finds_the_onset_within_a_tenth_of_a_second_in_the_median(
    truth: list[tuple[ClipPlan, int, np.ndarray]], verdicts: list[Verdict]
) -> None:
    late = [
        verdict.onset_seconds - plan.onset_seconds(variant)
        for (plan, variant, _), verdict in zip(truth, verdicts, strict=True)
        if plan.interaction.reaction != "stand"
    ]
    assert np.median(np.abs(late)) <= 0.1


@pytest.mark.parametrize("size_m", [0.02, 0.03])
def test_right_on_motions_a_few_centimetres_off(
    truth: list[tuple[ClipPlan, int, np.ndarray]], size_m: float
) -> None:
    rng = np.random.default_rng(5)
    right = []
    for plan, variant, joints in truth[::2]:
        blurred = gaussian_filter1d(joints.astype(float), 1.0, axis=0, mode="nearest")
        right.append(is_right(judge(blurred + smooth_noise(rng, joints.shape, size_m)), plan, variant))
    assert np.mean(right) >= 0.95


def test_does_not_mind_place_heading_and_drift(truth: list[tuple[ClipPlan, int, np.ndarray]]) -> None:
    """The whole motion turned and moved, its height rising by 6 cm and its path drifting by 6 cm."""
    cos, sin = np.cos(2.0), np.sin(2.0)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    right = []
    for plan, variant, joints in truth[::3]:
        drift = np.linspace(0, 1, len(joints))[:, None, None] * [0.04, 0.06, -0.04]
        right.append(is_right(judge((joints + drift) @ turn.T + [3.0, 0.4, -2.0]), plan, variant))
    assert np.mean(right) >= 0.98


def test_a_mirrored_motion_gets_the_other_side(truth: list[tuple[ClipPlan, int, np.ndarray]]) -> None:
    mirror = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20]
    other = {"left": "right", "right": "left", "none": "none"}
    for plan, _, joints in truth[::4]:
        verdict = judge(joints[:, mirror] * [-1, 1, 1])
        assert (verdict.reaction, verdict.side) == (plan.interaction.reaction, other[plan.side])


def test_an_earlier_reaction_has_an_earlier_onset(truth: list[tuple[ClipPlan, int, np.ndarray]]) -> None:
    plan, variant, joints = next(item for item in truth if item[0].interaction.reaction == "bow")
    later = judge(np.concatenate([np.repeat(joints[:1], 20, axis=0), joints])).onset_seconds
    assert later - judge(joints).onset_seconds == pytest.approx(1.0, abs=0.05)
    assert variant == 0
    assert plan.onset_seconds(0) == pytest.approx(judge(joints).onset_seconds, abs=0.15)


def test_the_answer_to_another_clip_is_wrong(
    truth: list[tuple[ClipPlan, int, np.ndarray]], verdicts: list[Verdict]
) -> None:
    """Motions dealt to the wrong clips are right about as often as chance says."""
    order = np.random.default_rng(0).permutation(len(truth))
    right = [is_right(verdicts[other], truth[i][0], truth[i][1]) for i, other in enumerate(order)]
    assert np.mean(right) < 0.08


@pytest.mark.parametrize("size_m", [0.05, 0.3, 1.0])
def test_noise_is_unclear(size_m: float) -> None:
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(0, size_m, (80, 22, 3)), axis=0)
    assert judge(rng.normal(0, size_m, (80, 22, 3))).reaction == UNCLEAR
    assert judge(walk).reaction == UNCLEAR


@pytest.mark.parametrize("reaction", ["cheer", "bow", "hug", "crouch_and_pet"])
def test_holding_a_pose_from_the_start_is_no_reaction(
    truth: list[tuple[ClipPlan, int, np.ndarray]], reaction: str
) -> None:
    plan, variant, joints = next(item for item in truth if item[0].interaction.reaction == reaction)
    frame = int((plan.onset_seconds(variant) + 0.8) * 20)
    assert judge(np.repeat(joints[frame : frame + 1], 60, axis=0)).reaction == UNCLEAR


def test_a_frozen_standing_person_only_stands(truth: list[tuple[ClipPlan, int, np.ndarray]]) -> None:
    for _, _, joints in truth[:30]:
        assert judge(np.repeat(joints[:1], 60, axis=0)) == Verdict("stand", "none", 0.0)


def test_works_at_another_frame_rate(truth: list[tuple[ClipPlan, int, np.ndarray]]) -> None:
    right = [
        is_right(judge(np.repeat(joints, 2, axis=0), fps=40.0), plan, variant)
        for plan, variant, joints in truth[::5]
    ]
    assert np.mean(right) >= 0.98


@pytest.mark.parametrize("shape", [(5, 22, 3), (40, 21, 3), (40, 66)])
def test_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="22, 3"):
        judge(np.zeros(shape))


def test_refuses_values_that_are_not_finite() -> None:
    with pytest.raises(InputError, match="finite"):
        judge(np.full((40, 22, 3), np.nan))
