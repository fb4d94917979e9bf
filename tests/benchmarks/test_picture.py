import numpy as np
import pytest

from benchmarks.picture import contact_sheet
from hero_core.view.page import HEADER, MARGIN
from pipeline.minivimo import make_motion, sample_clip


def test_a_sheet_has_a_column_for_every_picture():
    joints = make_motion(sample_clip(0, 1), 0)[:12]
    pictures = [np.full((60, 80, 3), 40 * index, np.uint8) for index in range(3)]
    sheet = contact_sheet(pictures, [0.0, 0.2, 5.0], joints, "title", "caption", cell=80)
    columns = [MARGIN + column * 90 for column in range(3)]
    assert [int(sheet[HEADER + 30, x + 40, 0]) for x in columns] == [0, 40, 80]
    poses = [sheet[HEADER + 90 : HEADER + 170, x : x + 80] for x in columns]  # 60 high, and a label of 30
    assert not np.array_equal(poses[0], poses[1])
    alone = contact_sheet(pictures[:1], [11 / 20], joints, "title", "caption", cell=80)
    assert np.array_equal(alone[HEADER + 90 : HEADER + 170, MARGIN : MARGIN + 80], poses[2])  # the last pose
    with pytest.raises(ValueError, match="zip"):
        contact_sheet(pictures, [0.0, 0.2], joints, "title", "caption")
