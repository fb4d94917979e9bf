"""MiniViMo on disk: videos, motions and the table that pairs them, the same bytes for the same seed."""

import json
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from hero_core.errors import InputError
from hero_core.minivimo.interactions import BROAD_CATEGORIES
from hero_core.motion.format import FPS
from hero_core.progress import Progress, silent
from hero_core.storage import remove_partial_files, write_csv, write_npy, write_text
from pipeline.decode.video import write_mp4
from pipeline.engines.local import ordered_map
from pipeline.minivimo.motions import make_motion
from pipeline.minivimo.plan import ClipPlan, sample_clip
from pipeline.minivimo.render import render_frames

PAIRS_FILE, DATASET_FILE = "pairs.csv", "dataset.toml"
UNSEEN_SUBCATEGORIES = ("high_five", "bird_swoops", "ball_rolls")

_CRF = 24  # of the videos; small and good enough, and quick to encode

_TRUTH = ("truth_reaction", "truth_side", "truth_onset_seconds")
_COLUMNS = ("video", "motion", "broad", "subcategory", "motion_fps", *_TRUTH)
_DATASET_TOML = f"""\
name = "MiniViMo"
statement = "MiniViMo: procedural, rendered stand-in made by this project; it is not ViMo and holds no real people."
licences = ["made by this project; the project's own licence"]
broad = {json.dumps(BROAD_CATEGORIES)}
unseen_subcategories = {json.dumps(UNSEEN_SUBCATEGORIES)}
motion_fps = {float(FPS)}
synchronous = true
"""


def write_minivimo(
    out: Path,
    clips: int = 240,
    seed: int = 0,
    motions_per_clip: int = 4,
    workers: int | None = None,
    report: Progress = silent,
) -> None:
    """Write `out`/videos/BROAD/SUBCATEGORY/*.mp4, `out`/motions/*.npy, `out`/pairs.csv and `out`/dataset.toml.

    Each motion is (n, 22, 3) float32 joints at 20 fps, as long as its clip. pairs.csv holds the known right answer of
    every pair and comes last, so a folder without it is unfinished; run again to finish it. What clip `index` is
    depends on (seed, index) alone, whatever the number of processes `workers` (None: one per core).

    Raises:
        InputError: a count below 1, or `out` holds something else than an earlier MiniViMo.
    """
    if clips < 1 or motions_per_clip < 1:
        raise InputError(
            f"MiniViMo needs at least one clip, and one motion for each: got {clips} and {motions_per_clip}"
        )
    _claim(out)
    write_one = partial(_write_clip, out, seed, motions_per_clip)
    for done, _ in enumerate(ordered_map(write_one, range(clips), workers or os.cpu_count() or 1), start=1):
        report(done, clips)
    plans = [sample_clip(seed, index) for index in range(clips)]
    _remove_leftovers(out, plans, motions_per_clip)
    write_csv(out / PAIRS_FILE, _COLUMNS, _rows(plans, motions_per_clip))


def video_path(plan: ClipPlan) -> Path:
    """Where a clip's video is, inside the data set."""
    kind = plan.interaction
    return Path("videos", kind.broad, kind.name, f"clip_{plan.index:05d}.mp4")


def motion_path(plan: ClipPlan, variant: int) -> Path:
    """Where one of a clip's motions is, inside the data set."""
    return Path("motions", f"clip_{plan.index:05d}_{variant}.npy")


def _claim(out: Path) -> None:
    """Take an empty folder, or one that an earlier run has marked, and mark it unfinished."""
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
    write_mp4(out / video_path(plan), render_frames(plan), plan.fps, _CRF, "ultrafast")
    for variant in range(motions):
        write_npy(out / motion_path(plan, variant), make_motion(plan, variant))


def _remove_leftovers(out: Path, plans: Sequence[ClipPlan], motions: int) -> None:
    """Remove the clips of an earlier run with another seed or more clips, and what a killed run left."""
    wanted = {out / video_path(plan) for plan in plans}
    wanted |= {out / motion_path(plan, variant) for plan in plans for variant in range(motions)}
    found = [*out.glob("videos/*/*/clip_*.mp4"), *out.glob("motions/clip_*.npy")]
    for path in set(found) - wanted:
        path.unlink()
    for folder in {path.parent for path in found}:
        remove_partial_files(folder)
        if not any(folder.iterdir()):
            folder.rmdir()


def _rows(plans: Sequence[ClipPlan], motions: int) -> Iterator[dict[str, object]]:
    for plan in plans:
        kind = plan.interaction
        for variant in range(motions):
            truth = plan.truth(variant)
            yield {
                "video": video_path(plan).as_posix(),
                "motion": motion_path(plan, variant).as_posix(),
                "broad": kind.broad,
                "subcategory": kind.name,
                "motion_fps": FPS,
                "truth_reaction": truth.reaction,
                "truth_side": truth.side,
                "truth_onset_seconds": f"{truth.onset_seconds:.3f}",
            }
