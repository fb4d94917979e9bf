"""Replies of workers are read as what results are made of, and never run anything."""

import os
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hero_core.motion.format import MOTION_DIM
from hero_core.records import MotionRecord
from pipeline.decode.video import DecodedClip
from pipeline.engines.local import Broken, ItemLimits, ordered_map
from pipeline.engines.replies import read_reply
from pipeline.engines.worker import Done, Raised
from pipeline.motions import LoadedMotion
from pipeline.workers import Input, Outcome

ITEM = Input("key", Path("/a/b.mp4"), "b.mp4", "made", stated_fps=20.0)


@pytest.mark.parametrize("protocol", range(pickle.DEFAULT_PROTOCOL, pickle.HIGHEST_PROTOCOL + 1))
def test_results_are_read(protocol: int) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (2, 4, 4, 3), np.uint8)  # (t, h, w, 3)
    clip = DecodedClip(frames, np.arange(2), np.array([0.0, 0.5]), 2, np.float64(4.0), ("odd",))
    vectors = rng.normal(size=(3, MOTION_DIM)).astype(np.float32)  # (n, 263)
    motion = LoadedMotion(MotionRecord(vectors), ())
    read = [
        read_reply(pickle.dumps(Done(Outcome(ITEM, "0f", 3, 4, content)), protocol)).value
        for content in (clip, motion, None)
    ]
    assert all(outcome.input == ITEM for outcome in read)
    np.testing.assert_array_equal(read[0].content.frames, frames)
    np.testing.assert_array_equal(read[1].content.record.vectors, vectors)
    for reply in (Raised("text", "trace", True), Broken("over 3 s")):
        assert read_reply(pickle.dumps(reply, protocol)) == reply


class Calls:
    """Pickled, a call of the function that it is made with."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("function", [os.system, eval, getattr, time.sleep, Path.write_text, np.load])
def test_nothing_else_is_called(function: Any) -> None:
    with pytest.raises(pickle.UnpicklingError, match="is no part of a result"):
        read_reply(pickle.dumps(Done(Calls(function, "0"))))


def answer_by_a_call(marker: Path) -> Any:
    return Calls(Path.touch, marker)


def test_a_worker_that_answers_otherwise_has_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.engines.worker._ENDING_SECONDS", 0.1)
    (result,) = ordered_map(answer_by_a_call, [tmp_path / "marker"], 1, ItemLimits(60, 1024))
    assert isinstance(result, Broken)
    assert not (tmp_path / "marker").exists()
