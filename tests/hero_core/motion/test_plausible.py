"""Motions read wrongly are refused with the suspicion and the option; motions as they are pass."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.motion import plausible as p
from hero_core.motion import rotations as rot
from hero_core.motion.canonical import canonicalise
from hero_core.motion.format import MOTION_DIM
from hero_core.motion.humanml3d import CONTACTS, LOCAL_POSITIONS, ROOT_HEIGHT, VELOCITIES, joints_to_vectors
from hero_core.motion.humanml3d import vectors_to_joints as back
from hero_core.motion.plausible import Reading
from hero_core.motion.rotations import Array

MakeMotion = Callable[..., Array]
PLAIN = Reading()


@pytest.fixture
def calm(make_motion: MakeMotion) -> Array:
    return canonicalise(make_motion(sway=0.15))


def reason_of(joints: Array, reading: Reading = PLAIN) -> str:
    with pytest.raises(InputError) as caught:
        p.check_body(joints, reading)
        p.check_movement(joints, reading)
    return str(caught.value)


@pytest.mark.parametrize("seed", range(5))
def test_a_motion_as_it_is_passes(make_motion: MakeMotion, seed: int) -> None:
    joints = canonicalise(make_motion(seed=seed, sway=0.15))
    assert p.check_body(joints * 0.6, PLAIN) == ()
    assert p.check_movement(joints, PLAIN) == ()
    p.check_vectors(joints_to_vectors(joints), joints[:-1])


def test_reversed_joints(calm: Array) -> None:
    assert "another order" in reason_of(calm[:, ::-1])
    assert "no human proportions" in reason_of(
        np.tile(calm[:1, ::-1], (60, 1, 1))
    )  # limbs that keep their length


def test_random_joints() -> None:
    assert "change their length" in reason_of(np.random.default_rng(0).normal(size=(60, 22, 3)))


@pytest.mark.parametrize(("unit", "size"), [("cm", 100.0), ("mm", 1000.0), ("inch", 1 / 0.0254)])
def test_other_units(calm: Array, unit: str, size: float) -> None:
    assert f"--unit {unit}" in reason_of(calm * size)
    assert "--unit m" in reason_of(calm / size, Reading(unit=unit))  # type: ignore[arg-type]
    assert "positions must be in metres" in reason_of(calm * 3.0)


@pytest.mark.parametrize("up", ["y", "z"])
def test_swapped_axes(calm: Array, up: str) -> None:
    swapped = calm[..., [0, 2, 1]] * [1.0, -1.0, 1.0]
    other = "z" if up == "y" else "y"
    assert f"--up {other}" in reason_of(swapped, Reading(up=up))  # type: ignore[arg-type]
    assert "make these vectors again" in reason_of(swapped, Reading(vectors=True))
    (warning,) = p.check_body(swapped, Reading(up=up, up_confirmed=True))  # type: ignore[arg-type]
    assert "lies on its side" in warning


def test_upside_down_and_mirrored(calm: Array) -> None:
    assert "head is below the pelvis" in reason_of(calm * [1.0, -1.0, -1.0])
    assert "toes point backwards" in reason_of(calm * [-1.0, 1.0, 1.0])


def test_a_head_below_the_pelvis(calm: Array) -> None:
    calm[:, 15] = calm[:, 0] - [0.0, 0.3, 0.0]
    assert "head is below the pelvis" in reason_of(calm)


@pytest.mark.parametrize("height", [-2.0, 2.0])
def test_feet_nowhere_near_a_floor(calm: Array, height: float) -> None:
    assert "no floor near the feet" in reason_of(calm + np.array([0.0, height, 0.0]))


def test_speeds_no_human_has(make_motion: MakeMotion) -> None:
    lively = canonicalise(make_motion(frames=240, sway=0.3))
    reason = reason_of(lively[::4], Reading(fps=120))
    assert "too fast" in reason
    assert "--motion-fps" in reason
    far = lively + np.arange(240)[:, None, None] * [0.0, 0.0, 1.0]
    assert "--unit cm" in reason_of(far)


def stepping(seconds_per_step: float) -> Array:
    """One foot after the other goes 0.5 m ahead in half sines, the body with them."""
    steps, frames = 4, round(seconds_per_step * 20)
    ramp = (1 - np.cos(np.linspace(0, np.pi, frames, endpoint=False))) / 2
    pause = np.full(10, 1.0)
    joints = np.zeros((0, 2))
    place = np.zeros(2)
    for step in range(steps):
        move = np.outer(np.concatenate([ramp, pause]), np.eye(2)[step % 2] * 0.5)
        joints = np.concatenate([joints, place + move])
        place = joints[-1]
    body = np.zeros((len(joints), 22, 3))
    body[:, 7, 2], body[:, 8, 2] = joints[:, 0], joints[:, 1]
    return body


@pytest.mark.parametrize("seconds", [0.4, 0.6, 1.6])
def test_the_quickest_step_is_timed(seconds: float) -> None:
    found = p.quickest_step_seconds(stepping(seconds))
    assert found is not None
    assert 0.7 * seconds < found < 1.1 * seconds


def test_nobody_steps(calm: Array) -> None:
    assert p.quickest_step_seconds(np.tile(calm[:1], (60, 1, 1))) is None


def slow() -> Array:
    """Steps too slow to be true, of a body that stands; only its feet matter here."""
    joints = stepping(1.6)
    joints[:, [10, 11]] = joints[:, [7, 8]]
    return joints


def test_a_rate_that_only_the_file_states_is_doubted_and_others_are_warned_about() -> None:
    with pytest.raises(InputError, match=r"too slow.*--motion-fps 120; or --motion-fps 30"):
        p.check_movement(slow(), Reading(fps=30, fps_from_file=True))
    (warning,) = p.check_movement(slow(), Reading(fps=30))
    assert "--motion-fps 120" in warning
    (warning,) = p.check_movement(slow(), Reading(vectors=True))
    assert "make these vectors again" in warning


Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 0.1), np.float32)


def per_second(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    vectors[:, VELOCITIES] *= 20
    return vectors


def without_contacts(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    vectors[:, CONTACTS] = 1.0 - vectors[:, CONTACTS]
    return vectors


def noise(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=vectors.shape).astype(np.float32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (normalised, r"Std \+ Mean"),
        (noise, "rotations are none"),
        (np.zeros_like, "rotations are none"),
        (per_second, "velocities and positions disagree"),
        (without_contacts, "contacts"),
    ],
)
def test_vectors_that_contradict_themselves(calm: Array, change: Change, reason: str) -> None:
    vectors = change(joints_to_vectors(calm))
    assert vectors.shape[1] == MOTION_DIM
    with pytest.raises(InputError, match=reason):
        p.check_vectors(vectors, back(vectors))


def test_vectors_far_from_the_floor(calm: Array) -> None:
    vectors = joints_to_vectors(calm)
    vectors[:, ROOT_HEIGHT] += 2.0
    vectors[:, LOCAL_POSITIONS][:, 1::3] += 2.0
    p.check_vectors(vectors, back(vectors))
    assert "no floor near the feet" in reason_of(back(vectors), Reading(vectors=True))


def test_a_single_glitch_is_no_reason_to_refuse(calm: Array) -> None:
    calm[30, 20:] += rot.unit([1.0, 1.0, 0.0]) * 0.8
    assert p.check_movement(calm, PLAIN) == ()
