"""A reaction, and its files: numbers, the motion for animation tools, and a film of video and reaction."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.exports import export
from hero_core.motion.format import FPS
from hero_core.storage import atomic_path
from hero_core.view.compose import side_by_side
from pipeline.decode.video import DecodedClip, read_frames, write_mp4


@dataclass(frozen=True)
class Reaction:
    """A reaction to a video.

    Attributes:
        vectors: ``(n, 263)`` HumanML3D.
        joints: ``(n, 22, 3)`` metres at 20 fps.
        clip: the frames of the video that the encoder saw.
        statement: what made this reaction.
        provenance: everything that decided it, as JSON values.
        warnings: what the user should know, one line each.
    """

    video: Path
    vectors: NDArray[np.float32]
    joints: NDArray[np.float64]
    clip: DecodedClip
    statement: str
    provenance: dict[str, Any]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ReactionFiles:
    """A reaction and where it was written."""

    reaction: Reaction
    npz: Path
    bvh: Path
    mp4: Path


def write_reaction(reaction: Reaction, out: str | Path) -> ReactionFiles:
    """Write ``out/{video's name}.npz``, ``.bvh`` and ``.mp4``; each appears complete or not at all.

    Raises:
        InputError: the film would replace the video.
    """
    video = reaction.video
    npz, bvh, mp4 = (Path(out) / f"{video.stem}{suffix}" for suffix in (".npz", ".bvh", ".mp4"))
    if mp4.resolve() == video.resolve():
        raise InputError(f"{video}: the film would replace the video; name another folder with --out")
    _write_npz(npz, reaction)
    export(reaction.joints, bvh)
    clip = reaction.clip
    film = side_by_side(
        read_frames(video),  # upright, whatever the encoder saw
        clip.frame_count / clip.fps,
        reaction.joints,
        title=video.name,
        caption=f"{reaction.statement} {len(reaction.joints)} frames at {FPS} fps, "
        f"seed {reaction.provenance['seed']}.",
        sampled_seconds=clip.timestamps_seconds.tolist(),
    )
    write_mp4(mp4, film, FPS)
    return ReactionFiles(reaction, npz, bvh, mp4)


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
