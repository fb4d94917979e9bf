import json
from pathlib import Path

import pytest

from trainer.eval.cli import app, main

SHORT = [
    argument
    for setting in (
        "multimodality_clips=3",
        "multimodality_generations=4",
        "multimodality_pairs=3",
        "bootstrap=10",
        "sampling.steps=2",
    )
    for argument in ("--set", setting)
]


@pytest.fixture
def hero_eval(monkeypatch, capsys):
    """Run the command; returns the exit status, stdout and stderr, each as one line."""

    def run_command(*arguments):
        monkeypatch.setattr("sys.argv", ["hero-eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, " ".join(captured.err.split())

    return run_command


@pytest.fixture
def files_read(monkeypatch):
    """Checkpoints whose bytes are read, as often as they are."""
    read, read_bytes = [], Path.read_bytes

    def spy(path):
        read.append(path)
        return read_bytes(path)

    def refuse(path, *arguments, **options):
        raise AssertionError(f"{path} is opened again")

    monkeypatch.setattr(Path, "read_bytes", spy)
    monkeypatch.setattr("hero_core.models.checkpoint.safe_open", refuse)
    monkeypatch.setattr("hero_core.storage.sha256_of_file", refuse)
    return read


def test_help_names_every_command_with_an_example(hero_eval):
    code, shown, _ = hero_eval("--help")
    assert code == 0
    for command in app.registered_commands:
        assert f"E.g. hero-eval {command.name} " in str(command.callback.__doc__)
        assert command.name in shown


def test_says_its_version(hero_eval):
    code, shown, _ = hero_eval("--version")
    assert code == 0
    assert shown.startswith("hero-motion ")


def test_writes_the_numbers_and_prints_them(hero_eval, run, data, tmp_path):
    out, again = tmp_path / "result.json", tmp_path / "again.json"
    arguments = (
        "metrics",
        run,
        "--data",
        data.folder,
        "--repeats",
        1,
        "--seed",
        5,
        "--device",
        "cpu",
        *SHORT,
    )
    code, shown, _ = hero_eval(*arguments, "--out", out)
    assert code == 0
    assert "MiniViMo is procedural, not ViMo." in shown
    assert "n = 19" in shown
    assert "plausible?" in shown
    assert "HERO" in shown
    assert "trained on MiniViMo" not in shown
    values = json.loads(out.read_text())
    assert (values["config"]["repeats"], values["config"]["seed"]) == (1, 5)
    assert values["config"]["sampling"]["steps"] == 2
    assert values["official_settings"] == []
    hero_eval(*arguments, "--out", again)
    assert again.read_bytes() == out.read_bytes()


def test_reads_every_checkpoint_once(hero_eval, run, data, tmp_path, files_read):
    out = tmp_path / "result.json"
    code, _, _ = hero_eval("metrics", run, "--data", data.folder, "--repeats", 1, "--out", out, *SHORT)
    assert code == 0
    parts = ("rvq", "masked", "residual", "evaluator", "joint_evaluator")
    read = [path for path in files_read if path.suffix == ".safetensors"]
    assert sorted(read) == sorted(run / part / "best.safetensors" for part in parts)


def test_other_data_is_named_on_the_screen_and_in_the_result(hero_eval, run, data, other_data, tmp_path):
    out = tmp_path / "result.json"
    code, shown, _ = hero_eval(
        "metrics", run, "--data", other_data.folder, "--repeats", 1, "--out", out, *SHORT
    )
    assert code == 0
    note = f"trained on MiniViMo ({data.fingerprint}), but measured on OtherSet ({other_data.fingerprint})"
    assert note in " ".join(shown.split())
    values = json.loads(out.read_text())
    assert values["data"]["name"] == "OtherSet"
    assert values["run"]["trained_on"]["name"] == "MiniViMo"
    assert any(note in found for found in values["notes"])


def test_the_official_protocol_and_the_validation_split(hero_eval, make_run, data, tmp_path):
    run = make_run(tmp_path, data)
    code, shown, _ = hero_eval(
        "metrics",
        run,
        "--data",
        data.folder,
        "--repeats",
        1,
        "--split",
        "val",
        "--protocol",
        "official",
        *SHORT,
    )
    assert code == 0
    assert "official quirks on" in shown
    values = json.loads((run / "eval" / "result.json").read_text())
    assert values["data"]["split"] == "val"
    assert "sampling.decode_padded" in values["official_settings"]
    assert "official.keep_tail" in values["official_settings"]


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (("--set", "repeat=3"), "repeat: no such setting; did you mean repeats?"),
        (("--set", "sampling.guidance=3"), "guidance: no such setting; did you mean guidance_scale?"),
        (("--evaluator", "nowhere"), "nowhere: neither a checkpoint nor a run"),
    ],
)
def test_mistakes_end_in_one_line(hero_eval, run, data, extra, reason):
    code, _, problem = hero_eval("metrics", run, "--data", data.folder, *extra)
    assert code == 2
    assert reason in problem
    assert "Traceback" not in problem


def test_a_folder_that_is_no_run_says_how_to_make_one(hero_eval, data, tmp_path):
    code, _, problem = hero_eval("metrics", tmp_path, "--data", data.folder)
    assert code == 2
    assert "no run here; train one with hero-train" in problem


def test_data_of_other_features_is_refused(hero_eval, make_set, entries, identity, run, tmp_path):
    other = make_set(tmp_path, entries, identity(resize="another"))
    code, _, problem = hero_eval("metrics", run, "--data", other.folder, *SHORT)
    assert code == 2
    assert "resize: any != another" in problem


def test_writes_a_gallery(hero_eval, run, data, tmp_path):
    out = tmp_path / "gallery.html"
    arguments = ("gallery", run, "--data", data.folder, "--count", 3, "--device", "cpu", "--set", "steps=2")
    code, shown, _ = hero_eval(*arguments, "--beside", run, "--out", out)
    assert code == 0
    assert shown.splitlines()[-1] == f"open in a browser: {out}"
    page = out.read_text(encoding="utf-8")
    assert (
        page.count('"kind":"generated"') == page.count('"kind":"truth"') == page.count('"kind":"other"') == 3
    )
    code, _, _ = hero_eval(*arguments, "--beside", run, "--out", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page
