"""Trains the mini encoder: a small TC-CLIP tower that knows MiniViMo's cartoons and nothing else.

    python -m benchmarks.train_mini --out pipeline/weights

It writes ``mini.safetensors`` (float16) and ``mini.json``. First the tower sees short clips, half of whose frames
show the event; then clips as they are sampled for features. Linear probes, thrown away afterwards, ask the features
which reaction fits, on which side, when, and what each frame shows. The score is taken on other clips, which went
through an mp4 file and the pipeline's decoder.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from pydantic import Field
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate

from benchmarks.mini_clips import PHASES, SIDES, Example, TrainingClips, decoded_clip, render_clip
from hero_core.config import Config
from hero_core.minivimo.interactions import INTERACTIONS, REACTIONS
from hero_core.models.tc_clip.tower import TcClip, TcClipConfig
from hero_core.progress import Progress
from hero_core.storage import write_bytes, write_json
from pipeline.decode.transforms import normalise

TOWER = TcClipConfig(image_size=112, width=128, layers=4, heads=2, context_tokens=32)
SHORT = TOWER.model_copy(update={"frames": 8, "context_tokens": 16})

FIRST_DATA_SEED = 1_000_000
"""MiniViMo seeds from here on belong to this script: two for each training seed, to train and to score."""

WHITENING_CLIPS = 64
"""Clips whose patches a new tower is made for."""


class ProbeWeights(Config):
    """What each probe's loss counts."""

    reaction: float = 1.0
    side: float = 1.0
    onset: float = 1.0
    shown_reaction: float = 2.0
    shown_side: float = 1.0
    phase: float = 0.3


class Stage(Config):
    """One warm-up and one cosine of learning rates.

    Attributes:
        clips: short or full ones.
        steps: batches.
        rate_factor: on both learning rates.
        easy_share: how many of the clips without people it keeps.
    """

    clips: Literal["short", "full"]
    steps: int = Field(ge=1)
    rate_factor: float = Field(default=1.0, gt=0)
    easy_share: float = Field(default=1.0, gt=0, le=1)
    probe_weights: ProbeWeights = ProbeWeights()


class MiniTraining(Config):
    """How the tower is trained.

    Attributes:
        matrix_learning_rate: of the layers' matrices (Muon); ``learning_rate`` is for all else (AdamW).
    """

    seed: int = Field(default=0, ge=0)
    stages: tuple[Stage, ...] = (
        Stage(clips="short", steps=2600, probe_weights=ProbeWeights(onset=10, shown_reaction=1, phase=1)),
        Stage(clips="short", steps=2600, rate_factor=0.7, easy_share=0.3),
        Stage(clips="full", steps=400, rate_factor=0.4, easy_share=0.3),
    )
    batch_clips: int = Field(default=8, ge=1)
    matrix_learning_rate: float = Field(default=2e-3, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.03, ge=0)
    warmup_steps: int = Field(default=100, ge=1)
    held_out_clips: int = Field(default=450, ge=len(INTERACTIONS))

    @property
    def train_seed(self) -> int:
        """MiniViMo seed of the training clips."""
        return FIRST_DATA_SEED + 2 * self.seed

    @property
    def held_out_seed(self) -> int:
        """MiniViMo seed of the clips that score the result."""
        return FIRST_DATA_SEED + 2 * self.seed + 1


