import pytest

from hero_core.models.residual import ResidualTransformer
from hero_core.runs import load_hero
from trainer.log import read_log


@pytest.mark.parametrize("step", [2, 5])
def test_killed_and_resumed(new_run, train_tiny, same_training, step):
    whole, killed = new_run("whole"), new_run("killed")
    train_tiny("residual", whole)
    train_tiny.killed_and_resumed("residual", killed, kill_at=step)
    same_training(whole / "residual", killed / "residual")


def test_learns(new_run, train_tiny):
    run = new_run("run")
    settings = ("steps=80", "lr=5e-3", "log_every_steps=20", "milestones=[]", "evaluate_every_steps=80")
    train_tiny("residual", run, *(f"residual.training.{setting}" for setting in settings))
    losses = [line["total"] for line in read_log(run / "residual" / "log.jsonl") if line["phase"] == "train"]
    assert losses[-1] < 0.95 * losses[0]


def test_sizes_come_from_the_tokenizer_and_the_data(new_run, train_tiny):
    run = new_run("run")
    train_tiny("residual", run)
    config = ResidualTransformer.load(run / "residual" / "best").config
    assert (config.codebook_size, config.quantizers, config.feature_dim) == (8, 3, 16)


def test_what_was_trained_makes_a_generator(new_run, train_tiny):
    run = new_run("run")
    train_tiny("masked", run)
    train_tiny("residual", run)
    assert load_hero(run).max_length == 200
    assert load_hero(run, "last").max_length == 200
