"""How long a training step takes at the paper's sizes, beside the usual loop and what the machine could do at best.

python -m benchmarks.train --threads 2 --out benchmarks/results/train-cpu.json
python -m benchmarks.train --device cuda --precision bfloat16 --out benchmarks/results/train-h100.json

On a training set of ViMo's size (2,800 pairs of 24 tokens on average) with random content: ``hero-train`` with the
paper's settings, a plain loop over the same networks (see :mod:`benchmarks.plain_loop`), and the same with the video
encoder in the step. The floor is what the matrix products of a step would take at the rate of one large product,
measured here.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.plain_loop import (
    PlainMasked,
    PlainResidual,
    PlainRvqStep,
    PlainTransformerStep,
    plain_pairs,
    plain_windows,
    with_plain_convolutions,
)
from benchmarks.vimo_like import FEATURE_DIM, PAIRS, SAMPLED_FRAMES, write_vimo_like
from hero_core.device import device_name
from hero_core.models.checkpoint import load_network
from hero_core.models.tc_clip.tower import TcClip, TcClipConfig
from hero_core.training_set import TrainingSet
from hero_core.versions import library_versions
from trainer.arithmetic import matrix_products
from trainer.config import load_train_config
from trainer.folder import PartFolder
from trainer.log import read_log
from trainer.request import Request, part_class
from trainer.runs import ready, train_part
from trainer.state import TrainingState
from trainer.steps import EagerStep, optimizer_of

PARTS = ("rvq", "masked", "residual")
OFFICIAL_SECONDS = {"rvq": 2.4, "masked": 4.2, "residual": 4.7}
"""The official code's step on two CPU cores of another machine, for scale."""
MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}
CLIPS_ENCODED = {"cpu": 1, "cuda": 64}
"""In the measurement of the video encoder, which takes as long for every clip."""


@dataclass(frozen=True)
class Setup:
    """What is measured on.

    Attributes:
        data: of ViMo's size.
        run: where parts are trained.
        device: where to compute.
        precision: of our steps; the plain loop is in float32.
        compile: whether to compile the transformers.
        steps: measured, of each; as many come before.
    """

    data: TrainingSet
    run: Path
    device: torch.device
    precision: str
    compile: bool
    steps: int

    def request(self, name: str) -> Request:
        """What trains a part with the paper's settings, for twice :attr:`steps` steps."""
        settings = {
            "steps": 2 * self.steps,
            "log_every_steps": self.steps,
            "evaluate_every_steps": 10**9,
            "select_by": "loss",
            "precision": self.precision,
            "compile": str(self.compile and name != "rvq").lower(),
        }
        lines = [f"{name}.training.{key}={value}" for key, value in settings.items()]
        config = load_train_config("hero", "paper", None, lines)
        return Request(self.data, self.run, config, self.device, {"preset": "paper"})


