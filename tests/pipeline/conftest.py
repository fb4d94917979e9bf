"""A small source of real files, and an encoder that takes no time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hero_core.models.tc_clip.tower import TcClipConfig
from hero_core.motion.skeleton import TARGET_OFFSETS, forward_kinematics
from pipeline.config import ExtractConfig
from pipeline.decode.video import write_mp4
from pipeline.encoders import Encoder, random_tc_clip
from pipeline.engines.local import ItemLimits

TINY = TcClipConfig(
    image_size=32, patch_size=8, width=32, layers=2, heads=2, out_dim=24, context_tokens=8, merge_rate=16
)
EXTRACT = ExtractConfig(workers=1)


@pytest.fixture(scope="session")
def tiny_encoder() -> Encoder:
    """TC-CLIP of a few thousand random weights."""
    return random_tc_clip(5, torch.device("cpu"), torch.float32, TINY)


def make_video(path: Path, seed: int, frames: int = 24, fps: int = 12) -> None:
    """A short video of moving noise."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mp4(path, (np.roll(picture, 2 * index, axis=1) for index in range(frames)), fps)


def standing_motion(frames: int, seed: int) -> np.ndarray:
    """A person who sways a little: (frames, 22, 3) metres."""
    rng = np.random.default_rng(seed)
    identity = np.zeros((frames, 22, 4))
    identity[..., 0] = 1
    root = np.array([0, 0.95, 0]) + 0.05 * np.sin(np.linspace(0, rng.uniform(2, 6), frames))[:, None]
    return np.asarray(forward_kinematics(identity, root, TARGET_OFFSETS), np.float32)


def save_motion(path: Path, joints: np.ndarray) -> None:
    """Write joints as .npy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, joints)


def make_source(root: Path, videos: int = 20, motions_per_video: int = 1, rows: str = "") -> Path:
    """A pair table with ``videos`` over two subcategories, each with its own motions; ``rows`` are added."""
    lines = ["video,motion,broad,subcategory,truth_reaction,truth_side,truth_onset_seconds"]
    for index in range(videos):
        make_video(root / "videos" / f"{index:02d}.mp4", index, frames=8)
        for variant in range(motions_per_video):
            name = f"motions/{index:02d}_{variant}.npy"
            save_motion(root / name, standing_motion(30 + index, 100 * variant + index))
            lines.append(f"videos/{index:02d}.mp4,{name},human-human,{'ab'[index % 2]},wave,left,0.5")
    (root / "pairs.csv").write_text("\n".join(lines) + "\n" + rows)
    return root


def make_release(root: Path, videos: int = 20) -> Path:
    """A folder as the ViMo release is: lists of pairs, a quarter of them for the test, of subcategories a and b."""
    lines = []
    for index in range(videos):
        video, motion = f"videos/human-human/{'ab'[index % 2]}/{index:02d}.mp4", f"vector_263/{index:02d}.npy"
        make_video(root / video, index, frames=8)
        save_motion(root / motion, standing_motion(30 + index, index))
        lines.append(f"{video} {motion}\n")
    tested = videos // 4
    (root / "train.txt").write_text("".join(lines[:-tested]))
    (root / "test.txt").write_text("".join(lines[-tested:]))
    return root


@pytest.fixture
def video_folder(tmp_path: Path) -> Callable[[int], Path]:
    """Makes ``broad/subcategory/*.mp4`` with so many videos, over two subcategories."""

    def make(count: int) -> Path:
        root = tmp_path / "source"
        for index in range(count):
            subcategory = ("wave", "push")[index % 2]
            make_video(root / "human-human" / subcategory / f"clip_{index:02d}.mp4", index)
        return root

    return make


@pytest.fixture
def no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extract without one, as where the system has none."""

    def limits(seconds: float, mebibytes: int, seconds_of: Callable[[Any], float], **_: Any) -> ItemLimits:
        return ItemLimits(seconds, mebibytes, seconds_of)

    monkeypatch.setattr("pipeline.making.ItemLimits", limits)
