"""A small source of real files, and an encoder that takes no time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hero_core.models.tc_clip import TcClipConfig
from pipeline.decode import write_mp4
from pipeline.encoders import Encoder, random_tc_clip

TINY = TcClipConfig(
    image_size=32, patch_size=8, width=32, layers=2, heads=2, out_dim=24, context_tokens=8, merge_rate=16
)


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


@pytest.fixture
def video_folder(tmp_path: Path) -> Callable[[int], Path]:
    """Makes ``broad/subcategory/*.mp4`` with as many videos as asked, over two subcategories."""

    def make(count: int) -> Path:
        root = tmp_path / "source"
        for index in range(count):
            subcategory = ("wave", "push")[index % 2]
            make_video(root / "human-human" / subcategory / f"clip_{index:02d}.mp4", index)
        return root

    return make
