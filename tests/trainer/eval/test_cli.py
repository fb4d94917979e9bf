import json

import pytest

from trainer.eval.cli import app, main

SHORT = [
    argument
    for setting in (
        "multimodality_clips=3",
        "multimodality_generations=4",
        "multimodality_pairs=3",
        "control_repeats=1",
        "sampling.steps=2",
    )
    for argument in ("--set", setting)
]


@pytest.fixture
def hero_eval(monkeypatch, capsys):
    """Run the command; returns the exit status, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["hero-eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


def test_metrics_is_a_subcommand():
    assert [command.name for command in app.registered_commands] == ["metrics"]
    assert app.registered_callback is not None


def test_writes_the_numbers_and_prints_them(hero_eval, random_run, truth_folder, tmp_path):
    out = tmp_path / "result.json"
    arguments = (
        "metrics",
        random_run,
        "--data",
        truth_folder,
        "--repeats",
        1,
        "--seed",
        5,
        "--device",
        "cpu",
    )
    code, shown, _ = hero_eval(*arguments, "--out", out, *SHORT)
    assert code == 0
    assert "MiniViMo is procedural, not ViMo." in shown
    assert "n = 19" in shown
    assert "plausible?" in shown
    values = json.loads(out.read_text())
    assert (values["config"]["repeats"], values["config"]["seed"]) == (1, 5)
    assert values["official_settings"] == []
    again = tmp_path / "again.json"
    hero_eval(*arguments, "--out", again, *SHORT)
    assert again.read_bytes() == out.read_bytes()


def test_the_official_protocol_and_the_validation_split(hero_eval, random_run, truth_folder):
    code, shown, _ = hero_eval(
        "metrics",
        random_run,
        "--data",
        truth_folder,
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
    values = json.loads((random_run / "eval" / "result.json").read_text())
    assert values["data"]["split"] == "val"
    assert "sampling.decode_padded" in values["official_settings"]


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (("--set", "repeat=3"), "repeat: Extra inputs are not permitted"),
        (("--evaluator", "nowhere"), "nowhere: neither a checkpoint nor a run"),
    ],
)
def test_mistakes_end_in_one_line(hero_eval, random_run, truth_folder, extra, reason):
    code, _, problem = hero_eval("metrics", random_run, "--data", truth_folder, *extra)
    assert code == 2
    assert reason in problem
    assert "Traceback" not in problem


def test_data_of_another_run_is_refused(hero_eval, random_run, data_folder):
    code, _, problem = hero_eval("metrics", random_run, "--data", data_folder)
    assert code == 2
    assert "trained on data" in problem
