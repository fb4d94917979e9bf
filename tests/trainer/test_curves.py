import sys

import cv2
import pytest

from hero_core.errors import ConfigError
from trainer.curves import draw_curves, quantities, series
from trainer.folder import PartFolder, parts_of
from trainer.log import TrainingLog, read_log


@pytest.fixture
def folder(tmp_path):
    folder = PartFolder(tmp_path, "masked")
    folder.path.mkdir()
    log = TrainingLog(folder.log, 0)
    for step in range(10, 210, 10):
        losses = {"total": 5 - step / 100, "gradient_norm": 1.0, "lr": 1e-3}
        log.write("train", step, 1, {**losses, "samples_per_second": 40.0 + step, "data_wait": 0.01})
        if step % 100 == 0:
            log.write("validation", step, 1, {"total": 5 - step / 110, "wrong_answers": 0.5 - step / 1000})
    folder.note(best={"metric": "wrong_answers", "step": 200, "value": 0.3})
    return folder


def test_what_is_drawn_is_what_training_is_about(folder):
    lines = read_log(folder.log)
    assert quantities(lines) == ["total", "wrong_answers", "gradient_norm", "lr"]
    assert quantities(lines[:1]) == ["total", "gradient_norm", "lr"]
    assert series(lines, "validation", "total")[0] == [100, 200]
    assert series(lines, "train", "wrong_answers") == ([], [])


def test_equal_logs_give_equal_files_and_speed_is_not_in_them(folder):
    assert draw_curves(folder) == folder.curves
    first = folder.curves.read_bytes()
    assert cv2.imread(str(folder.curves)).shape == (618, 864, 3)  # two by two panels
    folder.log.write_text(folder.log.read_text().replace("samples_per_second", "samples_per_minute"))
    draw_curves(folder)
    assert folder.curves.read_bytes() == first
    folder.log.write_text(folder.log.read_text().replace('"total": 4.9', '"total": 3.9'))
    draw_curves(folder)
    assert folder.curves.read_bytes() != first


def test_a_part_without_a_log_has_no_curves(tmp_path):
    assert draw_curves(PartFolder(tmp_path, "masked")) is None


def test_without_opencv_one_line_says_so(folder, monkeypatch):
    monkeypatch.delitem(sys.modules, "hero_core.view.chart", raising=False)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ConfigError, match=r"curves\.png: not drawn, OpenCV is missing"):
        draw_curves(folder)


def test_a_trained_part_is_drawn_with_its_best_step(new_run):
    folder = next(each for each in parts_of(new_run("run")) if each.name == "rvq")
    best = folder.best_so_far()
    assert (best["metric"], best["step"] in (4, 7)) == ("reconstruction", True)
    assert "reconstruction" in quantities(read_log(folder.log))
    assert draw_curves(folder).is_file()
