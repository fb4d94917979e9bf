import numpy as np
import pytest
import torch

from hero_core.minivimo.judge import Verdict
from hero_core.motion.humanml3d import CONTACTS, joints_to_vectors
from hero_core.records import Truth
from hero_core.runs import load_evaluator
from tests.hero_core.view.motions import walk, walk_vectors
from trainer.eval.gallery.one_by_one import METRICS, embedded_apart, joints_apart_m, numbers_of, skating_m_s


def test_joints_that_glide_apart():
    slow, fast = (joints_to_vectors(walk(21, speed)) for speed in (0.4, 0.8))
    assert joints_apart_m(slow, slow) == 0
    assert joints_apart_m(slow, fast) == pytest.approx(np.arange(20).mean() * 0.02, rel=1e-3)
    assert joints_apart_m(slow, fast[:5]) == pytest.approx(np.arange(5).mean() * 0.02, rel=1e-3)


def test_feet_that_should_stand_and_slide():
    gliding = walk_vectors(40)  # 0.8 m/s, with a foot on the floor
    assert skating_m_s(gliding) == pytest.approx(0.8, rel=1e-3)
    gliding[:, CONTACTS] = 0
    assert skating_m_s(gliding) == 0


def test_numbers_where_the_right_answer_is_known_and_where_not():
    motion, truth = walk_vectors(40), Truth("sidestep", "left", 1.0)
    verdict = Verdict("sidestep", "right", 1.1)
    numbers = numbers_of(motion, motion, truth, verdict, 0.5)
    assert set(numbers) == {metric.name for metric in METRICS}
    assert numbers["right"] == pytest.approx(200 / 3)  # reaction and onset, not the side
    assert numbers["onset"] == pytest.approx(0.1)
    assert numbers["skating"] == pytest.approx(80, rel=1e-3)
    assert set(numbers_of(motion, motion, None, verdict, None)) == {"joints", "skating"}


def test_embeddings_of_the_same_motions_are_not_apart(run):
    evaluator, _ = load_evaluator(run)
    motions = [walk_vectors(40), walk_vectors(24)]
    device = torch.device("cpu")
    assert not embedded_apart(evaluator, motions, motions, device).any()
    assert (embedded_apart(evaluator, motions, motions[::-1], device) > 0).all()
