"""Trains the mini encoder: a small TC-CLIP tower that sees what single frames of MiniViMo's cartoons show.

    python -m benchmarks.train_mini --out pipeline/weights

It writes ``mini.safetensors`` (float16) and ``mini.json``. Linear probes, thrown away afterwards, ask the feature of
every frame what this frame shows (``sight``): who and what is there, where, how near, which face, pose and light, in
numbers and, of what is plain to see, as yes or no; and ask its patches which of them shows each thing, face and hand.
What a clip is about, which reaction fits, on which side and when, is never asked. First the tower sees single
pictures of different clips, then clips as they are sampled for features. The scores are taken on other clips, which
went through an mp4 file and the pipeline's decoder.
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
from numpy.typing import NDArray
from pydantic import Field
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.mini_clips import DecodedClips, Example, MixedPictures, Rendered, WholeClips, render_clip
from benchmarks.mini_scores import Watched, clip_scores, frame_scores
from benchmarks.muon import Muon
from benchmarks.place_probe import PlaceProbe
from benchmarks.sight_probe import SHOWN, SightProbe, Sights
from hero_core.config import Config
from hero_core.minivimo.interactions import INTERACTIONS
from hero_core.models.tc_clip.tower import TcClip, TcClipConfig
from hero_core.progress import Progress
from hero_core.storage import write_bytes, write_json
from pipeline.decode.transforms import normalise

TOWER = TcClipConfig(image_size=112, width=128, layers=4, heads=2, context_tokens=32)
MIXED = TOWER.model_copy(update={"frames": 4, "context_tokens": 8})

FIRST_DATA_SEED = 1_000_000
"""MiniViMo seeds from here on belong to this script: three for each training seed."""

FIRST_CLIPS = 64
"""Clips whose patches a new tower is made for, and whose features are given unit deviation."""


class Stage(Config):
    """One warm-up and one cosine of learning rates.

    Attributes:
        frames: ``mixed`` shows pictures of different clips side by side, so that the tower learns to read each by
            itself; ``clip`` shows whole clips.
        steps: batches.
        first_clip: index of the first clip it is shown; every stage has clips of its own.
        rate_factor: on both learning rates.
    """

    frames: Literal["mixed", "clip"]
    steps: int = Field(ge=1)
    first_clip: int = Field(default=0, ge=0)
    rate_factor: float = Field(default=1.0, gt=0)


class MiniTraining(Config):
    """How the tower is trained.

    Attributes:
        batch_frames: frames of a batch, whatever clips they are of.
        absent_weight: of the loss of a number whose thing or person the frame does not show; 1 where it does.
        matrix_learning_rate: of the layers' matrices (Muon); ``learning_rate`` is for all else (AdamW).
        fitted_clips: clips, of one seed, on which the questions of the scores are fitted.
        scored_clips: clips, of another seed, on which they are asked.
    """

    seed: int = Field(default=0, ge=0)
    stages: tuple[Stage, ...] = (
        Stage(frames="mixed", steps=7000),
        Stage(frames="clip", steps=300, first_clip=9_000_000, rate_factor=0.2),
    )
    batch_frames: int = Field(default=64, ge=TOWER.frames)
    absent_weight: float = Field(default=0.1, ge=0, le=1)
    matrix_learning_rate: float = Field(default=6e-3, gt=0)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.03, ge=0)
    warmup_steps: int = Field(default=60, ge=1)
    fitted_clips: int = Field(default=400, ge=len(INTERACTIONS))
    scored_clips: int = Field(default=300, ge=len(INTERACTIONS))

    @property
    def train_seed(self) -> int:
        """MiniViMo seed of the training clips."""
        return FIRST_DATA_SEED + 3 * self.seed

    @property
    def fitted_seed(self) -> int:
        """MiniViMo seed of the clips on which the questions of the scores are fitted."""
        return self.train_seed + 1

    @property
    def scored_seed(self) -> int:
        """MiniViMo seed of the clips that score the result."""
        return self.train_seed + 2


def train_mini_encoder(training: MiniTraining, out: Path, workers: int, report: Progress) -> None:
    """Train, score, and write ``out/mini.safetensors`` and ``out/mini.json``."""
    tower = new_tower(training)
    probes = Probes(Sights.of(training.train_seed), training.absent_weight)
    for number in range(len(training.stages)):
        train_stage(tower, probes, number, training, workers, report)
    finish(tower, training, out, workers, report)


class Probes(nn.Module):
    """All that frames are asked while the tower learns."""

    def __init__(self, sights: Sights, absent_weight: float) -> None:
        super().__init__()
        self.absent_weight = absent_weight
        self.sight = SightProbe(TOWER.out_dim, sights)
        self.places = PlaceProbe(TOWER.width, TOWER.image_size // TOWER.patch_size)

    def losses(self, tower: TcClip, example: Example) -> tuple[Tensor, Tensor, Tensor]:
        """Of every field of ``sight``, of what is plain to see, and of where things are."""
        *_, before_last, last = tower.layers(_video(example.frames.numpy()))
        assert before_last.patches is not None
        features = tower.project(last.class_tokens).flatten(0, 1)  # (n, d)
        truth = example.sight.flatten(0, 1)
        return (
            self.sight.losses(features, truth, self.absent_weight),
            self.sight.plain_losses(features, truth),
            self.places.losses(before_last.patches.flatten(0, 1), example.places.flatten(0, 1)),
        )


def new_tower(training: MiniTraining) -> TcClip:
    """A tower that begins well: patches whitened, positions as waves."""
    tower = TcClip(TOWER).initialise(torch.Generator().manual_seed(training.seed))
    with torch.no_grad():
        tower.conv1.weight.copy_(_whitening(_first_video(training).flatten(0, 1)).view_as(tower.conv1.weight))
        tower.positional_embedding.copy_(_waves())
    return tower


def _first_video(training: MiniTraining) -> Tensor:
    """``(clips, t, 3, h, w)``."""
    clips = [render_clip(training.train_seed, index, TOWER.image_size) for index in range(FIRST_CLIPS)]
    return _video(np.stack([clip.frames for clip in clips]))


def _video(frames: NDArray[np.uint8]) -> Tensor:
    """``(b, t, h, w, 3)`` to what the tower takes."""
    return torch.from_numpy(np.stack([normalise(clip) for clip in frames]))


def _whitening(pictures: Tensor) -> Tensor:
    """The main directions of patches in ``(n, 3, h, w)``, of about equal deviation: ``(width, 3·p·p)``."""
    side = TOWER.patch_size
    patches = rearrange(pictures, "n c (y p) (x q) -> (n y x) (c p q)", p=side, q=side).double()
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
    student = _sharing_weights(tower, MIXED if stage.frames == "mixed" else TOWER)
    optimisers, schedulers = _optimisers(student, probes, stage, training)
    for step, example in enumerate(islice(_batches(number, training, workers), stage.steps), start=1):
        fields, plain, places = probes.losses(student, example)
        for optimiser in optimisers:
            optimiser.zero_grad()
        (fields.sum() + plain.sum() + places.sum()).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([*student.parameters(), *probes.parameters()], 5.0)
        for optimiser, scheduler in zip(optimisers, schedulers, strict=True):
            optimiser.step()
            scheduler.step()
        if step % 50 == 0:
            told = {"shown": fields[SHOWN], "numbers": fields[~SHOWN], "plain": plain, "places": places}
            means = ", ".join(f"{name} {losses.mean():.3f}" for name, losses in told.items())
            report(step, stage.steps, f"stage {number + 1}, {stage.frames} frames: {means}")


def _batches(number: int, training: MiniTraining, workers: int) -> Iterable[Example]:
    first, together = training.stages[number].first_clip, MIXED.frames
    stream: MixedPictures | WholeClips
    if training.stages[number].frames == "mixed":
        stream = MixedPictures(training.train_seed, first, TOWER.image_size, together)
    else:
        stream, together = WholeClips(training.train_seed, first, TOWER.image_size), TOWER.frames
    rng = torch.Generator().manual_seed(training.seed)
    return DataLoader(stream, training.batch_frames // together, num_workers=workers, generator=rng)


def _sharing_weights(tower: TcClip, config: TcClipConfig) -> TcClip:
    """The same weights for another number of frames, on which nothing in them depends."""
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
        Muon(matrices, rates[0], decay),
        torch.optim.AdamW(rest, rates[1], betas=(0.9, 0.98), weight_decay=decay),
    ]

    def schedule(step: int) -> float:
        warmth = min(1.0, (step + 1) / training.warmup_steps)
        return warmth * 0.5 * (1 + math.cos(math.pi * step / stage.steps))

    return optimisers, [torch.optim.lr_scheduler.LambdaLR(optimiser, schedule) for optimiser in optimisers]


def finish(tower: TcClip, training: MiniTraining, out: Path, workers: int, report: Progress) -> None:
    """Scale the features, round the weights to float16, score them and write them."""
    scale_features(tower, _first_video(training))
    half = {name: tensor.half() for name, tensor in tower.state_dict().items()}
    tower.load_state_dict(half)
    fitted = watch(tower, training.fitted_seed, training.fitted_clips, workers, report)
    scored = watch(tower, training.scored_seed, training.scored_clips, workers, report)
    scores = {"frames": frame_scores(fitted, scored), "clips": clip_scores(fitted, scored)}
    write_bytes(out / "mini.safetensors", save(half))
    write_json(out / "mini.json", _description(training, scores))


@torch.no_grad()
def scale_features(tower: TcClip, video: Tensor) -> None:
    """Give every feature dimension unit deviation over the frames of ``video``, by its column of the projection."""
    features = torch.cat([tower(clips).flatten(0, 1) for clips in torch.split(video, 4)])  # (n, d)
    tower.proj.div_(features.std(dim=0))


@torch.inference_mode()
def watch(tower: TcClip, data_seed: int, count: int, workers: int, report: Progress) -> list[Watched]:
    """Features of the first ``count`` clips of a seed, each through mp4 and the pipeline's decoder."""
    watched = []
    with tempfile.TemporaryDirectory() as folder:
        clips = DecodedClips(data_seed, count, TOWER.image_size, Path(folder))
        rendered: Iterable[Rendered] = DataLoader(clips, batch_size=None, num_workers=workers)
        for done, clip in enumerate(rendered, start=1):
            features: NDArray[np.float32] = tower(_video(clip.frames[None]))[0].numpy()
            watched.append(Watched(clip.plan, clip.times_seconds, features, clip.example().sight))
            if done % 50 == 0:
                report(done, count, "clips watched")
    return watched


def _description(training: MiniTraining, scores: dict[str, dict[str, float]]) -> dict[str, Any]:
    seeds = {
        "train": training.train_seed,
        "scores_fitted": training.fitted_seed,
        "scored": training.scored_seed,
    }
    return {
        "statement": "mini: a small TC-CLIP tower that was taught what single frames of MiniViMo's procedural "
        "cartoons show, never a clip's answer; it knows nothing of real videos and is for the demonstration only.",
        "config": TOWER.model_dump(mode="json"),
        "training": training.model_dump(mode="json") | {"minivimo_seeds": seeds},
        "held_out": scores,
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
    train_mini_encoder(MiniTraining(seed=options.seed), options.out, 1, _print)


def _print(done: int, total: int, note: str = "") -> None:
    print(f"{done}/{total} {note}", file=sys.stderr)


if __name__ == "__main__":
    main()
