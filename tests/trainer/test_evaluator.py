import pytest
import torch

from hero_core.training_set import TrainingSet
from trainer.evaluator import Relations, matching_losses

UNRELATED = torch.eye(3, dtype=torch.bool)


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
    relations = Relations(TrainingSet(data_folder).train().rows)
    matrix = relations.matrix(["train-0", "train-1", "train-2"])
    assert matrix.tolist() == [[True, True, False], [True, True, False], [False, False, True]]
