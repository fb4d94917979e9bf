import numpy as np
import pytest

from hero_core.motion.humanml3d import joints_to_vectors
from pipeline.data_page.measures import MEASURES, measure, sampled_video_seconds
from pipeline.decode.sampling import segment_centres
from tests.pipeline.conftest import standing_motion


def walking(frames: int, speed_m_s: float) -> np.ndarray:
    """A stiff person who glides along Z: (frames, 22, 3)."""
    joints = np.repeat(standing_motion(1, 0).astype(np.float64), frames, axis=0)
    joints[:, :, 2] += speed_m_s * np.arange(frames)[:, None] / 20
    return joints


def test_a_glide_has_its_speed_slide_and_no_jerk() -> None:
    joints = walking(41, 1.5)
    joints[..., 1] -= joints[..., 1].min()
    numbers = measure(joints_to_vectors(joints))
    assert numbers["seconds"] == 2.0
    assert numbers["speed"] == pytest.approx(1.5, abs=1e-3)
    assert numbers["sliding"] == pytest.approx(150, abs=0.1)
    assert numbers["jerk"] == pytest.approx(0, abs=1)
    assert numbers["floor"] == pytest.approx(0, abs=1e-3)
    assert numbers["head"] == pytest.approx(100 * (joints[0, 15, 1] - joints[0, 0, 1]), abs=1e-2)
    assert set(numbers) == {each.name for each in MEASURES} - {"longer"}


def test_a_motion_of_one_frame_has_what_it_can_have() -> None:
    vectors = joints_to_vectors(walking(5, 0.5))[:1]
    assert set(measure(vectors)) == {"seconds", "head", "floor"}


@pytest.mark.parametrize(("frames", "fps"), [(240, 24.0), (78, 20.0), (31, 10.0)])
def test_a_videos_length_is_known_from_its_samples(frames: int, fps: float) -> None:
    seconds = segment_centres(frames, 16) / fps
    assert sampled_video_seconds(seconds) == pytest.approx(frames / fps, abs=2 / fps)


def test_nothing_is_negative_by_rounding_alone() -> None:
    longer = next(each for each in MEASURES if each.name == "longer")
    assert longer.text(-0.04) == "0.0"
    assert str(longer.rounded(-0.04)) == "0.0"
    assert longer.text(-0.06) == "-0.1"
