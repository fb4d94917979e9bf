import json
import time
from dataclasses import replace

import pytest

from hero_core.errors import InputError
from hero_core.storage import read_json, write_json
from hero_core.training_set import TrainingSet
from trainer.folder import PartFolder, parts_of
from trainer.log import TrainingLog
from trainer.status import PATIENCE_SECONDS, PartStatus, how_to_go_on, part_status, run_status


def of(run, name="rvq", now=None):
    return part_status(PartFolder(run, name), time.time() if now is None else now)


@pytest.fixture
def killed_run(tmp_path, train_tiny):
    """A tokenizer that saved at steps 3 and 6, logged steps 2, 4 and 6, and was killed in step 7."""
    run = tmp_path / "run"
    train_tiny("rvq", run, "rvq.training.steps=100", kill_at=7)
    return run


def test_a_finished_part_and_those_not_begun(tokenizer_run, data_folder):
    parts = run_status(tokenizer_run, time.time())
    assert [part.name for part in parts] == [
        "evaluator",
        "joint_evaluator",
        "rvq",
        "masked",
        "residual",
        "length",
    ]
    assert [part.state for part in parts] == [*["not begun"] * 2, "finished", *["not begun"] * 3]
    rvq = parts[2]
    best = read_json(tokenizer_run / "rvq" / "run.json")["best"]
    assert (rvq.step, rvq.total, rvq.seconds_left, rvq.device) == (7, 7, None, "cpu")
    assert (rvq.metric, rvq.best, rvq.best_step) == (best["metric"], best["value"], best["step"])
    assert rvq.complete
    assert parts[0].words() == {
        **dict.fromkeys(parts[0].words(), ""),
        "part": "evaluator",
        "state": "not begun",
    }
    command = f"hero-train all {data_folder.resolve()} --out {tokenizer_run} --resume"
    assert how_to_go_on(tokenizer_run, parts) == command


def test_a_part_is_running_until_it_has_been_silent_for_long(killed_run):
    path = killed_run / "rvq"
    newest = max(file.stat().st_mtime for file in path.iterdir())
    running = of(killed_run, now=newest + 5)
    assert (running.state, running.step, running.total, running.saved_step) == ("running", 6, 100, 6)
    assert running.silent_seconds == pytest.approx(5, abs=1e-3)
    assert of(killed_run, now=newest + PATIENCE_SECONDS + 1).state == "stopped"
    PartFolder(killed_run, "rvq").note_stop()
    assert of(killed_run).state == "stopped"


def test_going_on_forgets_the_stop(killed_run, train_tiny):
    PartFolder(killed_run, "rvq").note_stop()
    train_tiny("rvq", killed_run, "rvq.training.steps=100", kill_at=8, resume=True)
    assert of(killed_run).state == "running"
    PartFolder(killed_run, "masked").note_stop()  # which was not begun
    assert of(killed_run, "masked").state == "not begun"


def test_time_left_is_at_the_rate_of_now(killed_run):
    folder = PartFolder(killed_run, "rvq")
    lines = [json.loads(line) for line in folder.log.read_text().splitlines()]
    for line in lines:
        if line["phase"] == "train":
            line.update(samples_per_second=2.0, data_wait=0.25)
    folder.log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    status = of(killed_run)
    assert status.seconds_left == pytest.approx((100 - 6) * 4 / 2.0)  # batches of 4
    words = status.words()
    assert (words["left"], words["data wait"], words["samples/s"]) == ("3 min", "25%", "2")
    assert words["step"] == "6/100"


def test_lines_far_apart_make_patience_longer(killed_run):
    folder = PartFolder(killed_run, "rvq")
    log = TrainingLog(folder.log, 6)
    log.write("train", 16, 1, {"total": 1.0, "samples_per_second": 0.1})  # 10 steps in 400 s
    later = folder.log.stat().st_mtime + 1500
    assert of(killed_run, now=later).state == "running"
    assert of(killed_run, now=later + 1500).state == "stopped"