class Probes(nn.Module):
    """Linear questions to the features."""

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        sizes = {
            "reaction": len(REACTIONS),
            "side": len(SIDES),
            "onset": 1,
            "shown_reaction": len(REACTIONS) + 1,
            "shown_side": len(SIDES),
            "phase": PHASES,
        }
        self.weights = nn.ParameterDict(
            {name: torch.zeros(feature_dim, size) for name, size in sizes.items()}
        )
        self.biases = nn.ParameterDict({name: torch.zeros(size) for name, size in sizes.items()})

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Answers by name, from features ``(b, t, d)``: of clips ``(b, classes)``, of frames ``(b, t, classes)``."""
        of_clip, clip = {"reaction", "side", "onset"}, frames.mean(dim=1)
        return {
            name: (clip if name in of_clip else frames) @ weight + self.biases[name]
            for name, weight in self.weights.items()
        }


def probe_losses(answers: dict[str, Tensor], truth: Example, weights: ProbeWeights) -> dict[str, Tensor]:
    """Weighted losses: cross-entropies, and smooth L1 of the onset."""
    losses = {"onset": F.smooth_l1_loss(answers["onset"].squeeze(-1), truth.onset, beta=0.1)}
    for name in answers.keys() - losses.keys():
        losses[name] = F.cross_entropy(answers[name].flatten(0, -2), getattr(truth, name).flatten())
    return {name: getattr(weights, name) * losses[name] for name in answers}


def train_mini_encoder(training: MiniTraining, out: Path, workers: int, report: Progress) -> None:
    """Train, score, and write ``out/mini.safetensors`` and ``out/mini.json``."""
    tower = new_tower(training)
    probes = Probes(TOWER.out_dim)
    for number in range(len(training.stages)):
        train_stage(tower, probes, number, training, workers, report)
    finish(tower, probes, training, out, report)


def new_tower(training: MiniTraining) -> TcClip:
    """A tower that begins well: patches whitened, positions as waves."""
    tower = TcClip(TOWER).initialise(torch.Generator().manual_seed(training.seed))
    clips = [
        render_clip(training.train_seed, index, SHORT.frames, TOWER.image_size)
        for index in range(WHITENING_CLIPS)
    ]
    video = torch.from_numpy(np.concatenate([normalise(clip.frames) for clip in clips]))  # (n, 3, h, w)
    with torch.no_grad():
        tower.conv1.weight.copy_(_whitening(video).view_as(tower.conv1.weight))
        tower.positional_embedding.copy_(_waves())
    return tower


def _whitening(video: Tensor) -> Tensor:
    """The main directions of patches in ``(n, 3, h, w)``, of about equal deviation: ``(width, 3·p·p)``."""
    side = TOWER.patch_size
    patches = rearrange(video, "n c (y p) (x q) -> (n y x) (c p q)", p=side, q=side).double()
    variances, directions = torch.linalg.eigh(patches.T.cov())  # rising
    whitened: Tensor = directions / (variances + 0.01 * variances.mean()).sqrt()
    return whitened.T.flip(0)[: TOWER.width].float()


def _waves() -> Tensor:
    """Sines and cosines of the patch's column and row, zero for the class token: ``(1 + patches, width)``."""
    grid = TOWER.image_size // TOWER.patch_size
    frequencies = 20.0 ** -torch.linspace(0, 1, TOWER.width // 4 + 1)[:-1]
    angles = torch.arange(grid).unsqueeze(-1) * frequencies  # (grid, width / 4)
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
    columns, rows = waves.repeat(grid, 1), waves.repeat_interleave(grid, dim=0)
    return F.pad(torch.cat([columns, rows], dim=-1), (0, 0, 1, 0))


def train_stage(
    tower: TcClip, probes: Probes, number: int, training: MiniTraining, workers: int, report: Progress
) -> None:
    """Train tower and probes through stage ``number``, in place."""
    stage = training.stages[number]
    config = SHORT if stage.clips == "short" else TOWER
    first = number * 1_000_000  # every stage has clips of its own
    clips = TrainingClips(training.train_seed, first, config.frames, config.image_size, stage.easy_share)
    student = _sharing_weights(tower, config)
    optimisers, schedulers = _optimisers(student, probes, stage, training)
    batches = islice(_load(clips, training, workers), stage.steps)
    for step, example in enumerate(batches, start=1):
        losses = probe_losses(probes(_features(student, example)), example, stage.probe_weights)
        for optimiser in optimisers:
            optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        for optimiser, scheduler in zip(optimisers, schedulers, strict=True):
            optimiser.step()
            scheduler.step()
        if step % 50 == 0:
            shown = ", ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items())
            report(step, stage.steps, f"stage {number + 1}, {stage.clips} clips: {shown}")


def _load(clips: TrainingClips, training: MiniTraining, workers: int) -> Iterable[Example]:
    rng = torch.Generator().manual_seed(training.seed)
    return DataLoader(clips, batch_size=training.batch_clips, num_workers=workers, generator=rng)


def _sharing_weights(tower: TcClip, config: TcClipConfig) -> TcClip:
    """The same weights for clips of another length, of which nothing in them depends."""
    with torch.device("meta"):
        other = TcClip(config)
    other.load_state_dict(tower.state_dict(), assign=True)
    return other


def _optimisers(
    tower: TcClip, probes: Probes, stage: Stage, training: MiniTraining
) -> tuple[list[torch.optim.Optimizer], list[torch.optim.lr_scheduler.LRScheduler]]:
    matrices = [p for name, p in tower.named_parameters() if "resblocks" in name and p.ndim == 2]
    ids = {id(p) for p in matrices}
    rest = [p for p in (*tower.parameters(), *probes.parameters()) if id(p) not in ids]
    rates = training.matrix_learning_rate * stage.rate_factor, training.learning_rate * stage.rate_factor
    decay = training.weight_decay
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, rates[0], decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, rates[1], betas=(0.9, 0.98), weight_decay=decay),
    ]

    def schedule(step: int) -> float:
        return (
            min(1.0, (step + 1) / training.warmup_steps) * 0.5 * (1 + math.cos(math.pi * step / stage.steps))
        )

    return optimisers, [torch.optim.lr_scheduler.LambdaLR(optimiser, schedule) for optimiser in optimisers]


