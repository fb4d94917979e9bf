from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.errors import InputError, WeightsError
from hero_core.models.evaluator import EvaluatorConfig, MotionEvaluator
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.convert import convert_evaluator

CONFIG = EvaluatorConfig(movement_hidden=16, movement_dim=12, motion_hidden=14, embedding_dim=8)
OPTIONS = {"unit_length": 4, "dim_movement_enc_hidden": 16, "dim_movement_latent": 12, "is_train": False}
STATISTICS = MotionStatistics(np.zeros(263, np.float32), np.full(263, 2, np.float32))


def _source() -> MotionEvaluator:
    torch.manual_seed(0)
    evaluator = MotionEvaluator(CONFIG)
    evaluator.normalisation.take(STATISTICS)
    return evaluator.eval()


class Files:
    """An official evaluator on disk."""

    def __init__(self, folder: Path) -> None:
        self.model_file, self.opt_txt = folder / "finest.tar", folder / "opt.txt"
        source = _source()
        self.write_weights(source.movement_encoder.state_dict(), source.motion_encoder.state_dict())
        self.write_options(OPTIONS)

    def write_weights(self, movement: dict[str, Tensor], motion: dict[str, Tensor]) -> None:
        text = {"anything": torch.zeros(3)}
        content = {"movement_encoder": movement, "motion_encoder": motion, "text_encoder": text, "epoch": 1}
        torch.save(content, self.model_file)

    def write_options(self, options: Mapping[str, object]) -> None:
        lines = [f"{name}: {value}" for name, value in options.items()]
        self.opt_txt.write_text("\n".join(["---- Options ----", *lines, "----- End -----"]))

    def read(self) -> MotionEvaluator:
        return convert_evaluator(self.model_file, self.opt_txt, STATISTICS)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@torch.no_grad()
def test_sizes_and_weights_come_from_the_tensors(files: Files) -> None:
    evaluator = files.read()
    assert evaluator.config == CONFIG
    assert not evaluator.training
    motion, lengths = torch.randn(2, 16, 263), torch.tensor([16, 9])
    assert torch.equal(evaluator.embed(motion, lengths), _source().embed(motion, lengths))


def test_options_are_optional_but_may_not_contradict(files: Files) -> None:
    assert convert_evaluator(files.model_file, None, STATISTICS).config == CONFIG
    files.write_options(OPTIONS | {"dim_movement_latent": 512})
    with pytest.raises(WeightsError, match="dim_movement_latent is 512, but the weights have 12"):
        files.read()
    files.write_options(OPTIONS | {"unit_length": 8})
    with pytest.raises(WeightsError, match="unit_length is 8"):
        files.read()


def test_missing_and_unexpected_weights_are_named(files: Files) -> None:
    movement, motion = _source().movement_encoder.state_dict(), _source().motion_encoder.state_dict()
    motion["gru.extra"] = motion.pop("input_emb.bias")
    files.write_weights(movement, motion)
    with pytest.raises(
        WeightsError, match="missing: motion_encoder.input_emb.bias; 1 unexpected: motion_encoder.gru.extra"
    ):
        files.read()
    del motion["hidden"]
    files.write_weights(movement, motion)
    with pytest.raises(WeightsError, match=r"tensor motion_encoder\.hidden is missing"):
        files.read()


def test_another_file_is_refused(files: Files) -> None:
    torch.save({"vq_model": {}}, files.model_file)
    with pytest.raises(WeightsError, match="no entry movement_encoder; it holds vq_model"):
        files.read()


def test_an_evaluator_of_other_motions_is_refused(files: Files) -> None:
    narrow = MotionEvaluator(CONFIG.model_copy(update={"motion_dim": 20}))
    files.write_weights(narrow.movement_encoder.state_dict(), narrow.motion_encoder.state_dict())
    with pytest.raises(InputError, match="statistics of 263 dimensions, expected 20"):
        files.read()
