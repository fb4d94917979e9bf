from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hero_core.errors import InputError, WeightsError
from hero_core.models.base import TrainingFacts, VideoFeatures
from hero_core.models.checkpoint import load_network, save_network
from hero_core.models.evaluator import EvaluatorConfig, MotionEvaluator
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.motion.statistics import MotionStatistics

DIM = 263
SMALL = EvaluatorConfig(movement_hidden=16, movement_dim=12, motion_hidden=16, embedding_dim=8)
LENGTHS = torch.tensor([13, 32, 4, 20])


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _motion(batch: int = 4, frames: int = 32) -> Tensor:
    return 2.0 + 3.0 * torch.randn(batch, frames, DIM, generator=_rng())


def _evaluator(config: EvaluatorConfig = SMALL, feature_dim: int = 0) -> MotionEvaluator:
    torch.manual_seed(0)
    statistics = MotionStatistics(np.full(DIM, 2, np.float32), np.full(DIM, 3, np.float32))
    facts = TrainingFacts(statistics, feature_dim=feature_dim, longest_frames=0, parts={})
    return MotionEvaluator.build(config, facts)


@pytest.fixture(scope="module")
def evaluator() -> MotionEvaluator:
    return _evaluator().eval()


def test_defaults_are_the_official_sizes() -> None:
    with torch.device("meta"):
        evaluator = MotionEvaluator(EvaluatorConfig())
    shapes = {name: tuple(tensor.shape) for name, tensor in evaluator.state_dict().items()}
    assert shapes["movement_encoder.main.0.weight"] == (512, 259, 4)
    assert shapes["movement_encoder.main.3.weight"] == (512, 512, 4)
    assert shapes["motion_encoder.hidden"] == (2, 1, 1024)
    assert shapes["motion_encoder.output_net.3.weight"] == (512, 1024)


@torch.no_grad()
def test_embeddings_come_in_input_order(evaluator: MotionEvaluator) -> None:
    together = evaluator.embed(_motion(), LENGTHS)
    assert together.shape == (4, 8)
    for row, (motion, length) in enumerate(zip(_motion(), LENGTHS, strict=True)):
        alone = evaluator.embed(motion[None], length[None])
        torch.testing.assert_close(together[row], alone[0], rtol=0, atol=1e-5)


@torch.no_grad()
def test_padding_does_not_matter_unless_asked_for(evaluator: MotionEvaluator) -> None:
    motion = _motion()
    spoilt = motion.clone()
    spoilt[2, 4:] = 50.0
    clean = evaluator.embed(motion, LENGTHS)
    assert torch.equal(clean, evaluator.embed(spoilt, LENGTHS))
    official = evaluator.embed(spoilt, LENGTHS, zero_tail=False)
    assert torch.equal(official[1], clean[1])
    assert not torch.allclose(official[2], clean[2], atol=1e-3)


@torch.no_grad()
def test_padding_beyond_two_frames_changes_nothing(evaluator: MotionEvaluator) -> None:
    short, long = (F.pad(_motion(), (0, 0, 0, frames)) for frames in (2, 9))
    torch.testing.assert_close(
        evaluator.embed(short, LENGTHS), evaluator.embed(long, LENGTHS), rtol=0, atol=1e-6
    )


@torch.no_grad()
def test_foot_contacts_are_not_seen(evaluator: MotionEvaluator) -> None:
    motion = _motion()
    motion[..., -4:] = 7.0
    assert torch.equal(evaluator.embed(motion, LENGTHS), evaluator.embed(_motion(), LENGTHS))


@pytest.mark.parametrize("lengths", [[3, 8, 8, 8], [8, 8, 8, 33]])
def test_impossible_lengths_are_refused(evaluator: MotionEvaluator, lengths: list[int]) -> None:
    with pytest.raises(InputError, match="the evaluator needs 4 to 32"):
        evaluator.embed(_motion(), torch.tensor(lengths))


def test_dropout_is_active_in_training_only() -> None:
    evaluator = _evaluator()
    assert not torch.equal(evaluator.embed(_motion(), LENGTHS), evaluator.embed(_motion(), LENGTHS))


def test_a_loaded_evaluator_is_the_saved_one(evaluator: MotionEvaluator, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save_network(path, evaluator, {"data": "waves"})
    loaded, origin = load_network(path, MotionEvaluator)
    assert not loaded.training
    assert torch.equal(loaded.embed(_motion(), LENGTHS), evaluator.embed(_motion(), LENGTHS))
    assert origin.metadata == {"data": "waves"}
    with pytest.raises(WeightsError, match="'evaluator' model, expected 'rvq'"):
        load_network(path, RvqTokenizer)


@torch.no_grad()
def test_one_that_sees_joints_sees_nothing_else() -> None:
    evaluator = _evaluator(SMALL.model_copy(update={"sees": "joints"})).eval()
    motion, spoilt = _motion(), _motion()
    spoilt[..., 67:] = 7.0  # rotations, velocities, contacts
    embeddings = evaluator.embed(motion, LENGTHS)
    assert embeddings.shape == (4, 8)
    assert torch.equal(embeddings, evaluator.embed(spoilt, LENGTHS))
    spoilt[..., 4:67] += 0.1
    assert not torch.allclose(embeddings, evaluator.embed(spoilt, LENGTHS), atol=1e-4)
    behind = motion.clone()
    behind[2, 4:] = 50.0
    assert torch.equal(embeddings, evaluator.embed(behind, LENGTHS))


@torch.no_grad()
def test_videos_are_embedded_by_one_that_was_trained_with_them(
    evaluator: MotionEvaluator, tmp_path: Path
) -> None:
    videos = VideoFeatures(torch.randn(3, 5, 6, generator=_rng()), torch.zeros(3, 6), torch.zeros(3, 5))
    with pytest.raises(InputError, match="embeds motions only"):
        evaluator.embed_videos(videos)
    knowing = _evaluator(feature_dim=6).eval()
    path = tmp_path / "best.safetensors"
    save_network(path, knowing, {})
    loaded, _ = load_network(path, MotionEvaluator)
    embeddings = loaded.embed_videos(videos)
    assert embeddings.shape == (3, 8)
    assert torch.equal(embeddings, knowing.embed_videos(videos))
    with pytest.raises(InputError, match="features of 5 values, but the evaluator was made for 6"):
        loaded.embed_videos(videos.map(lambda part: part[..., :5]))
    loaded.forget_videos()
    assert loaded.state_dict().keys() == evaluator.state_dict().keys()
    with pytest.raises(InputError, match="embeds motions only"):
        loaded.embed_videos(videos)


def test_settings_of_before_there_were_videos_are_read() -> None:
    old = SMALL.model_dump(exclude={"sees", "feature_dim"})
    assert EvaluatorConfig.model_validate(old) == SMALL
