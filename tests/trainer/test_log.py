import sys

import pytest

from hero_core.errors import ConfigError
from trainer.log import TrainingLog, read_log


def test_lines_come_back(tmp_path):
    log = TrainingLog(tmp_path / "log.jsonl", 0)
    log.write("train", 10, 1, {"total": 0.1, "lr": 2e-4})
    log.write("validation", 10, 1, {"total": 0.3})
    assert read_log(tmp_path / "log.jsonl") == [
        {"phase": "train", "step": 10, "epoch": 1, "total": 0.1, "lr": 2e-4},
        {"phase": "validation", "step": 10, "epoch": 1, "total": 0.3},
    ]


def test_resuming_drops_what_lies_behind_and_a_line_cut_off_by_a_kill(tmp_path):
    path = tmp_path / "log.jsonl"
    log = TrainingLog(path, 0)
    for step in (2, 4, 6):
        log.write("train", step, 1, {"total": float(step)})
    with path.open("a") as file:
        file.write('{"phase": "tr')
    TrainingLog(path, 4).write("train", 6, 1, {"total": 7.0})
    assert [(line["step"], line["total"]) for line in read_log(path)] == [(2, 2.0), (4, 4.0), (6, 7.0)]


def test_nothing_that_is_not_json_is_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        TrainingLog(tmp_path / "log.jsonl", 0).write("train", 1, 1, {"total": float("nan")})


def test_tensorboard_gets_the_same_numbers(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = TrainingLog(tmp_path / "log.jsonl", 0, tmp_path / "board")
    log.write("train", 3, 1, {"total": 0.5})
    log.close()
    events = EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/total")] == [(3, 0.5)]


def test_tensorboard_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="pip install"):
        TrainingLog(tmp_path / "log.jsonl", 0, tmp_path / "board")
