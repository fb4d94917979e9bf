"""MiniViMo on disk: videos, motions and the table that pairs them, the same bytes for the same seed."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from hero_core.errors import InputError
from hero_core.files import atomic_path, remove_partial_files, write_text
from pipeline.decode import write_mp4
from pipeline.minivimo.choreography import FPS
from pipeline.minivimo.interactions import BROAD_CATEGORIES
from pipeline.minivimo.motions import make_motion
from pipeline.minivimo.plan import ClipPlan, sample_clip
from pipeline.minivimo.render import render_frames

PAIRS_FILE, DATASET_FILE = "pairs.csv", "dataset.toml"
UNSEEN_SUBCATEGORIES = ("high_five", "bird_swoops", "ball_rolls")

_COLUMNS = (
    "video",
    "motion",
    "broad",
    "subcategory",
    "motion_fps",
    "truth_reaction",
    "truth_side",
    "truth_onset_seconds",
)
_DATASET_TOML = f"""\
name = "MiniViMo"
statement = "MiniViMo: procedural, rendered stand-in made by this project; it is not ViMo and holds no real people."
licences = ["made by this project; the project's own licence"]
broad = {json.dumps(BROAD_CATEGORIES)}
unseen_subcategories = {json.dumps(UNSEEN_SUBCATEGORIES)}
motion_fps = {float(FPS)}
"""

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class MiniVimoSummary:
    """What was written."""

    clips: int
    pairs: int
    video_seconds: float


def write_minivimo(
    out: Path,
    clips: int = 240,
    seed: int = 0,
    motions_per_clip: int = 4,
    workers: int | None = None,
    report: Report | None = None,
) -> MiniVimoSummary:
    """Writes `out`/videos/BROAD/SUBCATEGORY/*.mp4, `out`/motions/*.npy, `out`/pairs.csv and `out`/dataset.toml.

    Each motion is (n, 22, 3) float32 joints at 20 fps, as long as its clip. pairs.csv holds the known right answer of
    every pair and comes last, so a folder without it is unfinished; run again to finish it. What clip `index` is
    depends on (seed, index) alone. `workers` processes (None: one a core) call `report(done, clips)` in between.

    Raises:
        InputError: a count below 1, or `out` holds something else than an earlier MiniViMo.
    """
    if clips < 1 or motions_per_clip < 1:
        raise InputError(
            f"MiniViMo needs at least one clip and one motion a clip, got {clips} and {motions_per_clip}"
        )
    _claim(out)
    write_one = partial(_write_clip, out, seed, motions_per_clip)
    for done, _ in enumerate(_mapped(write_one, clips, workers), start=1):
        if report is not None:
            report(done, clips)
    plans = [sample_clip(seed, index) for index in range(clips)]
    _remove_leftovers(out, plans, motions_per_clip)
    write_text(out / PAIRS_FILE, _pairs_table(plans, motions_per_clip))
    return MiniVimoSummary(
        clips=clips,
        pairs=clips * motions_per_clip,
        video_seconds=sum(plan.duration_seconds for plan in plans),
    )


def video_path(plan: ClipPlan) -> Path:
    """Where a clip's video is, inside the data set."""
    kind = plan.interaction
    return Path("videos", kind.broad, kind.name, f"clip_{plan.index:05d}.mp4")


def motion_path(plan: ClipPlan, variant: int) -> Path:
    """Where one of a clip's motions is, inside the data set."""
    return Path("motions", f"clip_{plan.index:05d}_{variant}.npy")


def _claim(out: Path) -> None:
    """Takes an empty folder, or one that an earlier run has marked, and marks it unfinished."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder for MiniViMo")
    mark = out / DATASET_FILE
    ours = mark.is_file() and mark.read_text(encoding="utf-8").startswith('name = "MiniViMo"')
    if out.is_dir() and any(out.iterdir()) and not ours:
        raise InputError(f"{out} is not empty and is not a MiniViMo folder; name a new folder")
    write_text(mark, _DATASET_TOML)
    (out / PAIRS_FILE).unlink(missing_ok=True)


def _write_clip(out: Path, seed: int, motions: int, index: int) -> None:
    plan = sample_clip(seed, index)
    write_mp4(out / video_path(plan), render_frames(plan), plan.fps)
    for variant in range(motions):
        with atomic_path(out / motion_path(plan, variant)) as temporary, temporary.open("wb") as file:
            np.save(file, make_motion(plan, variant), allow_pickle=False)


def _mapped(write_one: Callable[[int], None], clips: int, workers: int | None) -> Iterator[None]:
    """Runs `write_one` for every clip, here or in a pool of processes."""
    count = min(workers or os.cpu_count() or 1, clips)
    if count == 1:
        yield from map(write_one, range(clips))
        return
    with _pool(count) as pool:
        yield from pool.map(write_one, range(clips), chunksize=4)


@contextmanager
def _pool(count: int) -> Iterator[ProcessPoolExecutor]:
    # Spawned, not forked: OpenCV and PyAV may hold threads and locks that a fork would copy half-way.
    pool = ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _remove_leftovers(out: Path, plans: list[ClipPlan], motions: int) -> None:
    """Removes the clips of an earlier run with another seed or more clips, and what a killed run left."""
    wanted = {out / video_path(plan) for plan in plans}
    wanted |= {out / motion_path(plan, variant) for plan in plans for variant in range(motions)}
    found = [*out.glob("videos/*/*/clip_*.mp4"), *out.glob("motions/clip_*.npy")]
    for path in set(found) - wanted:
        path.unlink()
    for folder in {path.parent for path in found}:
        remove_partial_files(folder)
        if not any(folder.iterdir()):
            folder.rmdir()


def _pairs_table(plans: list[ClipPlan], motions: int) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    for plan in plans:
        kind = plan.interaction
        for variant in range(motions):
            files = (video_path(plan).as_posix(), motion_path(plan, variant).as_posix())
            truth = (kind.reaction, plan.side, f"{plan.onset_seconds(variant):.3f}")
            table.writerow((*files, kind.broad, kind.name, FPS, *truth))
    return text.getvalue()
