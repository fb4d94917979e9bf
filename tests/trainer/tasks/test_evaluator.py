import pytest
import torch

from hero_core.models.evaluator import MotionEvaluator
from trainer.data import TrainingData
from trainer.log import read_log
from trainer.tasks.evaluator import Relations, matching_losses

UNRELATED = torch.eye(3, dtype=torch.bool)


@pytest.mark.parametrize("step", [2, 5])
def test_killed_and_resumed(tmp_path, train_tiny, same_training, step):
    train_tiny("evaluator", tmp_path / "whole")
    train_tiny.killed_and_resumed("evaluator", tmp_path / "killed", kill_at=step)
    same_training(tmp_path / "whole" / "evaluator", tmp_path / "killed" / "evaluator")


def test_learns_without_a_tokenizer(tmp_path, train_tiny):
    settings = ("steps=80", "lr=5e-3", "log_every_steps=20", "evaluate_every_steps=80")
    train_tiny("evaluator", tmp_path, *(f"evaluator.training.{setting}" for setting in settings))
    lines = [line for line in read_log(tmp_path / "evaluator" / "log.jsonl") if line["phase"] == "train"]
    assert lines[-1]["total"] < 0.5 * lines[0]["total"]
    evaluator = MotionEvaluator.load(tmp_path / "evaluator" / "best")
    assert evaluator.embed(torch.zeros(2, 40, 263), torch.tensor([40, 24])).shape == (2, 8)


def test_matching_loss_by_hand():
    motion = torch.tensor([[0.0, 0.0], [3.0, 4.0], [20.0, 0.0]])
    video = torch.tensor([[0.0, 1.0], [3.0, 4.0], [20.0, 0.0]])
    losses = matching_losses(motion, video, UNRELATED, margin=10.0)
    assert float(losses["matched"]) == pytest.approx(1 / 3)
    intrusions = (10 - 5) ** 2 + (10 - (9 + 9) ** 0.5) ** 2  # two of six counter-examples are nearer than 10
    assert float(losses["mismatched"]) == pytest.approx(intrusions / 6)
    assert float(losses["total"]) == pytest.approx(1 / 3 + intrusions / 6)
    assert float(losses["accuracy"]) == 1.0


def test_related_pairs_are_no_counter_examples():
    motion = torch.zeros(3, 2)
    everything_related = torch.ones(3, 3, dtype=torch.bool)
    losses = matching_losses(motion, motion, everything_related, margin=10.0)
    assert float(losses["total"]) == 0.0
    assert float(matching_losses(motion, motion, UNRELATED, margin=10.0)["mismatched"]) == 100.0


def test_pairs_that_share_a_motion_are_related(data_folder):
    relations = Relations(TrainingData(data_folder).train())
    matrix = relations.matrix(["train-0", "train-1", "train-2"])
    assert matrix.tolist() == [[True, True, False], [True, True, False], [False, False, True]]
