import shutil

import pytest

from hero_core.choices import EVALUATOR, JOINT_EVALUATOR
from hero_core.errors import WeightsError
from hero_core.models.checkpoint import load_network, save_network
from hero_core.models.evaluator import EvaluatorConfig, MotionEvaluator
from hero_core.runs import checkpoint_path
from trainer.eval.evaluators import load_evaluators


@pytest.fixture
def other_run(run, tmp_path):
    """A copy of the run."""
    return shutil.copytree(run, tmp_path / "other")


def test_both_are_the_runs_own(run, data):
    found = load_evaluators(run, data)
    assert (found.vectors.config.sees, found.joints.config.sees) == ("vectors", "joints")
    assert found.origin.path == checkpoint_path(run, EVALUATOR)
    assert found.joint_origin.path == checkpoint_path(run, JOINT_EVALUATOR)
    assert found.vectors.video_encoder is not None
    assert found.joints.video_encoder is not None


def test_another_run_lends_both_or_the_one_that_it_has(run, data, other_run):
    assert load_evaluators(run, data, other_run).joint_origin.path.is_relative_to(other_run)
    shutil.rmtree(other_run / JOINT_EVALUATOR)
    found = load_evaluators(run, data, other_run)
    assert found.origin.path.is_relative_to(other_run)
    assert found.joint_origin.path.is_relative_to(run)
    without = load_evaluators(other_run, data)
    assert (without.joints, without.joint_origin) == (None, None)
    assert load_evaluators(other_run, data, None, run).joint_origin.path.is_relative_to(run)


def test_one_that_is_named_has_to_be_there_and_see_the_right_thing(run, data, other_run):
    shutil.rmtree(other_run / JOINT_EVALUATOR)
    with pytest.raises(WeightsError, match="joint_evaluator"):
        load_evaluators(run, data, None, other_run)
    with pytest.raises(WeightsError, match="an evaluator of vectors; this is to be one of joints"):
        load_evaluators(run, data, None, checkpoint_path(run, EVALUATOR))


def test_of_videos_of_other_features_an_evaluator_knows_nothing(run, make_set, entries, identity, tmp_path):
    other = make_set(tmp_path, entries, identity(resize="another"))
    found = load_evaluators(run, other)
    assert found.vectors.video_encoder is None
    assert found.joints.video_encoder is None


def test_imported_and_earlier_ones_embed_motions_only(run, data, other_run):
    path = checkpoint_path(other_run, EVALUATOR)
    sizes = EvaluatorConfig(movement_hidden=8, movement_dim=8, motion_hidden=8, embedding_dim=6)
    save_network(path, MotionEvaluator(sizes), {"imported_from": "finest.tar"})
    assert load_evaluators(other_run, data).vectors.video_encoder is None
    assert load_network(path, MotionEvaluator)[0].config.feature_dim is None
