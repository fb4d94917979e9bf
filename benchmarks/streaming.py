"""How much memory reading takes, of a training set of ViMo's size and of one ten times as large.

    python -m benchmarks.streaming FOLDER [--pairs 2800] [--times 10] [--buffer 700] [--format tar] [--ways streaming]

Writes both sets into FOLDER, where they are not there yet, and reads one epoch of each in every way, in a process of
its own: pairs of a video and a motion, and windows. Of files that are mapped, those pages count that are in memory,
which the operating system would let go of.
"""

import argparse
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

from benchmarks.vimo_like import PAIRS, write_vimo_like
from hero_core.choices import SHARD_FORMATS
from hero_core.training_set import DATASET_FILE, TrainingSet
from trainer.config import load_train_config
from trainer.data.batches import Batches, batches_of

WAYS = ("resident", "mapped", "streaming")
PARTS = {"evaluator": "pairs", "rvq": "windows"}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--buffer", type=int, default=PAIRS // 4)
    parser.add_argument("--format", choices=SHARD_FORMATS, default="tar")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument(
        "--read", nargs=2, metavar=("PART", "WAY"), help="read FOLDER itself, in this process"
    )
    given = parser.parse_args()
    if given.read:
        _read(given.folder, *given.read, given.buffer)
        return
    print("set  way        of       index MB  peak MB  samples/s  reading")
    for part in PARTS:
        for way in given.ways:
            for times in (1, given.times):
                pairs = given.pairs * times
                folder = given.folder / f"{pairs}-{given.format}"
                if not (folder / DATASET_FILE).is_file():
                    write_vimo_like(folder, pairs, given.format)
                command = [sys.executable, "-m", "benchmarks.streaming", str(folder)]
                options = ["--read", part, way, "--buffer", str(given.buffer)]
                done = subprocess.run([*command, *options], check=True, capture_output=True, text=True)
                print(f"{times:2d}x  {way:9}  {PARTS[part]:7} {done.stdout.rstrip()}", flush=True)


def _read(folder: Path, part: str, way: str, buffer: int) -> None:
    """Print what one epoch takes."""
    config = load_train_config(overrides=[f"reading={way}", f"shuffle_buffer={buffer}"])
    batches: Batches = batches_of(part, PARTS[part], TrainingSet(folder), config)
    index = _peak_megabytes()
    began, samples = time.perf_counter(), 0
    for batch in islice(batches.train(0), batches.order.steps_per_epoch):
        samples += len(batch.keys)
    speed = samples / (time.perf_counter() - began)
    print(f"{index:9.0f} {_peak_megabytes():8.0f} {speed:10.0f}  {batches.reading}")


def _peak_megabytes() -> float:
    """Of this process, since it began."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
