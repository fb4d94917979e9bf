"""Motions in batches through a generator or an evaluator: reactions, the round trip through tokens, embeddings."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hero_core.models.base import Generator, Reactions, VideoFeatures
from hero_core.models.evaluator import MotionEvaluator
from hero_core.motion.format import MAX_FRAMES, MOTION_DIM
from hero_core.motion.humanml3d import ROOT_XZ_VELOCITY, ROOT_YAW_VELOCITY, VELOCITIES
from hero_core.records import FeatureRecord

Motion = NDArray[np.float32]  # (n, 263) HumanML3D units


@torch.no_grad()
def react(
    generator: Generator,
    videos: Sequence[FeatureRecord],
    lengths: Sequence[int],
    rng: torch.Generator,
    batch_size: int,
    device: torch.device,
    own_lengths: bool = False,
) -> list[Motion]:
    """One reaction to each video, of the lengths given or, with ``own_lengths``, of those that the generator chooses.

    Clips of about one length share a batch, so little is padded.
    """
    order = np.argsort(lengths, kind="stable").tolist()
    motions: list[Motion] = []
    begun: Reactions | None = None
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        condition = VideoFeatures.of([videos[row] for row in rows]).to(device)
        frames = torch.tensor([lengths[row] for row in rows])
        made = generator.generate(condition, None if own_lengths else frames, rng)
        if begun:  # a batch later, so that a GPU has work while the next batch is prepared
            motions += cut(*begun)
        begun = made
    motions += cut(*begun) if begun else []
    return [motions[place] for place in np.argsort(order).tolist()]


@torch.no_grad()
def reconstruct(
    generator: Generator, motions: Sequence[Motion], batch_size: int, device: torch.device
) -> list[Motion] | None:
    """Motions through the generator's tokens or latents and back; None where it has none."""
    rebuilt: list[Motion] = []
    for motion, lengths in padded(motions, batch_size, device):
        again = generator.reconstruct(motion, lengths)  # (b, 200, 263)
        if again is None:
            return None
        rebuilt += cut(again, lengths)
    return rebuilt


@torch.no_grad()
def embed(
    evaluator: MotionEvaluator, motions: Sequence[Motion], batch_size: int, device: torch.device
) -> NDArray[np.float32]:
    """Embeddings ``(n, d)`` of motions, all padded to 200 frames."""
    batches = padded(motions, batch_size, device)
    return torch.cat([evaluator.embed(*batch) for batch in batches]).float().cpu().numpy()


def padded(
    motions: Sequence[Motion], batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of motions ``(b, 200, 263)``, zero past their ends, and their lengths ``(b,)``."""
    for start in range(0, len(motions), batch_size):
        batch = motions[start : start + batch_size]
        stacked = torch.zeros(len(batch), MAX_FRAMES, MOTION_DIM)
        for row, motion in enumerate(batch):
            stacked[row, : len(motion)] = torch.from_numpy(np.array(motion))  # a copy: shards are read-only
        lengths = torch.tensor([len(motion) for motion in batch])
        yield stacked.to(device), lengths.to(device)


def cut(motions: Tensor, lengths: Tensor) -> list[Motion]:
    """``(b, n, 263)`` as arrays, each of its own length."""
    arrays = motions.float().cpu().numpy()
    return [array[:length] for array, length in zip(arrays, lengths.tolist(), strict=True)]


def cut_or_hold(motion: Motion, length: int) -> Motion:
    """The first ``length`` frames of ``(n, 263)``; what is missing is the last pose, at rest."""
    held = np.repeat(motion[-1:], max(length - len(motion), 0), axis=0)
    for velocity in (ROOT_YAW_VELOCITY, ROOT_XZ_VELOCITY, VELOCITIES):
        held[:, velocity] = 0
    return np.concatenate([motion[:length], held])


def torch_rng(entropy: Sequence[int]) -> torch.Generator:
    """On the CPU, whose draws are the same wherever is computed."""
    seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator().manual_seed(seed)
