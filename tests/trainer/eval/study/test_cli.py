"""A table over HERO and a generator that exists in a test alone: trained, measured, killed, gone on with."""

import csv
import json
import os
import signal
import sys
from pathlib import Path

import pytest
import torch

import tests.test_toy_generator  # noqa: F401  registers the toy
from hero_core.storage import read_json, sha256_of_file
from tests.forks import KILLED, forks
from tests.trainer.conftest import TINY
from trainer.eval.cli import main
from trainer.eval.protocol import Evaluation
from trainer.steps import EagerStep

HERO_ONLY = ("rvq.", "masked.", "residual.", "length.")
SETTINGS = [
    *(f"hero:{line}" if line.startswith(HERO_ONLY) else line for line in TINY),
    "toy:regressor.training.steps=6",
    "toy:regressor.training.batch_size=4",
    "evaluation.repeats=2",
    "evaluation.bootstrap=5",
    "evaluation.multimodality_clips=3",
    "evaluation.multimodality_generations=3",
]
TABLES = ("table1.md", "table1.tex", "table1.csv", "table1.json")


def words(command, data, out, *more):
    lines = [word for line in SETTINGS for word in ("--set", line)]
    return [
        "hero-eval",
        command,
        str(data),
        "--out",
        str(out),
        "--preset",
        "demo",
        "--processes",
        "1",
        *lines,
        *more,
    ]


def call(arguments):
    """The command, in this process."""
    before = sys.argv
    sys.argv = list(map(str, arguments))
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
    finally:
        sys.argv = before


def die(arguments, steps, repeats):
    """In a process of its own: be killed at so many steps of training, or repeats of measuring."""
    torch.set_num_threads(1)
    left = {"steps": steps, "repeats": repeats}

    def killing(name, method):
        def counted(*given):
            made = method(*given)
            left[name] -= 1
            if left[name] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return made

        return counted

    EagerStep.__call__ = killing("steps", EagerStep.__call__)
    Evaluation.repeat = killing("repeats", Evaluation.repeat)
    call(arguments)


@pytest.fixture(scope="module")
def both(data, tmp_path_factory):
    """The folder of a table of two generators and two seeds."""
    out = tmp_path_factory.mktemp("table")
    call(words("table1", data.folder, out, "--generators", "hero,toy", "--seeds", "2"))
    return out


@pytest.fixture(scope="module")
def rows(both):
    return {row["row"]: row for row in json.loads((both / "table1.json").read_text())["rows"]}


def test_every_row_is_there_without_a_change_for_the_new_generator(rows):
    assert list(rows) == [
        "ground truth",
        "half of the true motions against the other half",
        "tokenizer round trip: HERO",
        "best constant answer",
        "nearest training clip",
        "classifier on the global feature",
        "HERO",
        "HERO, frames shuffled",
        "HERO, another clip",
        "TOY",
        "TOY, frames shuffled",
        "TOY, another clip",
    ]
    assert rows["ground truth"]["cells"]["right_all"]["value"] == 1
    assert rows["half of the true motions against the other half"]["cells"]["fid"]["value"] > 0
    assert rows["tokenizer round trip: HERO"]["cells"].keys() >= {"fid", "mpjpe_m", "right_all"}
    controls = rows["HERO, another clip"]["cells"].keys()
    assert controls >= {"fid", "joint_fid", "right_all"}
    assert not {"kid", "joint_kid"} & controls  # which is not unbiased there
    assert rows["nearest training clip"]["cells"].keys() >= {"fid", "diversity", "right_all"}


@pytest.mark.parametrize("model", ["HERO", "TOY"])
def test_each_interval_is_what_it_is_called(rows, both, model):
    results = [json.loads((both / "results" / f"{model.lower()}-{seed}.json").read_text()) for seed in (0, 1)]
    fid = rows[model]["cells"]["fid"]
    of_seeds = [result["metrics"]["all"]["generated"]["fid"] for result in results]
    assert fid["seeds"] == [each["mean"] for each in of_seeds]
    assert fid["value"] == pytest.approx(sum(fid["seeds"]) / 2)
    half_spread = abs(fid["seeds"][0] - fid["seeds"][1]) / 2
    assert fid["over_seeds"] == pytest.approx(12.706 * half_spread, rel=1e-3)  # t of one degree of freedom
    over_repeats = [
        1.96 * abs(one - other) / 2 / 2**0.5 for one, other in (each["values"] for each in of_seeds)
    ]
    assert fid["over_repeats"] == pytest.approx(sum(over_repeats) / 2)
    assert fid["over_videos"]["low"] == pytest.approx(sum(each["clips"]["low"] for each in of_seeds) / 2)


