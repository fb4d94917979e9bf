"""How long the paper's whole schedule takes on a training set of ViMo's size, from data to three trained parts.

python -m benchmarks.paper_schedule --precision bfloat16 --compile --out benchmarks/results/schedule-h100.json

Tokenizer 10 epochs, both transformers 200 epochs, with every validation and checkpoint of the ``paper`` preset; 2,800
pairs of random content. What is compiled is compiled in a short run before, whose time is told apart.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.train import PARTS, environment_of
from benchmarks.vimo_like import PAIRS, write_vimo_like
from hero_core.choices import EVALUATOR
from hero_core.training_set import TrainingSet
from trainer.config import load_train_config
from trainer.folder import PartFolder
from trainer.log import read_log
from trainer.request import Request
from trainer.runs import encode_motions, train_part

FEW_STEPS = 20


def main() -> None:
    """Train, and print the seconds of each part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--precision", default="float32", help="float32, tf32 or bfloat16")
    parser.add_argument("--compile", action="store_true", help="compile the transformers")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of the training set")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the settings")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    device = torch.device(options.device)
    settings = [f"{name}.training.precision={options.precision}" for name in PARTS]
    settings += [f"{name}.training.compile={str(options.compile).lower()}" for name in PARTS if name != "rvq"]
    with tempfile.TemporaryDirectory() as folder:
        data = TrainingSet(write_vimo_like(Path(folder) / "data", options.pairs))
        short = [f"{name}.training.steps={FEW_STEPS}" for name in (*PARTS, EVALUATOR)]
        before = _seconds(data, Path(folder) / "before", device, [*settings, *short])
        enough = f"{EVALUATOR}.training.steps={FEW_STEPS}"  # the paper takes its evaluator ready-made
        seconds = _seconds(data, Path(folder) / "run", device, [*settings, enough, *options.set])
        metrics = {name: _last_loss(Path(folder) / "run", name) for name in PARTS}
    results: dict[str, Any] = {
        "environment": {
            **environment_of(device),
            "precision": options.precision,
            "compiled": options.compile,
        },
        "pairs": options.pairs,
        "settings": options.set,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "seconds_of_all": round(sum(seconds.values()), 1),
        "seconds_of_the_short_run_before": round(sum(before.values()), 1),
        "last_training_loss": metrics,
    }
    print(json.dumps(results, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _seconds(data: TrainingSet, run: Path, device: torch.device, settings: list[str]) -> dict[str, float]:
    """Of each part, and of the codes between them."""
    config = load_train_config("hero", "paper", None, settings)
    request = Request(data, run, config, device, {"preset": "paper"})
    train_part(EVALUATOR, request)
    seconds = {}
    for name in PARTS:
        if name == "masked":
            began = time.perf_counter()
            encode_motions(name, request)
            seconds["codes"] = time.perf_counter() - began
        began = time.perf_counter()
        train_part(name, request)
        seconds[name] = time.perf_counter() - began
        print(name, f"{seconds[name]:.1f} s", flush=True)
    return seconds


def _last_loss(run: Path, name: str) -> float:
    lines = [line for line in read_log(PartFolder(run, name).log) if line["phase"] == "train"]
    return float(lines[-1]["total"])


if __name__ == "__main__":
    main()
