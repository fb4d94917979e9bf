import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.view.figure import LEFT, RIGHT, START, body_parts, facing
from hero_core.view.render import BACKGROUND, camera_path, render_motion
from pipeline.minivimo import make_motion, sample_clip

SIZE = 120


@pytest.fixture(scope="module")
def walk():
    """A pose that glides 3 m ahead, for 2 s."""
    pose = np.asarray(make_motion(sample_clip(0, 0), 0)[0], np.float64)
    way = np.zeros((40, 1, 3))
    way[:, 0, 2] = np.linspace(0, 3, 40)
    return pose + way


def pixels_like(frame, colour, tolerance=30):
    """(k, 2) x and y of the pixels near a colour."""
    rows, columns = np.nonzero(np.abs(frame.astype(int) - colour).max(axis=-1) < tolerance)
    return np.stack([columns, rows], axis=-1)


def test_one_frame_per_pose_and_the_same_every_time(walk):
    walk = walk[:6]
    frames = list(render_motion(walk, SIZE))
    assert len(frames) == len(walk)
    assert frames[0].shape == (SIZE, SIZE, 3)
    assert frames[0].dtype == np.uint8
    assert all(map(np.array_equal, frames, render_motion(walk, SIZE)))
    assert not np.array_equal(frames[0], frames[5])


def test_from_ahead_the_persons_left_is_on_the_viewers_right(walk):
    frame = next(render_motion(walk, SIZE))
    left, right = pixels_like(frame, LEFT), pixels_like(frame, RIGHT)
    assert min(len(left), len(right)) > 20
    assert left[:, 0].mean() > right[:, 0].mean()


def test_the_start_is_marked_in_the_way_the_body_faces(walk):
    first, (*_, last) = next(render_motion(walk, SIZE)), render_motion(walk[::5], SIZE)
    marks = pixels_like(first, START)
    assert len(marks) > 20
    body_x = pixels_like(first, LEFT)[:, 0].mean() / 2 + pixels_like(first, RIGHT)[:, 0].mean() / 2
    tip = marks[marks[:, 1].argmax()]
    assert tip[0] < body_x  # ahead of a body that is seen from its left front: to the lower left
    assert np.allclose(facing(walk[0]), [0, 0, 1], atol=0.1)
    assert len(pixels_like(last, START)) > 5  # still to be seen 3 m later


def test_the_whole_body_is_in_every_frame(walk):
    for joints, camera in zip(walk, camera_path(walk, SIZE), strict=True):
        pixels, depth = camera.project(joints)
        assert depth.min() > 1
        assert pixels.min() > 0
        assert pixels.max() < SIZE


def test_the_camera_follows_without_jerks(walk):
    shaken = walk + 0.2 * (np.arange(len(walk)) % 2)[:, None, None] * [1.0, 0.0, 0.0]
    eyes = np.stack([camera.eye for camera in camera_path(shaken, SIZE)])
    assert np.abs(np.diff(eyes, axis=0)).max() < 0.12
    assert eyes[-1, 2] - eyes[0, 2] > 2


def test_the_figure_stands_on_its_shadow(walk):
    frame = next(render_motion(walk, SIZE))
    lifted = next(render_motion(walk + np.array([0, 0.8, 0]), SIZE))
    around_feet = slice(int(0.75 * SIZE), None)
    assert frame[around_feet].min() < lifted[around_feet].min()


def test_what_is_far_from_the_figure_is_background(walk):
    frame = next(render_motion(walk, SIZE))
    assert np.abs(frame[:6].astype(int) - BACKGROUND).max() <= 4


def test_parts_surround_their_joints(walk):
    for part in body_parts(walk[0]):
        for centres, radii, _ in part.hulls:
            assert centres.shape == (len(radii), 3)
            assert np.linalg.norm(centres[:, None] - walk[0], axis=-1).min() < 0.25


@pytest.mark.parametrize("shape", [(0, 22, 3), (5, 21, 3), (22, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="cannot draw joints"):
        render_motion(np.zeros(shape))


def test_broken_numbers_are_refused(walk):
    broken = walk.copy()
    broken[3, 4, 1] = np.nan
    with pytest.raises(InputError, match="not finite"):
        render_motion(broken)