def test_one_evaluator_for_all_and_a_folder_for_each_training(both):
    runs = sorted(path.name for path in (both / "runs").iterdir())
    assert runs == ["evaluators", "hero-0", "hero-1", "toy-0", "toy-1"]
    results = [json.loads(path.read_text()) for path in (both / "results").glob("*.json")]
    assert len(results) == 6
    for evaluator in ("evaluator", "joint_evaluator"):
        assert len({result[evaluator]["sha256"] for result in results}) == 1


def test_the_files_say_what_the_table_says(both, rows):
    markdown, latex = (both / "table1.md").read_text(), (both / "table1.tex").read_text()
    assert "| HERO, over seeds |" in markdown
    assert "1.96 std / sqrt(repeats)" in markdown
    assert "of 2 repeats it holds their mean in 60 % of cases" in markdown
    assert latex.count(r"\\") == markdown.count("\n| ")
    assert latex.count(r"\begin{tabular}") == markdown.count("\n|---")
    with (both / "table1.csv").open(newline="") as file:
        cells = {(line["row"], line["metric"]): float(line["value"]) for line in csv.DictReader(file)}
    assert cells["TOY", "fid"] == rows["TOY"]["cells"]["fid"]["value"]
    columns = markdown.splitlines()[2]
    assert columns.index("reaction %") < columns.index("FID")


def test_again_it_trains_and_measures_nothing(both, data, monkeypatch, capsys):
    monkeypatch.setattr(EagerStep, "__call__", lambda *given: pytest.fail("trained again"))
    monkeypatch.setattr(Evaluation, "repeat", lambda *given: pytest.fail("measured again"))
    before = {name: (both / name).read_bytes() for name in TABLES}
    call(words("table1", data.folder, both, "--generators", "hero,toy", "--seeds", "2"))
    assert "0 steps left" in capsys.readouterr().out
    assert {name: (both / name).read_bytes() for name in TABLES} == before


@pytest.mark.skipif(KILLED is None, reason="needs SIGKILL")
def test_killed_at_any_point_and_run_again_it_is_the_same_table(both, data, tmp_path):
    arguments = words("table1", data.folder, tmp_path, "--generators", "hero,toy", "--seeds", "2")
    with forks() as exit_code:
        for steps, repeats in ((17, 0), (0, 1), (0, 5)):  # in training, and in measuring
            assert exit_code(die, arguments, steps, repeats) == KILLED
    call(arguments)
    for name in TABLES:
        assert (tmp_path / name).read_bytes() == (both / name).read_bytes()


def test_two_processes_give_the_same_numbers(both, data, tmp_path):
    settings = [word for line in SETTINGS if not line.startswith("toy:") for word in ("--set", line)]
    out = ["--out", tmp_path, "--preset", "demo", "--processes", "2", "--seeds", "1"]
    call(["hero-eval", "table1", data.folder, *out, "--generators", "hero", *settings])
    for name in ("hero-0", "nearest", "classifier"):
        one, two = (
            json.loads((folder / "results" / f"{name}.json").read_text()) for folder in (both, tmp_path)
        )
        assert {key: one[key] for key in ("of", "metrics", "plausibility")} == {
            key: two[key] for key in ("of", "metrics", "plausibility")
        }


