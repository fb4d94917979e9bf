"""How long a whole extraction takes, beside its decoding alone and its encoding alone, and what would saturate first.

    python -m benchmarks.extract --out benchmarks/results/extract-cpu.json

On clips of MiniViMo, written here, and on the videos of HERO_REALDATA_DIR where that is set: ``extract`` as its command
runs it, with one worker that decodes and with two; the same clips only decoded, by as many workers; and as many clips
only encoded. They take turns, and the least time of each counts, because other work on the machine can only add to it.
Where it adds much (``load`` over the number of cores), look at the computing seconds, of this process and its workers.

The model: a clip takes ``decode`` seconds of a worker, and ``encode + write`` seconds of the one process that encodes
and writes; they run side by side as far as there are workers and cores. It is given the computing seconds of the parts,
not of the whole, so that the whole can contradict it.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.train import environment_of
from pipeline.choices import EncoderName
from pipeline.config import ExtractConfig
from pipeline.encoders import Encoder, load_encoder
from pipeline.engines.local import ItemLimits
from pipeline.engines.work import Recipe, outcomes
from pipeline.extract import extract
from pipeline.minivimo import write_minivimo
from pipeline.recipes import identity_of, recipes_of
from pipeline.selection import select
from pipeline.sources import Source, open_source

CLIPS: dict[EncoderName, int] = {"mini": 60, "tc-clip-random": 3}
"""At most, of each set: the full tower takes seconds for one on a CPU."""

WORKERS = (1, 2)
PREDICTED_WORKERS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, and those that processors computed."""

    clock: float
    computing: float

    def least(self, other: "Took") -> "Took":
        """The smaller of each."""
        return Took(min(self.clock, other.clock), min(self.computing, other.computing))


@dataclass(frozen=True)
class Rates:
    """Seconds that one clip takes.

    Attributes:
        decode: of a worker process.
        encode: of the encoder.
        write: of the process that encodes, for all else it does.
    """

    decode: float
    encode: float
    write: float

    @property
    def main(self) -> float:
        """Of the process that encodes and writes."""
        return self.encode + self.write

    def seconds(self, workers: int, cores: int) -> float:
        """Of a clip among many: what is slowest, the workers, the process that encodes, or all cores together."""
        return max(self.decode / workers, self.main, (self.decode + self.main) / cores)

    def bottleneck(self, workers: int, cores: int) -> str:
        """Which of them that is."""
        bounds = {
            "workers": self.decode / workers,
            "encoding": self.main,
            "cores": (self.decode + self.main) / cores,
        }
        return max(bounds, key=lambda name: bounds[name])

    @property
    def enough_workers(self) -> float:
        """From so many workers on the process that encodes is never kept waiting, where there are cores for all."""
        return self.decode / self.main


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoders", nargs="+", choices=CLIPS, default=list(CLIPS))
    parser.add_argument("--turns", type=int, default=3, help="of everything, the full tower's one aside")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    environment = environment_of(torch.device("cpu")) | {"load": round(os.getloadavg()[1], 1)}
    results: dict[str, Any] = {"environment": environment, "turns": options.turns}
    with tempfile.TemporaryDirectory() as folder:
        for name, source in sources(Path(folder)).items():
            for encoder in options.encoders:
                turns = options.turns if encoder == "mini" else 1
                results[f"{name}, {encoder}"] = measured(
                    select(source, limit=CLIPS[encoder]), encoder, turns, Path(folder)
                )
                print(json.dumps(results[f"{name}, {encoder}"]), flush=True)
    print(table(results))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def sources(folder: Path) -> dict[str, Source]:
    """Videos only: MiniViMo's, written to ``folder``, and real ones, if there are any."""
    write_minivimo(folder / "minivimo", clips=max(CLIPS.values()), seed=0)
    found = {"MiniViMo": open_source(folder / "minivimo" / "videos")}
    real = Path(os.environ.get("HERO_REALDATA_DIR", "")) / "videos"
    if os.environ.get("HERO_REALDATA_DIR") and real.is_dir():
        found["real videos"] = open_source(real)
    return found


