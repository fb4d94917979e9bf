import numpy as np
import pytest
import torch

from hero_core.choices import JOINT_EVALUATOR
from hero_core.models.base import VideoFeatures
from hero_core.motion.physics import Physics
from hero_core.runs import load_evaluator
from trainer.eval.pair_measures import PairMeasures, mean_over_repeats, physical
from trainer.eval.protocol import Embedded
from trainer.reactions import embed

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def samples(data):
    return data.held_out("test")


@pytest.fixture(scope="module")
def evaluators(run):
    return load_evaluator(run)[0], load_evaluator(run, JOINT_EVALUATOR)[0]


def embedded(evaluator, samples):
    motions = [sample.motion for sample in samples]
    return Embedded(motions, embed(evaluator, motions, 8, CPU))


def test_every_pair_gets_every_value_whatever_the_batches(evaluators, samples):
    motions = embedded(evaluators[0], samples)
    one, other = (PairMeasures(*evaluators, samples, size, CPU).of(motions) for size in (4, 19))
    assert one.values.keys() == other.values.keys()
    for name, values in one.values.items():
        assert values.shape == (len(samples),)
        np.testing.assert_allclose(values, other.values[name], atol=1e-4)
    np.testing.assert_allclose(one.joint, other.joint, atol=1e-5)


def test_the_distance_is_that_of_the_embeddings_of_motion_and_video(evaluators, samples):
    motions = embedded(evaluators[0], samples)
    found = PairMeasures(*evaluators, samples, 8, CPU).of(motions)
    with torch.no_grad():
        video = evaluators[0].embed_videos(VideoFeatures.of([samples[5].video])).numpy()
    expected = np.linalg.norm(motions.embeddings[5] - video[0])
    assert found.values["mm_distance"][5] == pytest.approx(expected, rel=1e-4)


def test_physical_measures_are_those_of_each_motion(samples):
    found = physical([samples[0].motion, samples[1].motion[:4]])
    assert tuple(found) == Physics._fields
    assert all(values.shape == (2,) for values in found.values())


def test_a_pairs_mean_is_over_the_repeats_that_it_has_a_value_in():
    repeats = [
        {"skating_m_s": np.array([1.0, np.nan, np.nan])},
        {"skating_m_s": np.array([3.0, 5.0, np.nan])},
    ]
    np.testing.assert_array_equal(mean_over_repeats(repeats)["skating_m_s"], [2.0, 5.0, np.nan])
