import pytest
import torch

from hero_core.errors import WeightsError
from hero_core.files import read_json
from hero_core.models.codec import MotionCodec
from trainer.log import read_log


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, train_tiny):
    run = tmp_path_factory.mktemp("unbroken")
    train_tiny("rvq", run)
    return run / "rvq"


@pytest.mark.parametrize("step", [2, 5, 7])
def test_killed_and_resumed(tmp_path, unbroken, train_tiny, same_training, step):
    train_tiny.killed_and_resumed("rvq", tmp_path, kill_at=step)
    same_training(unbroken, tmp_path / "rvq")


def test_learns(tmp_path, train_tiny):
    settings = ("steps=120", "lr=3e-3", "log_every_steps=20", "milestones=[]", "evaluate_every_steps=120")
    train_tiny("rvq", tmp_path, *(f"rvq.training.{setting}" for setting in settings))
    losses = [
        line["reconstruction"]
        for line in read_log(tmp_path / "rvq" / "log.jsonl")
        if line["phase"] == "train"
    ]
    assert losses[-1] < 0.9 * losses[0]


def test_validation_is_the_reconstruction_of_whole_motions(unbroken):
    line = next(line for line in read_log(unbroken / "log.jsonl") if line["phase"] == "validation")
    assert line.keys() >= {"reconstruction", "local_positions", "commitment", "perplexity"}
    assert read_json(unbroken / "run.json")["best"]["metric"] == "reconstruction"


def test_the_run_explains_itself(unbroken):
    description = read_json(unbroken / "run.json")
    assert description["finished"] is True
    assert description["counts"] == {
        "training_motions": 11,
        "training_motions_skipped_shorter_than_window": 1,
        "training_windows": 191,
        "validation_motions": 2,
    }
    assert description["steps_per_epoch"] == 191 // 4
    assert description["data"]["statement"] == "random numbers, for tests"
    assert not any(description["official_behaviour"].values())
    assert description["settings_from"] == {"preset": "tiny"}


def test_fine_tuning_keeps_the_loaded_codes_and_statistics(tmp_path, unbroken, train_tiny):
    run = tmp_path / "tuned"
    overrides = (
        "rvq.model.width=24",
        "feat_bias=25",
        "rvq.training.steps=1",
        "rvq.training.lr=1e-12",
    )
    train_tiny("rvq", run, *overrides, finetune=unbroken.parent)
    before, after = MotionCodec.load(unbroken / "best"), MotionCodec.load(run / "rvq" / "last")
    assert after.config == before.config
    assert torch.equal(before.statistics.std, after.statistics.std)
    for old, new in zip(before.vae.quantizer.codebooks, after.vae.quantizer.codebooks, strict=True):
        used = old.code_count > 1.1  # the others may be reset
        torch.testing.assert_close(old.codebook[used], new.codebook[used], rtol=0.1, atol=0.05)
    assert read_json(run / "rvq" / "run.json")["initial_weights"] == str(unbroken / "best")


@pytest.mark.parametrize("step", [2, 5])
def test_fine_tuning_resumes_without_being_told_again(tmp_path, unbroken, train_tiny, same_training, step):
    """Step 2 is before the first save, so that the initial weights are needed once more."""
    from trainer.run_folder import RunFolder

    train_tiny("rvq", tmp_path / "whole", finetune=unbroken)
    with pytest.raises(Exception, match="^$"):
        train_tiny("rvq", tmp_path / "killed", finetune=unbroken, kill_at=step)
    stored = RunFolder(tmp_path / "killed", "rvq").stored_config()
    assert train_tiny("rvq", tmp_path / "killed", config=stored, resume=True)
    same_training(tmp_path / "whole" / "rvq", tmp_path / "killed" / "rvq")


def test_fine_tuning_from_nothing(tmp_path, train_tiny):
    with pytest.raises(WeightsError, match="neither a checkpoint nor a run"):
        train_tiny("rvq", tmp_path / "run", finetune=tmp_path)
    assert not (tmp_path / "run").exists()
