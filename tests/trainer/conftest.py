"""A small training set in the form that build-pairs writes, and tiny models trained on it."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from hero_core.fingerprint import EncoderIdentity, FeatureIdentity
from hero_core.models.base import Batch
from hero_core.models.checkpoint import SUFFIX
from hero_core.motion.statistics import MotionStatistics
from hero_core.records import FeatureRecord, MotionRecord, Pair, Split
from hero_core.shards import open_writer
from hero_core.storage import sha256_of_file
from hero_core.training_set import PairRow, TrainingSet, sample_record, write_description, write_manifest
from trainer.config import TrainConfig, load_train_config
from trainer.log import read_log
from trainer.request import Request
from trainer.runs import train_part
from trainer.state import Best
from trainer.steps import EagerStep

FEATURE_DIM = 16
LENGTHS: dict[Split, tuple[int, ...]] = {
    "train": (40, 47, 24, 60, 22, 3, 33, 52, 41, 28, 36, 45),
    "val": (30, 44, 26),
    "test": (31, 45),
}
"""Frames of the motions of each split; one training motion is shorter than a token."""

IDENTITY = FeatureIdentity(
    sampling="4 frames",
    decoding="none",
    resize="none",
    normalisation="none",
    encoder=EncoderIdentity(name="random", architecture={}, weights_sha256="0" * 64),
    dtype="float32",
    storage_dtype="float32",
    batch_clips=1,
)

MakeData = Callable[..., Path]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small are fastest on one core, above all when the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_data() -> MakeData:
    return write_training_set


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_set(tmp_path_factory.mktemp("data"))


def write_training_set(
    folder: Path,
    lengths: Mapping[Split, Sequence[int]] = LENGTHS,
    shard_format: str = "tar",
    seed: int = 0,
    videos: bool = True,
    identity: FeatureIdentity = IDENTITY,
    feature_dim: int = FEATURE_DIM,
    pairs_in_shard: int = 100,
) -> Path:
    """Smooth random motions whose sway follows the clip's features. Pair 1 of each split reuses motion 0."""
    rng = np.random.default_rng(seed)
    rows: list[PairRow] = []
    training: list[np.ndarray] = []
    for split, frames in lengths.items():
        motions = [_motion(rng, count) for count in frames]
        for number, first in enumerate(range(0, len(motions), pairs_in_shard)):
            shard = f"{split}-{number:05d}.{shard_format}"
            pairs = []
            with open_writer(folder / "shards" / shard) as writer:
                for index in range(first, min(first + pairs_in_shard, len(motions))):
                    shared = 0 if index == 1 else index
                    motion = motions[shared]
                    features = _features(rng, motion, feature_dim)
                    pair = _pair(f"{split}-{index}", f"{split}-motion-{shared}", split, len(motion), videos)
                    writer.write(
                        sample_record(pair.key, MotionRecord(motion), features if videos else None, pair)
                    )
                    pairs.append(pair)
                    if split == "train":
                        training.append(motion)
            sha256 = sha256_of_file(folder / "shards" / shard)
            rows += [PairRow(pair, shard, sha256) for pair in pairs]
    write_manifest(folder, rows)
    MotionStatistics.from_vectors(training).save(folder)
    words = {"name": "tiny", "statement": "random numbers, for tests", "encoder_statement": "none"}
    write_description(folder, rows, identity if videos else None, **words)
    return folder


def _motion(rng: np.random.Generator, frames: int) -> np.ndarray:
    phase, speed = rng.uniform(0, 6, size=263), rng.uniform(0.05, 0.2)
    return np.sin(phase + speed * np.arange(frames)[:, None]).astype(np.float32)


def _features(rng: np.random.Generator, motion: np.ndarray, dim: int) -> FeatureRecord:
    frames = (rng.normal(size=(4, dim)) + np.resize(motion[0], dim)).astype(np.float32)
    return FeatureRecord.of(frames, np.arange(4) / 4)


def _pair(key: str, motion_key: str, split: Split, length: int, video: bool) -> Pair:
    return Pair(
        key=key,
        clip_key=f"clip-{key}" if video else None,
        motion_key=motion_key,
        split=split,
        broad="human-human",
        subcategory="wave",
        source_video=f"video-{key}",
        motion_path=f"{motion_key}.npy",
        length=length,
    )


