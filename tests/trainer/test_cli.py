import os
import signal
import subprocess
import sys
import time
import tomllib

import pytest
import typer
from typer.testing import CliRunner

from hero_core.storage import read_json
from tests.hero_core.official.conftest import write_rvq_folder
from trainer.cli import app, main
from trainer.config import load_train_config
from trainer.log import read_log

PARTS = ("rvq", "masked", "residual", "length", "evaluator", "joint_evaluator")
COMMANDS = (*PARTS, "all", "import-official", "settings", "status", "curves")


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
    assert ("--resume" in result.output) == (command in (*PARTS, "all"))
    assert command in typer.main.get_command(app).commands


def test_version(hero_train):
    code, out, _ = hero_train("--version")
    assert (code, out.startswith("hero-motion ")) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere", "--out", "run"], "no training set here"),
        (["DATA", "--out", "run", "--set", "rvq.training.stps=3"], "did you mean rvq.training.steps?"),
        (["DATA", "--out", "run", "--config", "missing.toml"], "missing.toml: no such settings file"),
        (["DATA", "--out", "run", "--preset", "dmeo"], "its presets: demo, official, paper"),
        (["DATA", "--out", "run", "--generator", "herro"], "no generator is called 'herro'"),
    ],
)
def test_errors_are_one_line(hero_train, data_folder, tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    code, _, error = hero_train("rvq", *(data_folder if each == "DATA" else each for each in arguments))
    assert code == 2
    assert error.startswith("error: ")
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_unknown_part_and_one_that_cannot_be_fine_tuned(hero_train, data_folder, tmp_path):
    code, _, error = hero_train("rqv", data_folder, "--out", tmp_path / "run")
    assert (code, "No such command 'rqv'. Did you mean 'rvq'?" in error) == (2, True)
    code, _, error = hero_train("denoiser", data_folder, "--out", tmp_path / "run")
    assert (code, "hero has no part denoiser; it has evaluator, joint_evaluator, rvq, " in error) == (2, True)
    code, _, error = hero_train("evaluator", data_folder, "--out", tmp_path / "run", "--finetune", tmp_path)
    assert (code, "--finetune starts a part of a generator" in error) == (2, True)
    words = ("--generator", "mdm", "--out", tmp_path / "run", "--finetune", tmp_path)
    code, _, error = hero_train("all", data_folder, *words)
    assert (code, "mdm has none; name the part that is to start: hero-train denoiser" in error) == (2, True)
    code, _, error = hero_train("denoiser", data_folder, *words)
    assert (code, "neither a checkpoint nor a run with a trained denoiser" in error) == (2, True)


def test_no_cuda(hero_train, data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, _, error = hero_train("rvq", data_folder, "--out", tmp_path / "run", "--device", "cuda")
    assert (code, "no CUDA device" in error) == (2, True)


def test_a_part_is_refused_before_anything_is_written(hero_train, data_folder, make_data, tmp_path):
    run = tmp_path / "run"
    code, _, error = hero_train("masked", data_folder, "--out", run)
    assert (code, f"train rvq first: hero-train rvq {data_folder} --out {run}" in error) == (2, True)
    motions = make_data(tmp_path / "motions", videos=False)
    code, _, error = hero_train("all", motions, "--out", run, "--preset", "demo")
    assert (code, "no videos to train evaluator with" in error) == (2, True)
    assert not run.exists()


def test_all_then_all_again_then_further_then_an_ablation(hero_train, data_folder, tmp_path, tiny_overrides):
    run = tmp_path / "run"
    code, out, _ = hero_train("all", data_folder, "--out", run, "--preset", "demo", *tiny_overrides)
    assert code == 0
    assert "rvq: 7/7" in out
    assert "masked: best at step 7, " in out or "masked: best at step 4, " in out
    assert "nan" not in out
    assert "--preset demo" not in out
    for name in PARTS:
        assert (run / name / "best.safetensors").is_file()
        assert f"{name}: curves, {run / name / 'curves.png'}" in out
        assert (run / name / "curves.png").is_file()

    code, _, error = hero_train("all", data_folder, "--out", run)
    assert (code, "holds a run already" in error) == (2, True)

    code, out, _ = hero_train("all", data_folder, "--out", run, "--resume")
    assert (code, out.count("finished already")) == (0, len(PARTS))

    code, _, error = hero_train(
        "all", data_folder, "--out", run, "--resume", "--set", "masked.training.lr=0.5"
    )
    usual = load_train_config("hero", "demo").section("masked").training.lr
    assert (code, f"ignores what differs: masked.training.lr: {usual} != 0.5" in error) == (2, True)

    code, out, _ = hero_train(
        "residual", data_folder, "--out", run, "--resume", "--set", "residual.training.steps=9"
    )
    assert (code, "residual: 9/9" in out) == (0, True)

    ablated = tmp_path / "no-iie"
    words = ("--parts-from", run, "--set", "ablation=no-iie")
    code, out, _ = hero_train("all", data_folder, "--out", ablated, *words)
    assert (code, out.count(f"taken from {run}")) == (0, 4)
    stored = {name: read_json(ablated / name / "config.json") for name in PARTS}
    assert stored["masked"]["ablation"] == stored["residual"]["ablation"] == "no-iie"
    assert read_json(ablated / "evaluator" / "run.json")["taken_from"] == str(run / "evaluator")

    alone = tmp_path / "alone"
    code, out, _ = hero_train("residual", data_folder, "--out", alone, "--parts-from", run, "--seed", 1)
    assert code == 0
    assert sorted(path.name for path in alone.iterdir()) == ["masked", "residual", "run.json", "rvq"]


def test_all_side_by_side(hero_train, data_folder, tmp_path, tiny_overrides):
    words = ("all", data_folder, "--out", tmp_path / "run", "--preset", "demo", "--parallel")
    code, out, _ = hero_train(*words, *tiny_overrides)
    assert code == 0
    assert all(f"{name}: 7/7" in out and f"{name}: best at step " in out for name in PARTS)
    code, out, _ = hero_train(*words, *tiny_overrides, "--resume")
    assert (code, out.count("finished already")) == (0, len(PARTS))


def test_all_on_a_cpu_without_a_preset_says_what_and_how_long(
    hero_train, data_folder, tmp_path, tiny_overrides
):
    code, out, _ = hero_train(
        "all", data_folder, "--out", tmp_path / "run", "--device", "cpu", *tiny_overrides
    )
    assert code == 0
    before, _, after = out.partition("rvq: 0/7")
    parts = "evaluator, joint_evaluator, rvq, masked, residual, length"
    assert f"Training {parts} of hero one after another, on the CPU" in before
    assert "Settings: paper" in before
    assert "choose --preset demo" in before
    assert after.count("rvq: 7 steps of ") == 1
    assert " to go" in after


def test_settings_are_a_file_for_config(hero_train, tmp_path):
    code, out, _ = hero_train("settings", "--preset", "demo")
    assert code == 0
    assert "--preset demo --config THIS_FILE" in out.splitlines()[0]
    demo = load_train_config("hero", "demo")
    assert tomllib.loads(out)["rvq"]["training"]["steps"] == demo.section("rvq").training.steps
    file = tmp_path / "settings.toml"
    file.write_text(out)
    assert load_train_config("hero", "demo", file) == load_train_config("hero", "demo")


def test_what_a_run_saved_rebuilds_it(hero_train, data_folder, tmp_path, tiny_overrides, same_training):
    """The data that ``run.json`` names and one part's ``config.json`` give the run again, bit for bit."""
    run, again = tmp_path / "run", tmp_path / "again"
    words = ("--preset", "demo", "--seed", 5, "--set", "masked.training.lr=1e-3", *tiny_overrides)
    assert hero_train("all", data_folder, "--out", run, *words)[0] == 0
    saved = read_json(run / "masked" / "run.json")
    code, out, _ = hero_train(
        "all", saved["data_folder"], "--out", again, "--config", run / "masked" / "config.json"
    )
    assert (code, "--preset demo" in out) == (0, False)  # nothing is left to a preset
    for name in PARTS:
        first, second = (read_json(each / name / "run.json") for each in (run, again))
        assert first["identity"] == second["identity"]
        assert (first["best"], first["steps"]) == (second["best"], second["steps"])
        assert read_json(run / name / "config.json") == read_json(again / name / "config.json")
        same_training(run / name, again / name)


def test_the_paper_s_tokenizer_from_fresh_weights_is_warned_of_once_and_recorded(
    hero_train, data_folder, make_data, tmp_path, tiny_overrides
):
    run, said = tmp_path / "run", "warning: rvq starts from fresh weights"
    words = ("--preset", "paper", *tiny_overrides)
    code, out, _ = hero_train("all", data_folder, "--out", run, *words)
    assert (code, out.count("warning: "), out.count(said)) == (0, 1, 1)
    assert "hero-train import-official" in out
    (departure,) = read_json(run / "rvq" / "run.json")["departures"]
    assert departure.startswith("rvq starts from fresh weights")
    assert "HumanML3D" in departure
    assert read_json(run / "masked" / "run.json")["departures"] == []
    assert "warning" not in hero_train("all", data_folder, "--out", run, "--resume")[1]

    tuned = tmp_path / "tuned"
    code, out, _ = hero_train("rvq", data_folder, "--out", tuned, "--finetune", run, *words)
    assert (code, "warning" in out) == (0, False)
    assert read_json(tuned / "rvq" / "run.json")["departures"] == []

    for preset, data in (("demo", data_folder), ("paper", make_data(tmp_path / "motions", videos=False))):
        words = ("--preset", preset, *tiny_overrides)
        code, out, _ = hero_train("rvq", data, "--out", tmp_path / preset, *words)
        assert (code, "warning" in out) == (0, False)


def test_fine_tuning_an_imported_tokenizer(hero_train, data_folder, tmp_path, tiny_overrides):
    """The paper's recipe from MoMask's published folder, which is told how it is imported where it is named itself."""
    momask, run = tmp_path / "checkpoints" / "t2m" / "rvq_name", tmp_path / "run"
    write_rvq_folder(momask)
    words = ("all", data_folder, "--out", run, "--preset", "official", *tiny_overrides, "--finetune")
    for named in (momask, momask / "model" / "net_best_fid.tar"):
        code, _, error = hero_train(*words, named)
        assert (code, run.exists()) == (2, False)
        assert f"hero-train import-official {named} IMPORTED, then --finetune IMPORTED" in error
    code, out, _ = hero_train("import-official", momask, tmp_path / "imported")
    assert (code, "rvq: " in out) == (0, True)
    code, out, _ = hero_train(*words, tmp_path / "imported")
    assert (code, "warning" in out) == (0, False)
    described = read_json(run / "rvq" / "run.json")
    assert (described["model"]["quantizers"], described["model"]["code_dim"]) == (4, 12)  # as imported
    assert described["official_behaviour"]["code_reset"] is True  # as the preset says
    assert described["initial_weights"]["path"] == str(tmp_path / "imported" / "rvq" / "best.safetensors")
    assert described["settings_from"]["preset"] == "official"
    assert (run / "residual" / "best.safetensors").is_file()


def test_interrupt_saves_and_says_how_to_go_on(hero_train, data_folder, tmp_path, tiny_overrides):
    run = tmp_path / "run"
    program = [sys.executable, "-c", "from trainer.cli import main; main()", "rvq", str(data_folder)]
    settings = ["--preset", "demo", *tiny_overrides, "--set", "rvq.training.steps=100000", "--device", "cpu"]
    process = subprocess.Popen([*program, "--out", str(run), *settings], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not read_log(run / "rvq" / "log.jsonl"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"go on with: hero-train rvq {data_folder} --out {run} --resume" in error
    assert "Traceback" not in error
    assert (run / "rvq" / "state.safetensors").is_file()

    code, out, _ = hero_train("status", run)
    assert code == 0
    assert "rvq: state stopped, step " in out
    assert out.count("state not begun") == len(PARTS) - 1
    assert f"\ngo on with: hero-train all {data_folder} --out {run} --resume\n" in out
    (run / "rvq" / "curves.png").unlink(missing_ok=True)
    assert hero_train("curves", run)[:2] == (0, f"written: {run / 'rvq' / 'curves.png'}\n")
    assert (run / "rvq" / "curves.png").is_file()


@pytest.mark.parametrize("command", ["status", "curves"])
def test_no_run_is_one_line(hero_train, data_folder, command):
    for folder in (data_folder, data_folder / "absent"):
        code, _, error = hero_train(command, folder)
        assert (code, f"{folder}: no run here; name the folder" in error) == (2, True)


def test_training_without_opencv_ends_well(hero_train, data_folder, tmp_path, tiny_overrides, monkeypatch):
    monkeypatch.delitem(sys.modules, "hero_core.view.chart", raising=False)
    monkeypatch.setitem(sys.modules, "cv2", None)
    words = ("--out", tmp_path / "run", "--preset", "demo", *tiny_overrides)
    code, out, _ = hero_train("rvq", data_folder, *words)
    assert (code, "rvq: best at step " in out) == (0, True)
    assert "curves.png: not drawn, OpenCV is missing" in out
