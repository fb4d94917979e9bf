"""What the bookkeeping of a million clips takes: seconds and memory of planning, resuming, ending and verifying.

    python -m benchmarks.million FOLDER [--clips 1000000] [--clips-per-shard 64]

Lists so many clips, all of which are one small file, and runs ``extract`` over them up to where the first is read. The
manifest of what would have been done is made up, without shards. Every step is a process of its own, whose seconds are
printed, by the clock and those it computed (with the imports; the two differ where other work shares the machine, or
where it waits for the disk), and its peak memory, with torch and the list of the source in it.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import torch

from hero_core.cache import OK, QUARANTINED, Cache, Row, record_key
from hero_core.models.tc_clip.tower import TcClipConfig
from pipeline.config import ExtractConfig
from pipeline.encoders import Encoder, random_tc_clip
from pipeline.engines.work import Finished, Work
from pipeline.extract import extract
from pipeline.plan import PlannedShard, read_plan
from pipeline.report import ExtractReport
from pipeline.sources import Source, SourceVideo
from pipeline.sources.description import DatasetDescription
from pipeline.verify import verify_manifest

QUARANTINED_EVERY = 100
"""One clip in so many is in quarantine."""

PROVENANCE = (
    '{"device": "cpu", "libraries": {"torch": "2.8.0"}, "statement": "made up", "weights_file": null}'
)


class Begun(BaseException):
    """The first clip would be read now; no error."""


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--clips-per-shard", type=int, default=64)
    parser.add_argument("--step", choices=STEPS, help="do only this one, in this process")
    options = parser.parse_args()
    if options.step:
        started = time.monotonic()
        said = STEPS[options.step](options.folder, options.clips, options.clips_per_shard)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds = f"{time.monotonic() - started:7.1f} s {time.process_time():7.1f} s"
        print(f"{options.step:8}{seconds} {peak_mb:6.0f} MB  {said}", flush=True)
        return
    print("step     seconds computing  peak memory", flush=True)
    for step in STEPS:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.million", *sys.argv[1:], "--step", step], check=True
        )


def listed(folder: Path, clips: int) -> Source:
    """A source of so many clips, sorted by key."""
    file = folder.with_name(f"{folder.name}.clip")
    if not file.exists():
        file.write_bytes(b"no video")
    videos = tuple(
        SourceVideo(
            f"videos__batch-{clip // 10_000:03d}__clip-{clip:07d}-mp4",
            file,
            f"videos/batch_{clip // 10_000:03d}/clip_{clip:07d}.mp4",
            "human-human",
            "made-up",
            f"videos/batch_{clip // 10_000:03d}/clip_{clip:07d}.mp4",
        )
        for clip in range(clips)
    )
    description = DatasetDescription(name="made up", statement="made up")
    return Source(file, (folder,), "video folder", description, videos, (), ())


def encoder() -> Encoder:
    """One that takes no time."""
    tiny = TcClipConfig(
        image_size=32, patch_size=8, width=32, layers=2, heads=2, out_dim=24, context_tokens=8
    )
    return random_tc_clip(0, torch.device("cpu"), torch.float32, tiny)


def stopped(work: Work) -> Generator[Finished, None, None]:
    """An engine that ends the run instead of reading a clip."""
    raise Begun
    yield


def extracted(folder: Path, clips: int, clips_per_shard: int) -> ExtractReport | None:
    """What an extraction says when it ends, or None where it has something to read."""
    config = ExtractConfig(clips_per_shard=clips_per_shard, workers=1)
    try:
        return extract(listed(folder, clips), folder, encoder(), config, engine=stopped)
    except Begun:
        return None


def plan(folder: Path, clips: int, clips_per_shard: int) -> str:
    """Everything that comes before the first clip is read."""
    assert extracted(folder, clips, clips_per_shard) is None
    shards = read_plan(Cache.open(folder))["features"]
    size_mb = Cache.open(folder).plan_path.stat().st_size / 1e6
    return (
        f"{sum(len(shard.keys) for shard in shards)} clips in {len(shards)} shards planned, {size_mb:.1f} MB"
    )


def half(folder: Path, clips: int, clips_per_shard: int) -> str:
    """Rows of the first half of the shards."""
    cache = Cache.open(folder)
    shards = read_plan(cache)["features"]
    return _write(cache, shards[: len(shards) // 2], listed(folder, clips).videos)


def resume(folder: Path, clips: int, clips_per_shard: int) -> str:
    """Everything that comes before a run that was killed halfway goes on."""
    assert extracted(folder, clips, clips_per_shard) is None
    return "up to the first clip of the other half"


def rest(folder: Path, clips: int, clips_per_shard: int) -> str:
    """Rows of the other half."""
    cache = Cache.open(folder)
    shards = read_plan(cache)["features"]
    return _write(cache, shards[len(shards) // 2 :], listed(folder, clips).videos)


def again(folder: Path, clips: int, clips_per_shard: int) -> str:
    """A run that finds nothing to do, from its start to its end."""
    done = extracted(folder, clips, clips_per_shard)
    assert done is not None
    return f"{done.kept} of {done.inputs} kept, {done.kept_quarantined} in quarantine"


def verify(folder: Path, clips: int, clips_per_shard: int) -> str:
    """The seals, the rows and the list of what is not ok."""
    found = verify_manifest(Cache.open(folder))
    rows = sum(map(len, found.newest.values()))
    return f"{rows} rows, {len(found.shards)} shards named, {len(found.problems)} problems"


def _write(cache: Cache, shards: Sequence[PlannedShard], videos: Sequence[SourceVideo]) -> str:
    by_key = {video.key: (clip, video) for clip, video in enumerate(videos)}
    made_by = str(cache.identity and cache.identity.id)
    for shard in shards:
        rows = _rows(shard.number, [by_key[key] for key in shard.keys], made_by)
        cache.write_part("features", shard.number, list(rows))
    return f"{len(shards)} parts written, each flushed to disk"


def _rows(number: int, clips: Sequence[tuple[int, SourceVideo]], made_by: str) -> Iterator[Row]:
    shard_sha256 = sha256(str(number).encode()).hexdigest()
    for clip, video in clips:
        content = sha256(f"clip {clip}".encode()).hexdigest()
        found = video.path.stat()
        row: Row = {
            "key": video.key,
            "kind": "features",
            "path": video.relative,
            "status": OK,
            "warnings": [],
            "sha256": content,
            "bytes": found.st_size,
            "modified_ns": found.st_mtime_ns,
            "made_by": made_by,
        }
        if clip % QUARANTINED_EVERY == 0:
            yield row | {"status": QUARANTINED, "stage": "decode", "reason": "no frames could be decoded"}
            continue
        yield row | {
            "provenance": PROVENANCE,
            "record": record_key(content, made_by),
            "shard": f"features-{number:05d}.tar",
            "shard_sha256": shard_sha256,
            "frames": 100,
            "fps": 25.0,
        }


STEPS = {"plan": plan, "half": half, "resume": resume, "rest": rest, "again": again, "verify": verify}


if __name__ == "__main__":
    main()