TINY = (
    "rvq.model.width=16",
    "rvq.model.code_dim=16",
    "rvq.model.codebook_size=8",
    "rvq.model.quantizers=3",
    "rvq.model.depth=1",
    *(
        f"{name}.model.{setting}"
        for name in ("masked", "residual")
        for setting in (
            "code_dim=8",
            "latent_dim=16",
            "ff_size=16",
            "layers=1",
            "heads=2",
            "intention_heads=2",
        )
    ),
    "length.model.width=8",
    *(
        f"evaluator.model.{name}=8"
        for name in ("movement_hidden", "movement_dim", "motion_hidden", "embedding_dim")
    ),
    *(
        f"{name}.training.{setting}"
        for name in ("rvq", "masked", "residual", "length", "evaluator")
        for setting in (
            "steps=7",
            "batch_size=4",
            "log_every_steps=2",
            "evaluate_every_steps=4",
            "save_every_steps=3",
            "select_by=loss",  # a data set of random numbers knows no right answers
        )
    ),
)
"""Overrides of the demo preset that train in moments."""


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., TrainConfig]:
    def make(*overrides: str) -> TrainConfig:
        return load_train_config("hero", "demo", None, [*TINY, *overrides])

    return make


@pytest.fixture(scope="session")
def tiny_overrides() -> list[str]:
    return [argument for override in TINY for argument in ("--set", override)]


class KilledError(Exception):
    """Stands for a kill: nothing catches it."""


def kill() -> None:
    raise KilledError


@contextmanager
def after_step(step: int, action: Callable[[], None]) -> Iterator[None]:
    """Does something when the weights have made a step, and nothing else knows of it yet."""
    made = EagerStep.__call__

    def make(self: EagerStep, batch: Batch) -> Tensor:
        values = made(self, batch)
        if self.state.step + 1 == step:
            action()
        return values

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EagerStep, "__call__", make)
        yield


@dataclass(frozen=True)
class Trainer:
    """Trains tiny models on the tiny data."""

    data: Path
    config: Callable[..., TrainConfig]

    def request(self, run: Path, *overrides: str, **request: Any) -> Request:
        values = {
            "data": TrainingSet(self.data),
            "config": self.config(*overrides),
            "settings_from": {"preset": "tiny"},
            "device": torch.device("cpu"),
            **request,
        }
        return Request(out=run, **values)

    def __call__(
        self, part: str, run: Path, *overrides: str, kill_at: int | None = None, **request: Any
    ) -> Best | None:
        """Train ``part`` into ``run``; up to the end of step ``kill_at``, where it is killed."""
        if kill_at is None:
            return train_part(part, self.request(run, *overrides, **request))
        with after_step(kill_at, kill), pytest.raises(KilledError):
            train_part(part, self.request(run, *overrides, **request))
        return None


@pytest.fixture(scope="session")
def train_tiny(data_folder: Path, tiny_config: Callable[..., TrainConfig]) -> Trainer:
    return Trainer(data_folder, tiny_config)


@pytest.fixture(scope="session")
def tokenizer_run(tmp_path_factory: pytest.TempPathFactory, train_tiny: Trainer) -> Path:
    run = tmp_path_factory.mktemp("tokenizer")
    train_tiny("rvq", run)
    return run


@pytest.fixture
def new_run(tmp_path: Path, tokenizer_run: Path) -> Callable[[str], Path]:
    """Makes runs that have a tokenizer already."""

    def make(name: str) -> Path:
        return Path(shutil.copytree(tokenizer_run, tmp_path / name))

    return make


def assert_same_training(one: Path, other: Path) -> None:
    """Bit for bit: weights, optimiser, random states, log (speed aside)."""
    for name in ("best", "last", "state"):
        ours, theirs = (load_file(folder / f"{name}{SUFFIX}") for folder in (one, other))
        assert ours.keys() == theirs.keys()
        assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    logs = [read_log(folder / "log.jsonl") for folder in (one, other)]
    for line in (*logs[0], *logs[1]):
        for speed in ("samples_per_second", "data_wait"):
            line.pop(speed, None)
    assert logs[0] == logs[1]


@pytest.fixture(scope="session")
def same_training() -> Callable[[Path, Path], None]:
    return assert_same_training
