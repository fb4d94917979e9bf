"""The files of reactions: numbers, the motion for animation tools, a film, and a page that plays them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hero_core.choices import EXPORT_SUFFIXES, ExportFormat
from hero_core.errors import InputError
from hero_core.exports import Exported, export
from hero_core.motion.format import FPS
from hero_core.storage import atomic_path, writing
from hero_core.view.compose import side_by_side
from hero_core.view.html import write_page
from pipeline.decode.video import read_frames, write_mp4
from pipeline.react.page import reaction_document
from pipeline.react.reaction import Reaction, video_sha256_in

_SUFFIXES = (".npz", ".mp4", ".html", *EXPORT_SUFFIXES.values())


@dataclass(frozen=True)
class ReactionFiles:
    """What was written.

    Attributes:
        paths: of all files, the page last.
        exports: of those that animation tools open, with how exact they are.
    """

    paths: list[Path]
    exports: list[Exported]

    @property
    def page(self) -> Path:
        """The page of all reactions."""
        return self.paths[-1]


def write_reactions(
    reactions: Sequence[Reaction],
    out: str | Path,
    formats: Sequence[ExportFormat] = (),
    film: bool = True,
    overwrite: bool = False,
) -> ReactionFiles:
    """Write ``out/{video}-{seed}`` with ``.npz``, ``.bvh`` and ``.mp4`` of each reaction to a video, and one ``.html``.

    Each file appears complete or not at all.

    Args:
        reactions: to one video, one or more.
        out: the folder.
        formats: further ones.
        film: draw the films, which take longest.
        overwrite: also replace files that are not known to be of this video, but never a video by a film.

    Raises:
        InputError: a file of that name is there already and not known to be of this video.
    """
    folder = Path(out)
    for reaction in reactions:
        with writing(folder / f"{reaction.name}.npz"):
            _require_own(folder, reaction, overwrite)
    paths: list[Path] = []
    exports: list[Exported] = []
    taken: dict[str, list[Path]] = {}
    for reaction in reactions:
        npz = folder / f"{reaction.name}.npz"
        _write_npz(npz, reaction)
        made = [
            export(reaction.joints, folder / f"{reaction.name}{EXPORT_SUFFIXES[name]}")
            for name in ("bvh", *formats)
        ]
        taken[reaction.name] = [made[0].path, npz]
        exports += made
        paths += [npz, *(each.path for each in made)]
        if film:
            paths.append(_write_film(folder / f"{reaction.name}.mp4", reaction))
    page = folder / f"{reactions[0].name}.html"
    write_page(page, reaction_document(reactions, taken))
    return ReactionFiles([*paths, page], exports)


def _require_own(folder: Path, reaction: Reaction, overwrite: bool) -> None:
    """Refuse to replace what is not of this video: clips in different folders may have one name.

    The ``.npz``, which is written first, says whose the files of its name are; without one they may be anybody's.
    """
    npz, film, *others = (folder / f"{reaction.name}{suffix}" for suffix in _SUFFIXES)
    found = video_sha256_in(npz)
    if film.exists() and (found is None or film.resolve() == reaction.video.resolve()):
        raise InputError(
            f"{film}: the film would replace the video that is there; name another folder with --out"
        )
    there = next((path for path in (npz, *others) if path.exists()), None)
    if overwrite or there is None or found == reaction.provenance["video"]["sha256"]:
        return
    whose = "not known to be of this video" if found is None else "of another video"
    raise InputError(f"{there}: exists already and is {whose}; name another --out, or --overwrite")


def _write_film(path: Path, reaction: Reaction) -> Path:
    clip = reaction.clip
    film = side_by_side(
        read_frames(reaction.video),  # upright, whatever the encoder saw
        clip.frame_count / clip.fps,
        reaction.joints,
        title=reaction.video.name,
        caption=f"{reaction.statement} {len(reaction.joints)} frames at {FPS} fps, seed {reaction.seed}.",
        sampled_seconds=clip.timestamps_seconds.tolist(),
    )
    write_mp4(path, film, FPS)
    return path


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