def test_a_generator_that_fails_does_not_keep_the_others_from_their_table(data, tmp_path, capsys):
    diverging = ["--seeds", "1", "--set", "toy:regressor.training.lr=1e30"]
    with pytest.raises(SystemExit) as ended:
        call(words("table1", data.folder, tmp_path, "--generators", "toy,hero", *diverging))
    assert ended.value.code == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "toy-0 regressor failed, all else goes on: " in told
    assert "error: toy-0 regressor: " in told
    assert not (tmp_path / "table1.md").exists()
    settings = [word for line in SETTINGS if not line.startswith("toy:") for word in ("--set", line)]
    others = ["--generators", "hero", "--seeds", "1", "--out", tmp_path, "--preset", "demo", *settings]
    call(["hero-eval", "table1", data.folder, *others])
    assert "0 steps left" in capsys.readouterr().out
    assert "| HERO |" in (tmp_path / "table1.md").read_text()


def test_table_2_shares_what_ablations_have_in_common(data, tmp_path):
    settings = [word for line in SETTINGS if not line.startswith("toy:") for word in ("--set", line)]
    out = ["--out", tmp_path, "--preset", "demo", "--processes", "1", "--seeds", "1"]
    call(["hero-eval", "table2", data.folder, *out, *settings])
    names = ("hero-0", "hero-no-iie-0", "hero-no-die-0", "hero-no-both-0")
    runs = [tmp_path / "runs" / name for name in names]
    assert len({(run / "rvq" / "best.safetensors").read_bytes() for run in runs}) == 1
    assert len({(run / "masked" / "best.safetensors").read_bytes() for run in runs}) == 4
    taken = [json.loads((run / "rvq" / "run.json").read_text()).get("taken_from") for run in runs]
    assert taken == [None, *[str((runs[0] / "rvq").resolve())] * 3]
    labels = [row["row"] for row in json.loads((tmp_path / "table2.json").read_text())["rows"]]
    assert [label for label in labels if "," not in label][-4:] == [
        "HERO",
        "HERO w/o IIE",
        "HERO w/o DIE",
        "HERO w/o both",
    ]


def test_tokenizers_start_from_a_named_run_and_one_that_started_elsewhere_is_never_taken(
    both, run, data, tmp_path, monkeypatch, capsys
):
    """The run's tokenizer is of other sizes than the settings say, which come along."""

    def table(out, *more):
        call(words("table1", data.folder, out, "--generators", "hero,toy", "--seeds", "1", *more))

    first, second = run, both / "runs" / "hero-0"
    table(tmp_path, "--finetune", first)
    described = {
        part: read_json(tmp_path / "runs" / "hero-0" / part / "run.json") for part in ("rvq", "masked")
    }
    assert described["rvq"]["initial_weights"]["sha256"] == sha256_of_file(first / "rvq" / "best.safetensors")
    assert described["rvq"]["model"]["quantizers"] == 2
    assert "initial_weights" not in described["masked"]
    note = f"rvq of HERO starts from {first / 'rvq' / 'best.safetensors'}"
    assert note in json.loads((tmp_path / "table1.json").read_text())["notes"]

    monkeypatch.setattr(EagerStep, "__call__", lambda *given: pytest.fail("trained again"))
    capsys.readouterr()
    table(tmp_path, "--finetune", f"hero:{first}")
    assert "0 steps left" in capsys.readouterr().out
    for out, more in ((tmp_path, ()), (tmp_path, ("--finetune", second)), (both, ("--finetune", first))):
        with pytest.raises(SystemExit) as ended:
            table(out, *more)
        assert ended.value.code == 2
        said = " ".join(capsys.readouterr().err.split())
        assert f"{out / 'runs' / 'hero-0' / 'rvq'}: started from " in said


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--generators", "hero,nobody"), "no generator is called"),
        (("--generators", "hero,hero"), "named twice"),
        (("--generators", "hero", "--set", "mld:seed=3"), "mld: is not in this table"),
        (
            ("--generators", "hero", "--finetune", "nowhere"),
            "--finetune nowhere: starts nothing in this table",
        ),
    ],
)
def test_mistakes_end_in_one_line(data, tmp_path, capsys, more, reason):
    sys_argv = ["hero-eval", "table1", str(data.folder), "--out", str(tmp_path), "--preset", "demo", *more]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", sys_argv)
        main()
    assert ended.value.code == 2
    assert reason in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "runs").exists() or not any(Path(tmp_path / "runs").iterdir())
