import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from trainer.cli import app, main
from trainer.log import read_log

COMMANDS = ("rvq", "masked", "residual", "evaluator", "all", "import-official")


@pytest.fixture
def hero_train(monkeypatch, capsys):
    """Runs the program; gives its exit status and what it wrote to stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["hero-train", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_info:
            main()
        written = capsys.readouterr()
        return exit_info.value.code or 0, written.out, written.err

    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command):
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert command == "import-official" or "--resume" in result.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere", "--out", "run"], "no training data here"),
        (["nowhere", "--out", "run", "--set", "rvq.training.speed=3"], "rvq.training.speed"),
        (["nowhere", "--out", "run", "--config", "missing.toml"], "missing.toml: no such settings file"),
    ],
)
def test_errors_are_one_line(hero_train, tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    code, _, error = hero_train("rvq", *arguments)
    assert code == 2
    assert error.startswith("error: ")
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_no_cuda(hero_train, data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, _, error = hero_train("rvq", data_folder, "--out", tmp_path / "run", "--device", "cuda")
    assert (code, "no CUDA device" in error) == (2, True)


def test_all_tasks_then_all_again(hero_train, data_folder, tmp_path, tiny_overrides):
    run = tmp_path / "run"
    code, out, _ = hero_train(
        "all", data_folder, "--out", run, "--preset", "demo", *tiny_overrides, "--device", "cpu"
    )
    assert code == 0
    assert "rvq: 7/7" in out
    assert "masked: best at step 7, " in out or "masked: best at step 4, " in out
    for task in ("rvq", "masked", "residual", "evaluator"):
        assert (run / task / "best" / "model.safetensors").is_file()
    code, _, error = hero_train("all", data_folder, "--out", run)
    assert (code, "holds a run already" in error) == (2, True)
    shutil.rmtree(run / "residual")
    code, out, _ = hero_train("all", data_folder, "--out", run, "--resume", "--device", "cpu")
    assert code == 0
    assert out.count("finished already") == 3
    assert len(read_log(run / "residual" / "log.jsonl")) == len(read_log(run / "masked" / "log.jsonl"))


def test_interrupt_saves_and_says_how_to_go_on(data_folder, tmp_path, tiny_overrides):
    run = tmp_path / "run"
    command = [
        sys.executable,
        "-c",
        "from trainer.cli import main; main()",
        "rvq",
        str(data_folder),
        "--out",
        str(run),
    ]
    settings = ["--preset", "demo", *tiny_overrides, "--set", "rvq.training.steps=100000"]
    process = subprocess.Popen([*command, *settings, "--device", "cpu"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (run / "rvq" / "log.jsonl").exists() or not read_log(run / "rvq" / "log.jsonl"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"go on with: hero-train rvq {data_folder} --out {run} --resume" in error
    assert "Traceback" not in error
    assert (run / "rvq" / "last" / "training.safetensors").is_file()
