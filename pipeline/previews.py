"""Small copies of a source's videos that every browser plays, for pages that show many of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hero_core.errors import HeroError
from hero_core.progress import Progress, silent
from hero_core.storage import write_bytes
from hero_core.view.played import preview_name
from pipeline.browser_video import VideoLimits, browser_video
from pipeline.choices import WORKER_MEBIBYTES
from pipeline.decode.video import decode_clip
from pipeline.engines.local import Broken, ItemLimits, ordered_map
from pipeline.sources import SourceVideo

LONGER_SIDE, FPS, CRF = 240, 20, 32
_LIMITS = ItemLimits(seconds=300, mebibytes=WORKER_MEBIBYTES)


@dataclass(frozen=True)
class Previews:
    """What became of the videos.

    Attributes:
        made: how many copies were written.
        kept: how many were there already, and newer than their video.
        left_out: why the others have none, by path.
    """

    made: int
    kept: int
    left_out: Mapping[str, str]


def write_previews(
    videos: Sequence[SourceVideo],
    out: Path,
    longer_side: int = LONGER_SIDE,
    workers: int = 1,
    report: Progress = silent,
) -> Previews:
    """Write a copy of every video to ``out``, under its own path, where the pages of a data set look for it.

    Args:
        videos: of a source; each is read in a process that may be killed over it.
        out: folder.
        longer_side: of the copies, in pixels, at most.
        workers: processes.
        report: told how many are done.

    Raises:
        OutputError: ``out`` cannot be written to.
    """
    left = [video for video in videos if not _is_newer(out / preview_name(video.relative), video.path)]
    limits = VideoLimits(fps=FPS, longer_sides=(longer_side,), crf=CRF)
    reasons: dict[str, str] = {}
    copies = ordered_map(partial(_copy, limits), [video.path for video in left], workers, _LIMITS)
    for number, (video, copy) in enumerate(zip(left, copies, strict=True), start=1):
        if isinstance(copy, Broken):
            reasons[video.relative] = copy.reason
        elif isinstance(copy, str):
            reasons[video.relative] = copy
        else:
            path = out / preview_name(video.relative)
            write_bytes(path, copy)
        report(number, len(left), f"{len(reasons)} left out")
    return Previews(len(left) - len(reasons), len(videos) - len(left), reasons)


def _is_newer(preview: Path, video: Path) -> bool:
    try:
        return preview.stat().st_mtime_ns >= video.stat().st_mtime_ns
    except OSError:  # either is not there; who reads the video says why
        return False


def _copy(limits: VideoLimits, path: Path) -> bytes | str:
    """The copy's bytes, or why there is none."""
    try:
        made = browser_video(path, decode_clip(path, size=8, samples=1), limits)
    except HeroError as error:
        return str(error).removeprefix(f"{path}: ")
    if made is None:
        return f"larger than {limits.file_bytes:,} bytes at {limits.longer_sides[-1]} pixels"
    return made.data
