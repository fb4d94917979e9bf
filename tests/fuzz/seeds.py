"""Whole files to damage: small ones of every kind that the project reads, made anew for every run of the tests."""

from pathlib import Path

import av
import numpy as np
from pyarrow import csv, parquet

from hero_core.motion.bvh_writer import write_bvh
from hero_core.motion.humanml3d import joints_to_vectors
from pipeline.config import PairsConfig
from pipeline.encoders import Encoder
from pipeline.extract import extract
from pipeline.pairs import build_pairs
from pipeline.sources import open_source
from tests.hero_core.models.test_checkpoint import save as save_checkpoint
from tests.hero_core.motion.test_smpl import synthetic_model
from tests.pipeline.conftest import EXTRACT, make_source
from tests.pipeline.decode.test_same_frames import RECIPES, write
from tests.pipeline.test_motions import smpl, walk
from tests.trainer.test_state import IDENTITY, fresh, learn

SHARD_FORMATS = ("tar", "h5")


def files_of(folder: Path) -> list[Path]:
    """All files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def write_videos(folder: Path) -> None:
    """mp4, Matroska, WebM, AVI, MPEG streams and GIF, of every codec that this PyAV writes."""
    for name, recipe in RECIPES.items():
        if recipe.encoder in av.codecs_available:
            write(folder / f"{name}{recipe.suffix}", recipe)


def write_motions(folder: Path) -> None:
    """HumanML3D vectors, joints as two types of numbers, BVH, SMPL parameters plain and compressed."""
    joints = walk(60)
    np.save(folder / "vectors.npy", joints_to_vectors(joints))
    np.save(folder / "joints.npy", joints.astype(np.float32))
    np.save(folder / "joints_of_smpl.npy", np.concatenate([joints, joints[:, -2:]], axis=1))
    write_bvh(folder / "motion.bvh", joints, 20)
    plain = smpl(folder, betas=np.zeros(16), mocap_framerate=np.array(20.0))
    with np.load(plain, allow_pickle=False) as arrays:
        np.savez_compressed(folder / "compressed.npz", **arrays)


def write_readable(folder: Path, encoder: Encoder) -> None:
    """What the project writes and reads again, a folder a kind, and tables and a body model as users bring them."""
    source = open_source(make_source(folder / "source", videos=8))
    for suffix in SHARD_FORMATS:
        cache, data = folder / f"cache {suffix}", folder / f"set {suffix}"
        extract(source, cache, encoder, EXTRACT.model_copy(update={"shard_format": suffix}))
        build_pairs(source, cache, data, PairsConfig(shard_format=suffix))
    table = csv.read_csv(folder / "source" / "pairs.csv")
    parquet.write_table(table, folder / "source" / "pairs.parquet")
    save_checkpoint(folder / "checkpoint" / "best.safetensors", value=0.5, width=400)
    state = fresh(0)
    learn(state, 2)
    (folder / "state").mkdir()
    (folder / "state" / "state.safetensors").write_bytes(state.snapshot(IDENTITY).to_bytes())
    (folder / "body").mkdir()
    synthetic_model(folder / "body" / "model.npz")
