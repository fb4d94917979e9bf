"""The files of a reaction: numbers, the motion for animation tools, a film, and a page that plays it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hero_core.errors import InputError
from hero_core.exports import export
from hero_core.motion.format import FPS
from hero_core.storage import atomic_path
from hero_core.view.compose import side_by_side
from hero_core.view.html import write_page
from pipeline.decode.video import read_frames, write_mp4
from pipeline.react.page import reaction_document
from pipeline.react.reaction import Reaction


@dataclass(frozen=True)
class ReactionFiles:
    """A reaction and where it was written."""

    reaction: Reaction
    npz: Path
    bvh: Path
    mp4: Path
    page: Path


def write_reaction(reaction: Reaction, out: str | Path) -> ReactionFiles:
    """Write ``out/{video's name}.npz``, ``.bvh``, ``.mp4`` and ``.html``; each appears complete or not at all.

    Raises:
        InputError: the film would replace the video.
    """
    video = reaction.video
    npz, bvh, mp4, page = (
        Path(out) / f"{video.stem}{suffix}" for suffix in (".npz", ".bvh", ".mp4", ".html")
    )
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
    write_page(page, reaction_document(reaction, [bvh, npz]))
    return ReactionFiles(reaction, npz, bvh, mp4, page)


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
