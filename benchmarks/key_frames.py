"""Whether the interaction intention (IIE) of trained runs looks at key frames of fresh MiniViMo clips.

python -m benchmarks.key_frames demo/run --seed 777
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.fresh_clips import encoded_clips, folder_for
from hero_core.models.base import VideoFeatures
from hero_core.models.generators.hero.hero import Hero
from hero_core.runs import load_run

NEAR_SECONDS = 0.5


class Look(NamedTuple):
    """Where the attention goes, means over clips.

    Attributes:
        entropy: of the weights over the frames, a share of the largest possible; mean over heads.
        near_onset: weight of the frames within :data:`NEAR_SECONDS` of the right onset.
        frames_near_onset: share of the frames that are.
    """

    entropy: float
    near_onset: float
    frames_near_onset: float


def main() -> None:
    """Encode the clips once, look at them with every run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folder of hero-train")
    parser.add_argument("--seed", type=int, default=777, help="of the clips")
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--weights", type=Path, help="of the encoder, where it is TC-CLIP")
    parser.add_argument("--cache", type=Path, help="keep the clips and their features here for other calls")
    options = parser.parse_args()
    runs = [load_run(run) for run in options.runs]
    with folder_for(options.cache) as folder:
        clips = encoded_clips(runs[0], options.seed, options.clips, folder, options.weights)
    truths = [(clip, clip.pair.truth) for clip in clips]
    moving = [(clip.video, truth.onset_seconds) for clip, truth in truths if truth and truth.moves]
    videos = VideoFeatures.of([video for video, _ in moving])
    print(
        f"| run | entropy | weight within {NEAR_SECONDS} s of the onset | frames there |\n|---|---|---|---|"
    )
    for run in runs:
        assert isinstance(run.generator, Hero)
        intention = run.generator.masked.decoder.intention
        if intention is None:
            print(f"| {run.folder} | no IIE | - | - |")
            continue
        with torch.no_grad():
            weights = intention.frame_weights(videos)  # (b, heads, t)
        look = look_of(weights, videos.times, [onset for _, onset in moving])
        print(f"| {run.folder} | {' | '.join(f'{value:.3f}' for value in look)} |")


def look_of(weights: Tensor, times: Tensor, onsets_seconds: Sequence[float]) -> Look:
    """From weights ``(b, heads, t)`` and the times ``(b, t)`` of the frames, in seconds."""
    entropy = torch.special.entr(weights).sum(dim=-1).mean() / math.log(weights.shape[-1])
    near = (times - torch.tensor(onsets_seconds)[:, None]).abs() <= NEAR_SECONDS  # (b, t)
    on_near = (weights.mean(dim=1) * near).sum(dim=-1).mean()
    return Look(float(entropy), float(on_near), float(near.float().mean()))


if __name__ == "__main__":
    main()
