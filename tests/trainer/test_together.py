"""Two processes that train together, against one, against themselves after a kill, and stopped."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from hero_core.errors import ConfigError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.progress import silent
from hero_core.storage import read_json, write_json
from tests.together import together
from tests.trainer.conftest import TINY, Trainer, after_step
from trainer.arithmetic import reproducible
from trainer.config import load_train_config
from trainer.data.blocks import StreamedOrder
from trainer.folder import PartFolder
from trainer.log import read_log
from trainer.loop import StoppedError, train
from trainer.runs import check, ready, take_part
from trainer.status import how_to_go_on, run_status

PARTS = ("evaluator", "joint_evaluator", "rvq", "masked", "residual", "length")
KILLED = ("rvq", "masked")
PLAIN = (
    "evaluator.model.dropout=0",
    "rvq.model.dropout=0",
    "length.model.dropout=0",
    *(f"{name}.model.{each}dropout=0" for name in ("masked", "residual") for each in ("", "intention_")),
)
"""Without what differs between ranks."""
DROPOUT = ("rvq.model.dropout=0.3", "masked.model.dropout=0.3")


def config(*overrides):
    return load_train_config("hero", "demo", None, [*TINY, *overrides])


def work(ranks, data, folder):
    """All that two processes do in this file, as they take a while to start."""
    trainer = Trainer(data, config)
    for name in PARTS:
        trainer(name, folder / "plain", *PLAIN, ranks=ranks)
    for name in KILLED:
        trainer(name, folder / "whole", *DROPOUT, ranks=ranks)
        trainer(name, folder / "killed", *DROPOUT, ranks=ranks, kill_at=5)
        trainer(name, folder / "killed", *DROPOUT, ranks=ranks, resume=True)

    further = ranks.on_first(lambda: shutil.copytree(folder / "killed", folder / "further"))
    for name in reversed(KILLED):  # before the tokenizer changes
        with reproducible(0, torch.device("cpu")):
            request = trainer.request(further, *DROPOUT, f"{name}.training.steps=8", ranks=ranks)
            run, _ = ready(name, request)
            train(run, silent)
            facts = {"weights": sha256_of_tensors(run.part.state_dict()), "dropout": torch.rand(()).item()}
        write_json(folder / f"{name}-{ranks.rank}.json", facts)

    def interrupt():
        if not ranks.first:
            os.kill(os.getpid(), signal.SIGTERM)

    with after_step(5, interrupt), pytest.raises(StoppedError, match="stopped at step 5 of 7, saved"):
        trainer("rvq", folder / "stopped", *DROPOUT, ranks=ranks)
    trainer("rvq", folder / "stopped", *DROPOUT, ranks=ranks, resume=True)
    with pytest.raises(ConfigError, match=r"batches of 3 evenly; set rvq\.training\.batch_size"):
        check("rvq", trainer.request(folder / "none", "rvq.training.batch_size=3", ranks=ranks), [])

    assert take_part("rvq", trainer.request(folder / "taken", *DROPOUT, ranks=ranks), folder / "whole", True)
    assert PartFolder(folder / "taken", "rvq").finished
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.data.batches.too_large", lambda *_: not ranks.first)
        run, _ = ready("rvq", trainer.request(folder / "none", ranks=ranks))
        assert isinstance(run.batches.order, StreamedOrder)  # on both


@pytest.fixture(scope="module")
def trained(data_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    together(work, folder, data_folder, folder)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory, train_tiny):
    run = tmp_path_factory.mktemp("alone")
    for name in PARTS:
        train_tiny(name, run, *PLAIN)
    return run


def numbers(run, name):
    """Of the log, but for speed."""
    lines = read_log(run / name / "log.jsonl")
    return [
        {key: value for key, value in line.items() if key not in ("phase", "samples_per_second", "data_wait")}
        for line in lines
    ]


@pytest.mark.parametrize("name", PARTS)
def test_two_processes_train_as_one_does(alone, trained, name):
    ours, theirs = numbers(alone, name), numbers(trained / "plain", name)
    assert [line["step"] for line in ours] == [2, 4, 4, 6, 7, 7]
    for one, two in zip(ours, theirs, strict=True):
        assert one == pytest.approx(two, rel=1e-5, abs=1e-5)
    ours, theirs = (load_file(run / name / "state.safetensors") for run in (alone, trained / "plain"))
    assert ours.keys() == theirs.keys()
    for key in ours:
        if not key.startswith("random."):
            torch.testing.assert_close(ours[key], theirs[key], rtol=1e-5, atol=1e-5, msg=key)


@pytest.mark.parametrize("name", KILLED)
def test_killed_and_resumed_they_give_the_same_bytes(trained, same_training, name):
    same_training(trained / "whole" / name, trained / "killed" / name)


def test_one_that_is_stopped_stops_both_which_go_on_from_there(trained, same_training):
    same_training(trained / "whole" / "rvq", trained / "stopped" / "rvq")


@pytest.mark.parametrize("name", KILLED)
def test_dropout_is_each_one_s_own_and_the_weights_stay_the_same(trained, name):
    first, second = (read_json(trained / f"{name}-{rank}.json") for rank in (0, 1))
    assert first["weights"] == second["weights"]
    assert first["dropout"] != second["dropout"]
    plain, dropped = (numbers(trained / run, name) for run in ("plain", "whole"))
    assert all(one["total"] != other["total"] for one, other in zip(plain, dropped, strict=True))


def test_another_number_of_processes_is_told_how_many_there_were(trained, train_tiny):
    with pytest.raises(
        ConfigError, match=r"not the same processes .*, by torchrun --nproc-per-node 2 --no-python hero-train"
    ):
        train_tiny("rvq", trained / "whole", *DROPOUT, "rvq.training.steps=9", resume=True)
    assert train_tiny("rvq", trained / "whole", *DROPOUT, resume=True) is None  # finished is finished


def test_torchrun_trains_says_all_once_and_stops_when_told(data_folder, tmp_path, tiny_overrides):
    run = tmp_path / "run"
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "--no-python",
    ]
    program = [sys.executable, "-c", "from trainer.cli import main; main()", "rvq", str(data_folder)]
    settings = ["--preset", "demo", *tiny_overrides, "--set", "rvq.training.steps=100000", "--device", "cpu"]
    process = subprocess.Popen(
        [*launch, *program, "--out", str(run), *settings],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not read_log(run / "rvq" / "log.jsonl"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=60)
    assert out.count("rvq: 0/100000") == 1
    words = f"go on with: torchrun --nproc-per-node 2 --no-python hero-train rvq {data_folder} --out {run} --resume"
    assert error.count(words) == 1
    assert how_to_go_on(run, run_status(run, time.time())) == words.removeprefix("go on with: ").replace(
        " rvq ", " all "
    )
    assert read_json(run / "rvq" / "run.json")["stopped"] is True
    assert (run / "rvq" / "state.safetensors").is_file()
