"""One video in, one reaction out: numbers, animation, and a film of both side by side."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hero_core.checkpoints import TENSORS_FILE, library_versions
from hero_core.errors import InputError
from hero_core.files import atomic_path, sha256_of_file
from hero_core.models.sampling import SamplingConfig
from hero_core.motion.bvh import write_bvh
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.motion.skeleton import FPS
from hero_core.runs import load_hero
from pipeline.compose import side_by_side
from pipeline.decode import DecodedClip, read_frames, write_mp4
from pipeline.run_encoder import RunEncoder, load_run_encoder, training_data

UNIT_FRAMES = 4
DEFAULT_LENGTH_FRAMES = 88

ReportStage = Callable[[str], None]


@dataclass(frozen=True)
class Reaction:
    """A reaction to a video.

    Attributes:
        vectors: ``(n, 263)`` HumanML3D.
        joints: ``(n, 22, 3)`` metres at 20 fps.
        clip: the frames of the video that were seen.
        statement: what made this reaction.
        provenance: everything that decided it, as JSON values.
        warnings: what the user should know, one line each.
    """

    vectors: NDArray[np.float32]
    joints: NDArray[np.float64]
    clip: DecodedClip
    statement: str
    provenance: dict[str, Any]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ReactionFiles:
    """What was written: numbers, the motion for animation tools, the film; and the reaction's own words."""

    npz: Path
    bvh: Path
    mp4: Path
    statement: str
    warnings: tuple[str, ...]


def react(
    video: Path,
    run: Path,
    out: Path,
    length_frames: int = DEFAULT_LENGTH_FRAMES,
    seed: int = 0,
    weights: Path | None = None,
    device: torch.device | None = None,
    sampling: SamplingConfig | None = None,
    report: ReportStage = lambda stage: None,
) -> ReactionFiles:
    """Generate a reaction to a video and write ``out/{video's name}.npz``, ``.bvh`` and ``.mp4``.

    Args:
        video: any video file.
        run: run folder of ``hero-train``.
        out: folder to write into.
        length_frames: at 20 fps; rounded down to a multiple of 4.
        seed: another seed, another reaction.
        weights: of the encoder, where it is TC-CLIP.
        device: where to compute; by default where the run's training features were made.
        sampling: how to generate; the paper's way by default.
        report: told what is being done.

    Raises:
        DecodeError: the video cannot be read.
        InputError: an impossible length.
        FingerprintError: the encoder is not the one that the run was trained with.
        WeightsError: weights are missing, or do not fit.
    """
    report("loading the encoder")
    encoder = load_run_encoder(run, weights, device)
    reaction = generate_reaction(video, run, encoder, length_frames, seed, sampling, report)
    return write_reaction(reaction, video, out, report)


def generate_reaction(
    video: Path,
    run: Path,
    run_encoder: RunEncoder,
    length_frames: int = DEFAULT_LENGTH_FRAMES,
    seed: int = 0,
    sampling: SamplingConfig | None = None,
    report: ReportStage = lambda stage: None,
) -> Reaction:
    """:func:`react` without files, with an encoder that can serve many videos."""
    device = run_encoder.encoder.device
    hero = load_hero(run, sampling=sampling).to(device)
    length = whole_length(length_frames, hero.max_length)
    report("reading the video")
    clip = run_encoder.decode(video)
    condition = run_encoder.encode(clip).to(device)
    report("generating the reaction")
    rng = torch.Generator().manual_seed(seed)  # on the CPU: the same draws on every device
    motion = hero.generate(condition, torch.tensor([length], device=device), rng)  # (1, n, 263)
    vectors = np.asarray(motion[0, :length].float().cpu().numpy(), np.float32)
    statement = " ".join([*_data_statement(run), run_encoder.encoder.statement])
    warnings = (*clip.warnings, *run_encoder.warnings)
    provenance = {
        "video": {"name": video.name, "sha256": sha256_of_file(video)},
        "sampled_seconds": clip.timestamps_seconds.tolist(),
        "weights_sha256": {
            "encoder": run_encoder.encoder.weights_sha256,
            **{
                name: sha256_of_file(run / name / "best" / TENSORS_FILE)
                for name in ("rvq", "masked", "residual")
            },
        },
        "encoder": run_encoder.encoder.name,
        "device": str(device),
        "length_frames": length,
        "seed": seed,
        "sampling": hero.sampling.model_dump(mode="json"),
        "statement": statement,
        "warnings": list(warnings),
        "versions": library_versions(),
    }
    return Reaction(vectors, vectors_to_joints(vectors), clip, statement, provenance, warnings)


def write_reaction(
    reaction: Reaction, video: Path, out: Path, report: ReportStage = lambda stage: None
) -> ReactionFiles:
    """Write the three files; each appears complete or not at all."""
    files = ReactionFiles(
        npz=out / f"{video.stem}.npz",
        bvh=out / f"{video.stem}.bvh",
        mp4=out / f"{video.stem}.mp4",
        statement=reaction.statement,
        warnings=reaction.warnings,
    )
    if files.mp4.resolve() == video.resolve():
        raise InputError(f"{video}: the film would replace the video; name another folder with --out")
    _write_npz(files.npz, reaction)
    write_bvh(files.bvh, reaction.joints, FPS)
    report("drawing the film")
    length, seed = reaction.provenance["length_frames"], reaction.provenance["seed"]
    film = side_by_side(
        read_frames(video),
        reaction.clip.frame_count / reaction.clip.fps,
        reaction.joints,
        title=video.name,
        caption=f"{reaction.statement} {length} frames at {FPS} fps, seed {seed}.",
        sampled_seconds=reaction.clip.timestamps_seconds.tolist(),
    )
    write_mp4(files.mp4, film, FPS)
    return files


def whole_length(length_frames: int, longest: int) -> int:
    """``length_frames`` rounded down to whole tokens of 4 frames.

    Raises:
        InputError: that leaves none, or more than ``longest``.
    """
    if not UNIT_FRAMES <= length_frames <= longest:
        raise InputError(
            f"a reaction of {length_frames} frames ({length_frames / FPS:.2f} s) cannot be generated: ask for "
            f"{UNIT_FRAMES} to {longest} frames ({longest / FPS:g} s)"
        )
    return length_frames // UNIT_FRAMES * UNIT_FRAMES


def _data_statement(run: Path) -> list[str]:
    statement = training_data(run).get("statement")
    return [str(statement)] if statement else []


def _write_npz(path: Path, reaction: Reaction) -> None:
    provenance = json.dumps(reaction.provenance, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            vectors=reaction.vectors,
            joints=reaction.joints.astype(np.float32),
            fps=np.int64(FPS),
            provenance=np.array(provenance),
        )
