"""What the manifest of a million clips takes: seconds and memory of writing, planning, resuming and verifying it.

    python -m benchmarks.million FOLDER [--clips 1000000] [--clips-per-shard 64]

Writes the manifest of a cache into FOLDER, with made-up rows and no shards, and reads it in a process of its own for
each step, whose peak memory it prints.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from hero_core.cache import OK, QUARANTINED, Cache, Row, record_key
from hero_core.fingerprint import EncoderIdentity, FeatureIdentity
from pipeline.verify import verify_manifest

QUARANTINED_EVERY = 100
"""One clip in so many is in quarantine."""

IDENTITY = FeatureIdentity(
    sampling="made up",
    decoding="made up",
    resize="made up",
    normalisation="made up",
    encoder=EncoderIdentity(name="made up", architecture={"out_dim": 512}, weights_sha256="0" * 64),
    dtype="float32",
    storage_dtype="float16",
    batch_clips=8,
)


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
        print(f"{options.step:8} {time.monotonic() - started:6.1f} s {peak_mb:6.0f} MB  {said}", flush=True)
        return
    print("step     seconds  peak memory", flush=True)
    for step in STEPS:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.million", *sys.argv[1:], "--step", step], check=True
        )


def key_of(clip: int) -> str:
    """As an input of a large source is called."""
    return f"videos__batch-{clip // 10_000:03d}__clip-{clip:07d}-mp4"


def write(folder: Path, clips: int, clips_per_shard: int) -> str:
    """The manifest, one part after another."""
    cache = Cache.create_or_resume(folder, IDENTITY, {"name": "made up"})
    parts = -(-clips // clips_per_shard)
    for number in range(parts):
        first = number * clips_per_shard
        cache.write_part("features", number, list(_rows(number, first, min(first + clips_per_shard, clips))))
    cache.write_quarantine()
    return f"{parts} parts written, each flushed to disk"


def _rows(number: int, first: int, end: int) -> Iterator[Row]:
    shard_sha256 = sha256(str(number).encode()).hexdigest()
    for clip in range(first, end):
        content = sha256(f"clip {clip}".encode()).hexdigest()
        row: Row = {
            "key": key_of(clip),
            "kind": "features",
            "path": f"videos/batch_{clip // 10_000:03d}/clip_{clip:07d}.mp4",
            "status": OK,
            "warnings": [],
            "sha256": content,
            "bytes": 200_000 + clip,
            "modified_ns": 1_700_000_000_000_000_000 + clip,
            "made_by": IDENTITY.id,
        }
        if clip % QUARANTINED_EVERY == 0:
            yield row | {"status": QUARANTINED, "stage": "decode", "reason": "no frames could be decoded"}
            continue
        yield row | {
            "provenance": '{"device": "cpu", "libraries": {"torch": "2.8.0"}, "statement": "made up"}',
            "record": record_key(content, IDENTITY.id),
            "shard": f"features-{number:05d}.tar",
            "shard_sha256": shard_sha256,
            "frames": 100,
            "fps": 25.0,
        }


def plan(folder: Path, clips: int, clips_per_shard: int) -> str:
    """Which of twice as many listed inputs have a row."""
    done = Cache.open(folder).newest("features", ("key",))["key"]
    listed = pa.array(key_of(clip) for clip in range(2 * clips))
    waiting = listed.filter(pc.invert(pc.is_in(listed, value_set=done)))
    return f"{len(listed)} inputs listed, {len(waiting)} to do"


def resume(folder: Path, clips: int, clips_per_shard: int) -> str:
    """What decides whether a row settles its file, and which records there are."""
    newest = Cache.open(folder).newest(
        "features", ("key", "status", "bytes", "modified_ns", "made_by", "sha256", "record")
    )
    records = pc.drop_null(pc.unique(newest["record"]))
    return f"{len(newest)} rows, {len(records)} records, {newest.nbytes / 1e6:.0f} MB of columns"


def verify(folder: Path, clips: int, clips_per_shard: int) -> str:
    """The seals, the rows and the list of what is not ok."""
    found = verify_manifest(Cache.open(folder))
    rows = sum(map(len, found.newest.values()))
    return f"{rows} rows, {len(found.shards)} shards named, {len(found.problems)} problems"


STEPS = {"write": write, "plan": plan, "resume": resume, "verify": verify}


if __name__ == "__main__":
    main()
