"""What every generator costs: parameters, one training step of each part, one reaction; side by side in one run.

python -m benchmarks.generators --preset paper --threads 2 --out benchmarks/results/generators-cpu.json

Random weights and data, lengths as ViMo's (24 tokens on average). Generators take turns, so that what else the machine
does falls on all of them.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.generate import asked_for, lengths_of
from benchmarks.train import environment_of, flops_per_second, seconds_of
from benchmarks.vimo_like import FEATURE_DIM
from hero_core.models.base import Batch, TrainingFacts, generator_class, generator_names
from hero_core.motion.format import MAX_FRAMES, MOTION_DIM
from hero_core.motion.statistics import MotionStatistics
from trainer.config import TrainConfig, load_train_config
from trainer.preset_files import presets
from trainer.state import TrainingState
from trainer.steps import EagerStep, optimizer_of

Work = Callable[[], object]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--generators", nargs="*", help="otherwise all that have the preset")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, help="of torch")
    parser.add_argument("--times", type=int, default=3, help="that each is measured; the median counts")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    names = options.generators or [name for name in generator_names() if options.preset in presets(name)]
    measured = {name: Costs(name, options.preset, device) for name in names}
    results: dict[str, Any] = {
        "environment": environment_of(device),
        "preset": options.preset,
        "matrix_product_gflops_per_second": round(flops_per_second(device) / 1e9, 1),
        "generators": side_by_side(measured, options.times, device),
    }
    print(table(results["generators"]))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def side_by_side(measured: dict[str, "Costs"], times: int, device: torch.device) -> dict[str, Any]:
    """Median seconds of each work of each generator, one after another in turns, and their sizes."""
    seconds: dict[str, dict[str, list[float]]] = {name: {} for name in measured}
    for turn in range(times + 1):
        for name, costs in measured.items():
            for what, work in costs.works().items():
                took = seconds_of(work, device)
                if turn:  # the first one sets libraries up
                    seconds[name].setdefault(what, []).append(took)
    return {
        name: {
            "parameters_millions": measured[name].parameters,
            "batch_sizes": measured[name].batch_sizes,
            "seconds": {what: round(statistics.median(each), 5) for what, each in of_generator.items()},
        }
        for name, of_generator in seconds.items()
    }


class Costs:
    """One generator of a preset's sizes, and what is timed of it.

    Attributes:
        parameters: of every part, in millions.
        batch_sizes: of every part's training.
    """

    def __init__(self, kind: str, preset: str, device: torch.device) -> None:
        torch.manual_seed(0)
        self._config = load_train_config(kind, preset)
        cls = generator_class(kind)
        self._parts: dict[str, Any] = {}
        for name, part in cls.parts.items():
            earlier = {} if part.encoded_by is None else {part.encoded_by: self._parts[part.encoded_by]}
            built = part.build(self._config.section(name).model, _facts(earlier))
            self._parts[name] = built.to(device)
        self.parameters = {
            name: round(sum(weight.numel() for weight in part.parameters()) / 1e6, 3)
            for name, part in self._parts.items()
        }
        self.batch_sizes = {name: self._config.section(name).training.batch_size for name in self._parts}
        self._generator = cls(self._parts, self._config.sampling).eval()
        self._condition, self._lengths, _ = asked_for(1)
        self._condition = self._condition.to(device)
        self._steps = {name: self._step(name, device) for name in self._parts}

    def works(self) -> dict[str, Work]:
        """A training step of every part, and one reaction, by name."""
        return {
            **{f"step of {name}": step for name, step in self._steps.items()},
            "one reaction": self._react,
        }

    def _react(self) -> object:
        return self._generator.generate(self._condition, self._lengths, torch.Generator().manual_seed(0))

    def _step(self, name: str, device: torch.device) -> Work:
        part, training = self._parts[name], self._config.section(name).training
        batch = _batch(part, self._config, name, self._parts, device)
        rng = torch.Generator(device).manual_seed(0)
        state = TrainingState(part, optimizer_of(part, training, device), rng, device)
        return partial(EagerStep(part, state, training, device, part.losses), batch)


def _facts(earlier: dict[str, Any]) -> TrainingFacts:
    statistics_of_motions = MotionStatistics(
        np.zeros(MOTION_DIM, np.float32), np.ones(MOTION_DIM, np.float32)
    )
    return TrainingFacts(
        statistics_of_motions,
        feature_dim=FEATURE_DIM,
        longest_frames=MAX_FRAMES,
        parts=earlier,
        synchronous=False,
    )


def _batch(part: Any, config: TrainConfig, name: str, parts: dict[str, Any], device: torch.device) -> Batch:
    """Noise of the shapes that the part is trained on."""
    training = config.section(name).training
    rng = torch.Generator().manual_seed(1)
    if part.trained_on == "windows":
        size = training.window_frames
        lengths = torch.full((training.batch_size,), size)
    else:
        size, lengths = MAX_FRAMES, lengths_of(training.batch_size, rng)
    motion = torch.randn(training.batch_size, size, MOTION_DIM, generator=rng)
    motion = motion * (torch.arange(size) < lengths[:, None])[..., None]
    condition = asked_for(training.batch_size)[0] if part.trained_on == "pairs" else None
    encoded: Tensor | None = None
    if part.encoded_by is not None:
        with torch.no_grad():
            encoder = parts[part.encoded_by].eval()
            encoded = encoder.encode(motion.to(device), lengths.to(device)).cpu()
        if encoder.frames_per_code is not None:  # batches are as long as their longest motion
            encoded = encoded[:, : int(lengths.max()) // encoder.frames_per_code]
    keys = tuple(map(str, range(training.batch_size)))
    frames = motion if encoded is None else None
    return Batch(keys, lengths, frames, condition, encoded).to(device)


def table(generators: dict[str, Any]) -> str:
    """As Markdown, a line for each part and each generator."""
    lines = ["| generator | what | millions of parameters | batch | ms |", "|---|---|---|---|---|"]
    for name, values in generators.items():
        for what, seconds in values["seconds"].items():
            part = what.removeprefix("step of ")
            size = values["parameters_millions"].get(part, sum(values["parameters_millions"].values()))
            batch = values["batch_sizes"].get(part, 1)
            lines.append(f"| {name} | {what} | {size:.2f} | {batch} | {1000 * seconds:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