def main() -> None:
    """Measure every part and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, help="of torch")
    parser.add_argument("--steps", type=int, default=10, help="measured of each part, after as many others")
    parser.add_argument("--precision", default="float32", help="of our steps: float32, tf32 or bfloat16")
    parser.add_argument("--compile", action="store_true", help="compile the transformers")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of the set; fewer are encoded sooner")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        data = TrainingSet(write_vimo_like(Path(folder) / "data", options.pairs))
        run = Path(folder) / "run"
        setup = Setup(data, run, device, options.precision, options.compile, options.steps)
        results = measured(setup, options.parts)
    print(table(results))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def measured(setup: Setup, parts: tuple[str, ...]) -> dict[str, Any]:
    """All numbers, with the environment that they were measured in."""
    rate = flops_per_second(setup.device)
    encoder = encoder_seconds(setup.device)
    rows = {}
    for name in PARTS:
        if name in parts or name == "rvq":
            rows[name] = part_row(name, setup, rate, encoder)
            print(name, json.dumps(rows[name]), flush=True)
    return {
        "environment": environment(setup),
        "matrix_product_gflops_per_second": round(rate / 1e9, 1),
        "encoder_seconds_per_batch_of_64": round(encoder, 3),
        "parts": rows,
    }


def part_row(name: str, setup: Setup, rate: float, encoder: float) -> dict[str, Any]:
    """Seconds of a step of ours, of the plain loop, with the encoder in it, and at best."""
    request = setup.request(name)
    began = time.perf_counter()
    train_part(name, request)
    wall = time.perf_counter() - began
    batch = request.config.section(name).training.batch_size
    line = [line for line in read_log(PartFolder(setup.run, name).log) if line["phase"] == "train"][-1]
    ours = batch / line["samples_per_second"]
    plain = plain_seconds(name, setup)
    flops = step_flops(name, setup)
    row = {
        "batch": batch,
        "ours_seconds": ours,
        "data_wait": line["data_wait"],
        "plain_seconds": plain,
        "gflop_on_valid_tokens": flops / 1e9,
        "floor_seconds": flops / rate,
        "above_floor": ours / (flops / rate),
        "faster_than_plain": plain / ours,
        "official_seconds": OFFICIAL_SECONDS[name],
        "wall_of_all_steps_seconds": wall,
    }
    if name != "rvq":
        row |= {"online_seconds": plain + encoder, "faster_than_online": (plain + encoder) / ours}
    return {key: round(value, 4) for key, value in row.items()}


def plain_seconds(name: str, setup: Setup) -> float:
    """A step of the plain loop, with reading its batch."""
    training = setup.request(name).config.section(name).training
    samples = setup.data.train().with_video()
    tokenizer = load_network(
        PartFolder(setup.run, "rvq").last, part_class(setup.request(name).config, "rvq")
    )[0]
    if name == "rvq":
        step: Callable[[Any], float] = PlainRvqStep(tokenizer, setup.device)
        batches: Iterator[Any] = plain_windows(samples, training.batch_size, training.window_frames)
    else:
        ours = load_network(PartFolder(setup.run, name).last, part_class(setup.request(name).config, name))[0]
        plain = PlainMasked(ours) if name == "masked" else PlainResidual(ours)
        step = PlainTransformerStep(tokenizer, plain.train(), setup.device)
        batches = plain_pairs(samples, training.batch_size)
    with matrix_products(training):
        for _ in range(2):
            step(next(batches).to(setup.device))
        began = time.perf_counter()
        for _ in range(setup.steps):
            step(next(batches).to(setup.device))
    return (time.perf_counter() - began) / setup.steps


def step_flops(name: str, setup: Setup) -> int:
    """Operations in the matrix products of one of our steps, forwards and backwards."""
    run, _ = ready(name, setup.request(name))
    if name == "rvq":  # the counter does not know the products that ours are made of
        run = replace(run, part=with_plain_convolutions(run.part).to(setup.device))
    rng = torch.Generator(setup.device)
    state = TrainingState(run.part, optimizer_of(run.part, run.training, setup.device), rng, setup.device)
    step = EagerStep(run.part, state, run.training, setup.device, run.part.losses)
    batches = run.batches.train(0)
    step(next(batches))
    with FlopCounterMode(display=False) as counter:
        step(next(batches))
    return int(counter.get_total_flops())


def flops_per_second(device: torch.device) -> float:
    """Of one large float32 matrix product, the best of several."""
    size = MATRIX_SIZE[device.type]
    left, right = torch.randn(2, size, size, device=device)
    best = min(seconds_of(lambda: left @ right, device) for _ in range(8))
    return 2 * size**3 / best


def encoder_seconds(device: torch.device) -> float:
    """The frozen video encoder on a batch of 64 clips whose pictures are there already."""
    clips = CLIPS_ENCODED[device.type]
    config = TcClipConfig()
    tower = TcClip(config).initialise(torch.Generator().manual_seed(0)).eval().to(device)
    video = torch.randn(clips, SAMPLED_FRAMES, 3, config.image_size, config.image_size, device=device)
    with torch.no_grad():
        assert tower(video).shape[-1] == FEATURE_DIM
        return min(seconds_of(lambda: tower(video), device) for _ in range(2)) * 64 / clips


def seconds_of(function: Callable[[], Any], device: torch.device) -> float:
    """How long a call takes, until the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def environment(setup: Setup) -> dict[str, Any]:
    """What the numbers depend on."""
    settings = {"precision": setup.precision, "compiled": setup.compile, "steps": setup.steps}
    return {**environment_of(setup.device), **settings}


def environment_of(device: torch.device) -> dict[str, Any]:
    """The machine and the libraries."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    return {
        "device": device_name(device),
        "processor": processor,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": library_versions(),
    }


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    names = (
        "part",
        "step, s",
        "plain loop, s",
        "with the encoder, s",
        "floor, s",
        "times faster",
        "data wait",
    )
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for name, row in results["parts"].items():
        online = f"{row['online_seconds']:.3g}" if "online_seconds" in row else "-"
        lines.append(
            f"| {name} | {row['ours_seconds']:.3g} | {row['plain_seconds']:.3g} | {online} | "
            f"{row['floor_seconds']:.3g} | {row['faster_than_plain']:.2f} | {row['data_wait']:.1%} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