def _features(tower: TcClip, example: Example) -> Tensor:
    """Features ``(b, t, d)`` for training: bfloat16 where it does no harm."""
    video = torch.from_numpy(np.stack([normalise(clip) for clip in example.frames.numpy()]))
    with torch.autocast("cpu", torch.bfloat16):
        features: Tensor = tower(video)
    return features.float()


def finish(tower: TcClip, probes: Probes, training: MiniTraining, out: Path, report: Progress) -> None:
    """Scale the features, round the weights to float16, score them and write them."""
    _scale_features(tower, probes, training)
    half = {name: tensor.half() for name, tensor in tower.state_dict().items()}
    tower.load_state_dict(half)
    score = _score(tower, probes, training)
    report(training.held_out_clips, training.held_out_clips, f"clips of another seed: {score}")
    write_bytes(out / "mini.safetensors", save(half))
    write_json(out / "mini.json", _description(training, score))


@torch.no_grad()
def _scale_features(tower: TcClip, probes: Probes, training: MiniTraining) -> None:
    """Give every feature dimension unit deviation, by its column of the projection; the probes follow."""
    clips = TrainingClips(
        training.train_seed, len(training.stages) * 1_000_000, TOWER.frames, TOWER.image_size
    )
    batches = islice(_load(clips, training, workers=0), 8)
    features = torch.cat([_features(tower, example).flatten(0, 1) for example in batches])  # (n, d)
    deviation = features.std(dim=0)
    tower.proj.div_(deviation)
    for weight in probes.weights.values():
        weight.mul_(deviation.unsqueeze(-1))


@torch.inference_mode()
def _score(tower: TcClip, probes: Probes, training: MiniTraining) -> dict[str, float]:
    """How well the probes read held-out clips that went through mp4; sides of sided interactions only."""
    right: dict[str, list[float]] = {"reaction": [], "side": [], "phase": []}
    onset_errors: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(training.held_out_clips):
            clip = decoded_clip(training.held_out_seed, index, TOWER.image_size, Path(folder))
            truth = default_collate([clip.example()])
            answers = probes(tower(torch.from_numpy(normalise(clip.frames)).unsqueeze(0)))
            for name in right if clip.plan.interaction.sided else ("reaction", "phase"):
                hits = answers[name].argmax(dim=-1) == getattr(truth, name)
                right[name].append(float(hits.float().mean()))
            onset_errors.append(abs(float(answers["onset"] - truth.onset)) * clip.plan.duration_seconds)
    accuracies = {f"{name}_accuracy": round(float(np.mean(hits)), 4) for name, hits in right.items()}
    return accuracies | {"onset_error_seconds": round(float(np.mean(onset_errors)), 4)}


def _description(training: MiniTraining, score: dict[str, float]) -> dict[str, Any]:
    seeds = {"train": training.train_seed, "held_out": training.held_out_seed}
    return {
        "statement": "mini: a small TC-CLIP tower trained on MiniViMo's procedural cartoon clips; it knows nothing "
        "of real videos and is for the demonstration only.",
        "config": TOWER.model_dump(mode="json"),
        "training": training.model_dump(mode="json") | {"minivimo_seeds": seeds},
        "held_out": score,
        "torch_version": torch.__version__,
    }


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_mini", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for mini.safetensors and mini.json")
    parser.add_argument("--seed", type=int, default=0, help="of the weights to begin with and of the clips")
    parser.add_argument("--threads", type=int, default=1, help="one more process draws clips")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    training = MiniTraining(seed=options.seed)
    train_mini_encoder(training, options.out, 1, _print)


def _print(done: int, total: int, note: str = "") -> None:
    print(f"{done}/{total} {note}", file=sys.stderr)


if __name__ == "__main__":
    main()
