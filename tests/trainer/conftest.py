"""A small training-data folder in the form that build-pairs writes."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hero_core.files import sha256_of_file, write_json
from hero_core.manifest import PAIRS, write_table
from hero_core.motion.normaliser import Normaliser
from hero_core.shards import ArrayRecord, open_writer
from trainer.config import TaskName, TrainConfig, load_train_config
from trainer.log import read_log
from trainer.runner import Request, train_task
from trainer.training_state import Best

FEATURE_DIM = 16
LENGTHS = {"train": (40, 47, 24, 60, 22, 3, 33, 52, 41, 28, 36, 45), "val": (30, 44, 26), "test": (31, 45)}
"""Frames of the motions of each split; one training motion is shorter than a token."""

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
    return write_training_data


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_data(tmp_path_factory.mktemp("data"))


def write_training_data(
    folder: Path, lengths: Mapping[str, Sequence[int]] = LENGTHS, shard_format: str = "tar", seed: int = 0
) -> Path:
    """Smooth random motions whose sway follows the clip's features. Pair 1 of each split reuses motion 0."""
    rng = np.random.default_rng(seed)
    rows, training = [], []
    for split, frames in lengths.items():
        shard = f"{split}-00000.{shard_format}"
        motions = [_motion(rng, count) for count in frames]
        with open_writer(folder / "shards" / shard) as writer:
            for index, motion in enumerate(motions):
                shared = 0 if index == 1 else index
                key, motion_key = f"{split}-{index}", f"{split}-motion-{shared}"
                motion = motions[shared]
                writer.write(ArrayRecord(key, _arrays(rng, motion), {"motion_key": motion_key}))
                rows.append(_row(key, motion_key, split, len(motion), shard))
                if split == "train":
                    training.append(motion)
        for row in rows:
            row.setdefault("shard_sha256", sha256_of_file(folder / "shards" / shard))
    write_table(folder / "pairs.parquet", PAIRS, rows)
    Normaliser.from_vectors(training).save(folder)
    description = {"schema": "training-data/1", "name": "tiny", "statement": "random numbers, for tests"}
    write_json(folder / "dataset.json", {**description, "fingerprint": f"tiny-{seed}-{shard_format}"})
    return folder


def _motion(rng: np.random.Generator, frames: int) -> np.ndarray:
    phase, speed = rng.uniform(0, 6, size=263), rng.uniform(0.05, 0.2)
    return np.sin(phase + speed * np.arange(frames)[:, None]).astype(np.float32)


def _arrays(rng: np.random.Generator, motion: np.ndarray) -> dict[str, np.ndarray]:
    frames = (rng.normal(size=(4, FEATURE_DIM)) + motion[0, :FEATURE_DIM]).astype(np.float32)
    seconds = np.arange(4) / 4
    return {"frames": frames, "global": frames.mean(0), "timestamps_seconds": seconds, "motion": motion}


def _row(key: str, motion_key: str, split: str, length: int, shard: str) -> dict[str, object]:
    return {
        "key": key,
        "clip_key": f"clip-{key}",
        "motion_key": motion_key,
        "split": split,
        "broad": "human-human",
        "subcategory": "wave",
        "source_video": f"video-{key}",
        "motion_source": f"{motion_key}.npy",
        "length": length,
        "shard": shard,
        "warnings": [],
    }


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
    "evaluator.model.movement_hidden=8",
    "evaluator.model.movement_dim=8",
    "evaluator.model.motion_hidden=8",
    "evaluator.model.embedding_dim=8",
    *(
        f"{name}.training.{setting}"
        for name in ("rvq", "masked", "residual", "evaluator")
        for setting in (
            "steps=7",
            "batch_size=4",
            "log_every_steps=2",
            "evaluate_every_steps=4",
            "save_every_steps=3",
        )
    ),
)
"""Overrides of the demo preset that train in moments."""


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., TrainConfig]:
    def make(*overrides: str) -> TrainConfig:
        return load_train_config("demo", None, [*TINY, *overrides])

    return make


@pytest.fixture(scope="session")
def tiny_overrides() -> list[str]:
    return [argument for override in TINY for argument in ("--set", override)]


class KilledError(Exception):
    """Stands for a kill: nothing catches it."""


@dataclass(frozen=True)
class Trainer:
    """Trains tiny models on the tiny data."""

    data: Path
    config: Callable[..., TrainConfig]

    def __call__(
        self, task: TaskName, run: Path, *overrides: str, kill_at: int | None = None, **request: Any
    ) -> Best | None:
        """Train ``task`` into ``run``, or up to step ``kill_at``."""

        def report(done: int, total: int, note: str = "") -> None:
            if done == kill_at:
                raise KilledError

        values = {
            "data": self.data,
            "config": self.config(*overrides),
            "origin": {"preset": "tiny"},
            **request,
        }
        return train_task(task, Request(out=run, device=torch.device("cpu"), **values), report)

    def killed_and_resumed(self, task: TaskName, run: Path, kill_at: int) -> None:
        """Train with a kill in between."""
        with pytest.raises(KilledError):
            self(task, run, kill_at=kill_at)
        assert self(task, run, resume=True) is not None


@pytest.fixture(scope="session")
def train_tiny(data_folder: Path, tiny_config: Callable[..., TrainConfig]) -> Trainer:
    return Trainer(data_folder, tiny_config)


@pytest.fixture(scope="session")
def codec_run(tmp_path_factory: pytest.TempPathFactory, train_tiny: Trainer) -> Path:
    run = tmp_path_factory.mktemp("codec")
    train_tiny("rvq", run)
    return run


@pytest.fixture
def new_run(tmp_path: Path, codec_run: Path) -> Callable[[str], Path]:
    """Makes runs that have a tokenizer already."""

    def make(name: str) -> Path:
        shutil.copytree(codec_run / "rvq", tmp_path / name / "rvq")
        return tmp_path / name

    return make


def assert_same_training(one: Path, other: Path) -> None:
    """Bit for bit: weights, optimiser, random states, log (speed aside)."""
    for name in ("best/model", "last/model", "last/training"):
        ours, theirs = (load_file(folder / f"{name}.safetensors") for folder in (one, other))
        assert ours.keys() == theirs.keys()
        assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    logs = [read_log(folder / "log.jsonl") for folder in (one, other)]
    for line in (*logs[0], *logs[1]):
        line.pop("samples_per_second", None)
    assert logs[0] == logs[1]


@pytest.fixture(scope="session")
def same_training() -> Callable[[Path, Path], None]:
    return assert_same_training
