"""How long a reaction takes at the paper's sizes, from features to motion: for one video, and for 32 at once.

python -m benchmarks.generate --threads 2 --out benchmarks/results/generate-cpu.json

Ten steps with guidance, five residual layers with guidance, then the decoder; random weights, 24 tokens on average.
"""

import argparse
import copy
import json
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.plain_loop import with_plain_convolutions
from benchmarks.train import environment_of, flops_per_second, seconds_of
from benchmarks.vimo_like import DEVIATION_TOKENS, FEATURE_DIM, MEAN_TOKENS, SAMPLED_FRAMES
from hero_core.models.base import VideoFeatures
from hero_core.models.generators.hero.hero import Hero
from hero_core.models.generators.hero.masked import MaskedConfig, MaskedTransformer
from hero_core.models.generators.hero.residual import ResidualConfig, ResidualTransformer
from hero_core.models.sampling import uniform_from
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.format import FPS, FRAMES_PER_TOKEN
from hero_core.records import FeatureRecord
from trainer.reactions import react

BATCHES = (1, 32)
EVALUATED_CLIPS, REPEATS = 700, 20
"""Of the paper's protocol."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, help="of torch")
    parser.add_argument("--precision", choices=("float32", "tf32"), default="float32")
    parser.add_argument("--times", type=int, default=5, help="that each is measured; the median counts")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.set_float32_matmul_precision("high" if options.precision == "tf32" else "highest")
    device = torch.device(options.device)
    generator = paper_sized().to(device).eval()
    rate = flops_per_second(device)
    flops = {batch: reaction_flops(generator, batch) for batch in BATCHES}
    seconds = {batch: reaction_seconds(generator, batch, device, options.times) for batch in BATCHES}
    protocol = protocol_seconds(generator, device)
    results: dict[str, Any] = {
        "environment": {**environment_of(device), "precision": options.precision},
        "matrix_product_gflops_per_second": round(rate / 1e9, 1),
        "gflop_by_batch": {str(batch): round(value / 1e9, 1) for batch, value in flops.items()},
        "floor_seconds_by_batch": {str(batch): round(value / rate, 5) for batch, value in flops.items()},
        "seconds_by_batch": {str(batch): round(value, 5) for batch, value in seconds.items()},
        "seconds_of_20_repeats_on_700_clips": round(protocol, 1),  # from one repeat
    }
    print(json.dumps(results, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def paper_sized() -> Hero:
    """A generator of the paper's sizes, with random weights."""
    torch.manual_seed(0)
    return Hero(
        {
            "rvq": RvqTokenizer(RvqConfig()),
            "masked": MaskedTransformer(MaskedConfig(frame_time="none")),
            "residual": ResidualTransformer(ResidualConfig(frame_time="none")),
        }
    )


def reaction_seconds(generator: Hero, batch: int, device: torch.device, times: int) -> float:
    """Median time of reactions to a batch of videos."""
    condition, lengths, rng = asked_for(batch)
    condition = condition.to(device)
    generate = [
        seconds_of(lambda: generator.generate(condition, lengths, rng), device) for _ in range(times + 2)
    ]
    return statistics.median(generate[2:])


def reaction_flops(generator: Hero, batch: int) -> int:
    """Operations in the matrix products of these reactions, on valid tokens only."""
    condition, lengths, rng = asked_for(batch)
    tokens, uniform = lengths // FRAMES_PER_TOKEN, uniform_from(rng, torch.device("cpu"))
    ours = copy.deepcopy(generator).cpu()
    assert ours.residual is not None
    # the counter does not know the products that our convolutions are made of
    decoder = with_plain_convolutions(ours.tokenizer).network.decoder.model
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        base = ours.masked.generate(condition, tokens, uniform, ours.sampling)
        ours.residual.generate(base, condition, tokens, uniform, ours.sampling)
        decoder(torch.zeros(1, ours.tokenizer.config.code_dim, int(tokens.sum())))
    return int(counter.get_total_flops())


def asked_for(batch: int) -> tuple[VideoFeatures, Tensor, torch.Generator]:
    """Videos, the lengths of the reactions to them in frames, and what decides the rest."""
    rng = torch.Generator().manual_seed(0)
    frames = torch.randn(batch, SAMPLED_FRAMES, FEATURE_DIM, generator=rng)
    lengths = torch.tensor([MEAN_TOKENS * FRAMES_PER_TOKEN]) if batch == 1 else lengths_of(batch, rng)
    shown = torch.linspace(0, 1, SAMPLED_FRAMES) * int(lengths.max()) / FPS
    return VideoFeatures(frames, frames.mean(dim=1), shown.expand(batch, -1)), lengths, rng


def protocol_seconds(generator: Hero, device: torch.device) -> float:
    """How long the protocol takes, from one of its repeats; on a GPU, one that comes after others."""
    rng = torch.Generator().manual_seed(0)
    frames = torch.randn(EVALUATED_CLIPS, SAMPLED_FRAMES, FEATURE_DIM, generator=rng).numpy()
    shown = np.linspace(0, 10, SAMPLED_FRAMES)
    videos = [FeatureRecord.of(each, shown) for each in frames]
    lengths = lengths_of(EVALUATED_CLIPS, rng).tolist()
    repeat = partial(react, generator, videos, lengths, rng, BATCHES[-1], device)
    repeats = 3 if device.type == "cuda" else 1
    return REPEATS * [seconds_of(repeat, device) for _ in range(repeats)][-1]


def lengths_of(count: int, rng: torch.Generator) -> Tensor:
    """Frames of so many reactions, whole tokens."""
    tokens = MEAN_TOKENS + DEVIATION_TOKENS * torch.randn(count, generator=rng)
    return tokens.round().clamp(5, 49).long() * FRAMES_PER_TOKEN


if __name__ == "__main__":
    main()