def measured(source: Source, name: EncoderName, turns: int, folder: Path) -> dict[str, Any]:
    """The least seconds of each way over all clips of a source, what the model makes of the parts, and the ratio."""
    encoder = load_encoder(name, None, torch.device("cpu"))
    config = ExtractConfig(workers=1)
    recipe = recipes_of(source, encoder, identity_of(source, encoder, config), config)[0]
    one = replace(recipe, inputs=recipe.inputs[:1])
    busy: dict[str, dict[str, float]] = {}

    def whole(workers: int) -> None:
        shutil.rmtree(folder / "out", ignore_errors=True)
        state = extract(source, folder / "out", encoder, config.model_copy(update={"workers": workers}))
        busy[str(workers)] = {stage: round(seconds, 3) for stage, seconds in state.seconds.items()}

    ways: dict[str, Callable[[], None]] = {"start": lambda: decode(one, config, 1)}
    ways |= {
        f"decode {workers}": lambda workers=workers: decode(recipe, config, workers) for workers in WORKERS
    }
    ways |= {"encode": lambda: encode(encoder, len(recipe.inputs), config)}
    ways |= {f"whole {workers}": lambda workers=workers: whole(workers) for workers in WORKERS}
    took = least(ways, turns)
    clips, cores = len(recipe.inputs), len(os.sched_getaffinity(0))
    write = busy["1"]["writing"]
    rates = Rates(
        decode=(took["decode 1"].computing - took["start"].computing) / max(clips - 1, 1),
        encode=took["encode"].computing / clips,
        write=write / clips,
    )
    start = max(took["start"].computing - rates.decode, 0)
    return report(rates, start, took, busy, clips, cores)


def report(
    rates: Rates,
    start: float,
    took: dict[str, Took],
    busy: dict[str, dict[str, float]],
    clips: int,
    cores: int,
) -> dict[str, Any]:
    """What the parts make of the whole: by the larger of them, by the model, and with more workers and cores."""
    rows: dict[str, Any] = {}
    for workers in WORKERS:
        decode, encode, whole = took[f"decode {workers}"], took["encode"], took[f"whole {workers}"]
        predicted = start + clips * rates.seconds(workers, cores)
        rows[str(workers)] = {
            "over_the_larger_part": round(whole.clock / max(decode.clock, encode.clock), 3),
            "computing_over_the_parts": round(whole.computing / (decode.computing + encode.computing), 3),
            "predicted_seconds": round(predicted, 3),
            "over_predicted": round(whole.clock / predicted, 3),
            "busy_seconds": busy[str(workers)],
        }
    return {
        "clips": clips,
        "seconds": {way: round(each.clock, 3) for way, each in took.items()},
        "computing_seconds": {way: round(each.computing, 3) for way, each in took.items()},
        "start_seconds": round(start, 3),
        "seconds_of_a_clip": {name: round(value, 5) for name, value in asdict(rates).items()},
        "workers": rows,
        "speedup_of_2_workers": round(took["whole 1"].clock / took["whole 2"].clock, 3),
        "enough_workers": round(rates.enough_workers, 2),
        "predicted_clips_per_second": {
            str(workers): {
                "clips_per_second": round(1 / rates.seconds(workers, workers + 1), 2),
                "saturated": rates.bottleneck(workers, workers + 1),
            }
            for workers in PREDICTED_WORKERS
        },
        "clips_per_second_that_one_process_writes": round(1 / max(rates.write, 1e-9), 1),
    }


def decode(recipe: Recipe, config: ExtractConfig, workers: int) -> None:
    """Decode all clips and throw them away."""
    limits = ItemLimits(config.kill_seconds, config.worker_mebibytes)
    with closing(outcomes(recipe.read, recipe.stage, recipe.inputs, workers, limits)) as read:
        for _ in read:
            pass


def encode(encoder: Encoder, clips: int, config: ExtractConfig) -> None:
    """Encode as many clips of noise: what frames show does not decide how long they take."""
    shape = (config.batch_clips, encoder.frames, encoder.image_size, encoder.image_size, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)  # (b, t, h, w, 3)
    for _ in range(-(-clips // config.batch_clips)):
        encoder.encode(pictures)


def least(ways: dict[str, Callable[[], None]], turns: int) -> dict[str, Took]:
    """The least of each, by turns."""
    found: dict[str, Took] = {}
    for _ in range(turns):
        for name, way in ways.items():
            began, computed = time.perf_counter(), computing_seconds()
            way()
            took = Took(time.perf_counter() - began, computing_seconds() - computed)
            found[name] = took.least(found.get(name, took))
    return found


def computing_seconds() -> float:
    """Of this process, of its children, and of theirs that have ended, as Linux counts them."""
    time.sleep(0.05)  # for the process that started workers to notice that they have ended
    ticks = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # utime, stime, and of its children that have ended
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    columns = (
        "clips",
        "decode alone, s",
        "encode alone, s",
        "whole, s",
        "over the larger",
        "computing over both",
    )
    lines = ["| set, encoder, workers | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in results.items():
        for workers, of_workers in row["workers"].items() if "," in name else ():
            seconds = row["seconds"]
            cells = (
                row["clips"],
                seconds[f"decode {workers}"],
                seconds["encode"],
                seconds[f"whole {workers}"],
            )
            ratios = (of_workers["over_the_larger_part"], of_workers["computing_over_the_parts"])
            lines.append(f"| {name}, {workers} | " + " | ".join(map(str, (*cells, *ratios))) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
