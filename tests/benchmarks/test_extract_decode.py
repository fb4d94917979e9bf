"""All decoders that are here take the same frames."""

import numpy as np
import pytest

from benchmarks.extract_decode import DECODERS, milliseconds, minivimo_clips, table
from pipeline.decode.video import decode_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return minivimo_clips(tmp_path_factory.mktemp("clips"))[0]


@pytest.mark.parametrize("name", ["torchcodec", "decord", "OpenCV"])
def test_others_give_the_same_frames_but_for_rounding(clip, name):
    is_installed, decode = DECODERS[name]
    if not is_installed():
        pytest.skip(f"{name} is not installed")
    ours = decode_clip(clip).frames.astype(int)
    theirs = np.asarray(decode(clip))
    assert theirs.shape == ours.shape
    assert np.abs(theirs - ours).mean() < 2


def test_a_row_has_a_number_or_the_reason(clip):
    row, median = milliseconds(clip, turns=1)
    assert row == median
    assert set(row) == set(DECODERS)
    assert isinstance(row["ours"], float)
    assert all(
        isinstance(entry, float) or entry.startswith(("not installed", "fails")) for entry in row.values()
    )
    assert clip.name in table({"fastest_milliseconds_per_clip": {clip.name: row}})


def test_what_cannot_be_decoded_says_so(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    row, _ = milliseconds(tmp_path / "text.mp4", turns=1)
    assert row["ours"] == "fails: DecodeError"
