"""How long the frozen video encoders take for a clip, beside a plain ViT of the same size and what is possible at best.

python -m benchmarks.extract_encode --threads 1 --out benchmarks/results/extract-encode-cpu.json

TC-CLIP's full tower (random weights) and ``mini``, called as ``hero-pipeline extract`` calls them: clips of uint8
frames in, features out. The plain ViT reads the same frames one by one: nothing is merged, no frame sees another. The
floor is what the matrix products of one call would take at the rate of one large product. All are measured by turns,
and the least time of each counts, because other work on the machine can only add to it.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.train import MATRIX_SIZE, environment_of, seconds_of
from hero_core.models.tc_clip.tower import TcClipConfig
from pipeline.choices import EncoderName
from pipeline.config import ExtractConfig
from pipeline.decode.transforms import normalise
from pipeline.encoders import Encoder, load_encoder

ENCODERS: tuple[EncoderName, ...] = ("tc-clip-random", "mini")
CALLS = {"tc-clip-random": 1, "mini": 20}
"""In a round: short ones need more for a sound minimum."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--batch", type=int, default=ExtractConfig().batch_clips, help="clips in one call")
    parser.add_argument("--rounds", type=int, default=5, help="in each of which everything is measured")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    results: dict[str, Any] = {
        "environment": {**environment_of(device), "precision": "float32", "batch_clips": options.batch},
        "encoders": {name: encoder_row(name, device, options.batch, options.rounds) for name in ENCODERS},
    }
    print(table(results))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


@torch.inference_mode()
def encoder_row(name: EncoderName, device: torch.device, batch: int, rounds: int) -> dict[str, float]:
    """Seconds for a clip of an encoder, of its tower alone and of the plain ViT, with the floor of both."""
    encoder = load_encoder(name, None, device)
    clips = random_clips(encoder, batch)
    video = torch.from_numpy(np.stack([normalise(clip) for clip in clips])).to(device)  # (b, t, 3, h, w)
    plain = PlainViT(encoder.model.config).eval().to(device)
    left, right = torch.randn(2, MATRIX_SIZE[device.type], MATRIX_SIZE[device.type], device=device)
    seconds = least_seconds(
        {
            "product": lambda: left @ right,
            "encode": lambda: encoder.encode(clips),
            "tower": lambda: encoder.model(video),
            "plain_vit": lambda: plain(video),
        },
        rounds,
        CALLS[name],
        device,
    )
    rate = 2 * len(left) ** 3 / seconds["product"]  # FLOP/s
    row = {f"{what}_seconds": seconds[what] / batch for what in ("encode", "tower", "plain_vit")}
    flops = {"tower": flops_of(encoder.model, video), "plain_vit": flops_of(plain, video)}
    row |= {f"{what}_floor_seconds": flops[what] / batch / rate for what in flops}
    row |= {f"{what}_gflop": flops[what] / batch / 1e9 for what in flops}
    row |= {"product_gflops_per_second": rate / 1e9}
    return {what: round(value, 5) for what, value in row.items()}


def random_clips(encoder: Encoder, count: int) -> np.ndarray:
    """Noise of the encoder's shape: what frames show does not decide how long they take."""
    shape = (count, encoder.frames, encoder.image_size, encoder.image_size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def least_seconds(
    functions: dict[str, Callable[[], Any]], rounds: int, calls: int, device: torch.device
) -> dict[str, float]:
    """The least time of each, called by turns ``calls`` times in every round, after a call that does not count."""
    least = dict.fromkeys(functions, float("inf"))
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            least[name] = min(least[name], *(seconds_of(function, device) for _ in range(calls)))
    return least


def flops_of(network: nn.Module, video: Tensor) -> int:
    """Operations in the matrix products of one call, multiplication and addition apart."""
    with FlopCounterMode(display=False) as counter:
        network(video)
    return int(counter.get_total_flops())


class PlainViT(nn.Module):
    """A ViT of a tower's size on every frame by itself, as it is usually written."""

    def __init__(self, config: TcClipConfig) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, config.width, config.patch_size, stride=config.patch_size, bias=False)
        self.class_token = nn.Parameter(torch.randn(1, 1, config.width))
        self.positions = nn.Parameter(torch.randn(1 + config.patches, config.width))
        self.ln_pre, self.ln_post = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.layers = nn.Sequential(*(PlainLayer(config.width, config.heads) for _ in range(config.layers)))
        self.projection = nn.Linear(config.width, config.out_dim, bias=False)

    def forward(self, video: Tensor) -> Tensor:
        """``(b, t, 3, h, w)`` -> ``(b, t, out_dim)``."""
        patches = self.patches(video.flatten(0, 1)).flatten(2).mT  # (b·t, patches, d)
        class_tokens = self.class_token.expand(len(patches), -1, -1)
        tokens = self.layers(self.ln_pre(torch.cat([class_tokens, patches], dim=1) + self.positions))
        features: Tensor = self.projection(self.ln_post(tokens[:, 0]))
        return features.unflatten(0, video.shape[:2])


class PlainLayer(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """``(n, tokens, d)`` -> the same."""
        b, n, d = tokens.shape
        qkv = self.qkv(self.ln_1(tokens)).view(b, n, 3, self.heads, d // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (b, h, n, e)
        attended = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.out(attended.transpose(1, 2).reshape(b, n, d))
        output: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return output


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    columns = ("encode", "tower", "tower_floor", "plain_vit", "plain_vit_floor")
    lines = [f"| encoder | {' | '.join(f'{column}, s' for column in columns)} |", "|---" * 6 + "|"]
    for name, row in results["encoders"].items():
        seconds = (f"{row[f'{column}_seconds']:.4g}" for column in columns)
        lines.append(f"| {name} | {' | '.join(seconds)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