def test_what_was_lost_by_a_kill_is_told(killed_run):
    log = TrainingLog(PartFolder(killed_run, "rvq").log, 6)
    log.write("train", 8, 1, {"total": 1.5})
    status = of(killed_run, now=time.time() + 1e5)
    assert (status.state, status.step, status.saved_step, status.words()["saved at"]) == (
        "stopped",
        8,
        6,
        "6",
    )
    assert status.seconds_left is None  # of a line that says no speed


def test_half_written_and_missing_files(killed_run):
    folder = PartFolder(killed_run, "rvq")
    whole = of(killed_run).loss
    with folder.log.open("a") as file:
        file.write('{"phase": "train", "step": 8, "tot')
    assert of(killed_run).loss == whole
    folder.state.write_bytes(b"\x00" * 10)
    folder.best.unlink()
    (folder.path / "config.json").unlink()
    status = of(killed_run)
    assert (status.step, status.saved_step, status.best, status.seconds_left) == (6, None, None, None)
    folder.log.unlink()
    status = of(killed_run)
    assert (status.step, status.loss, status.words()["step"]) == (0, None, "0/100")
    write_json(folder.run_file, {"finished": False})
    assert of(killed_run).words()["step"] == "0/?"


def test_a_damaged_line_is_named(killed_run):
    folder = PartFolder(killed_run, "rvq")
    folder.log.write_text('{"phase": "train", "step": 2}\n\x00\x00\n{"phase": "train", "step": 4}\n')
    with pytest.raises(InputError, match=r"log\.jsonl, line 2: damaged"):
        of(killed_run)


def test_imported_parts_are_complete(killed_run):
    folder = PartFolder(killed_run, "rvq")
    for path in (folder.run_file, folder.state, folder.log):
        path.unlink()
    status = of(killed_run)
    assert (status.state, status.complete, status.step) == ("imported", True, None)


def test_how_to_go_on(tmp_path):
    finished = PartStatus("rvq", "finished", data="/data/my set")
    not_begun, stopped = PartStatus("masked", "not begun"), PartStatus("masked", "stopped", data="/data/b")
    run = tmp_path / "run"
    assert how_to_go_on(run, [finished]) is None
    assert how_to_go_on(run, [finished, stopped]) == f"hero-train masked /data/b --out {run} --resume"
    launch = "torchrun --nproc-per-node 2 --no-python hero-train"
    assert (
        how_to_go_on(run, [replace(stopped, processes=2), not_begun])
        == f"{launch} all /data/b --out {run} --resume"
    )
    assert (
        how_to_go_on(run, [finished, not_begun]) == f"hero-train masked '/data/my set' --out {run} --resume"
    )
    assert how_to_go_on(run, [not_begun, PartStatus("residual", "not begun")]) == (
        f"hero-train all DATA --out {run} --resume"
    )
    optional = PartStatus("length", "not begun", optional=True)
    assert how_to_go_on(run, [finished, optional]) is None
    assert how_to_go_on(run, [finished, not_begun, optional]) == (
        f"hero-train all '/data/my set' --out {run} --resume"
    )
    began = replace(optional, state="stopped")
    assert how_to_go_on(run, [finished, began]) == f"hero-train length '/data/my set' --out {run} --resume"
    alone = PartStatus("rvq", "finished", data="/data", on_motions_alone=True)
    assert how_to_go_on(run, [alone, not_begun]) is None


def test_the_tokenizer_of_motions_alone_needs_no_other_part(make_data, train_tiny, tmp_path):
    motions = make_data(tmp_path / "motions", videos=False)
    train_tiny("rvq", tmp_path / "run", data=TrainingSet(motions))
    parts = run_status(tmp_path / "run", time.time())
    assert how_to_go_on(tmp_path / "run", parts) is None


def test_the_folder_of_a_part_means_its_run(tokenizer_run):
    assert parts_of(tokenizer_run / "rvq")[0].path == tokenizer_run / "evaluator"
