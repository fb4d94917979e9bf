import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.motion.format import FPS
from hero_core.view.compose import frames_at, side_by_side
from pipeline.minivimo import make_motion, sample_clip

VIDEO_CENTRE = (56 + 240, 24 + 320)  # y, x of the video's picture


@pytest.fixture(scope="module")
def joints():
    return make_motion(sample_clip(0, 1), 0)[:12]


def grey_video(seconds, fps):
    """Frames whose grey value is their time in hundredths of a second."""
    for index in range(round(seconds * fps)):
        yield index / fps, np.full((30, 40, 3), round(100 * index / fps), np.uint8)


def film(joints, seconds, **changes):
    arguments = {"title": "clip.mp4", "caption": "what made it", **changes}
    return list(side_by_side(grey_video(seconds, 10), seconds, joints, **arguments))


@pytest.fixture(scope="module")
def film_of_two_seconds(joints):
    return film(joints, seconds=2.0)  # the reaction takes 0.6 s


def test_the_video_shows_the_frame_of_the_moment():
    shown = [int(frame[0, 0, 0]) for frame in frames_at(grey_video(0.4, 10), np.arange(10) / FPS)]
    assert shown == [0, 0, 10, 10, 20, 20, 30, 30, 30, 30]


def test_frames_are_read_only_as_far_as_needed():
    video = grey_video(100, 10)
    list(frames_at(video, [0.0, 0.15]))
    assert next(video)[0] == pytest.approx(0.3)


def test_a_video_without_frames_is_refused():
    with pytest.raises(InputError, match="no frames"):
        next(frames_at([], [0.0]))


def test_both_run_on_one_clock(film_of_two_seconds):
    frames = film_of_two_seconds
    assert len(frames) == 2.0 * FPS
    assert len({frame.shape for frame in frames}) == 1
    for index in (0, 5, 20, 39):
        time = round(100 * np.floor(index / FPS * 10) / 10)
        assert frames[index][VIDEO_CENTRE][0] == pytest.approx(time, abs=2)


def test_what_ends_first_keeps_its_last_picture_paler(joints, film_of_two_seconds):
    frames = film_of_two_seconds
    reaction = (slice(56, 536), slice(24 + 640 + 24, None))
    moving, ended, later = (frames[index][reaction] for index in (11, 12, 30))
    assert np.array_equal(ended[:470], later[:470])
    assert ended.min() > moving.min()
    video_ends_first = film(joints, seconds=0.3)
    assert len(video_ends_first) == len(joints)
    assert video_ends_first[-1][VIDEO_CENTRE][0] > 100  # 20 hundredths, much paler


def test_a_reaction_without_poses_is_refused(joints):
    with pytest.raises(InputError, match="cannot draw joints"):
        film(joints[:0], seconds=1.0)


def test_a_long_video_is_cut(joints):
    assert len(film(joints, seconds=60.0, longest_seconds=0.3)) == 0.3 * FPS


def test_long_captions_wrap_and_long_titles_end(joints):
    short = film(joints, seconds=0.1, longest_seconds=0.1)[0]
    long = film(joints, 0.1, longest_seconds=0.1, caption="word " * 60, title="x" * 200)[0]
    assert long.shape[0] > short.shape[0]
    assert long.shape[1] == short.shape[1]
    assert long.shape[0] % 2 == long.shape[1] % 2 == 0  # H.264 needs even sizes
    gap = long[20:45, 24 + 640 : 24 + 640 + 20]
    assert np.ptp(gap) <= 10  # the title stays over its own picture
