"""A reaction as a page: the video beside the moving figure, what the model looked at, and the files to take away."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from hero_core.exports import export
from hero_core.motion.format import FPS
from hero_core.view.compose import frames_at
from hero_core.view.document import Document, File, ShownMotion, ShownSample, ShownVideo
from pipeline.decode.video import DecodedClip, read_frames, write_mp4
from pipeline.react.reaction import Reaction


@dataclass(frozen=True)
class VideoLimits:
    """What a video in a page may take: longer ones are cut, larger ones made smaller.

    Attributes:
        seconds: longest.
        fps: highest rate.
        least_fps: lowest rate; where frames come more slowly they are repeated.
        longer_sides: pixels, tried one after another until the file is small enough.
        file_bytes: largest; a video that the smallest size does not bring below it is left out.
    """

    seconds: float = 30.0
    fps: float = 30.0
    least_fps: float = 1.0
    longer_sides: tuple[int, ...] = (640, 480, 320)
    file_bytes: int = 8_000_000


def reaction_document(
    reactions: Sequence[Reaction],
    files: Mapping[str, Sequence[Path]] | None = None,
    limits: VideoLimits | None = None,
) -> Document:
    """The page of one video's reactions, in step, each with its files and a GLB to take away.

    Args:
        reactions: to one video, one or more.
        files: of each, by its name; without them, the page makes a ``.npz`` and a ``.bvh`` itself.
        limits: of the video in it.

    Raises:
        DecodeError: the video cannot be read.
    """
    first, limits = reactions[0], limits or VideoLimits()
    provenance, clip = first.provenance, first.clip
    video = browser_video(first.video, clip, limits)
    name = str(provenance["generator"]).upper()
    motions = [
        ShownMotion.of_vectors(
            name if len(reactions) == 1 else f"{name}, seed {reaction.seed}",
            reaction.vectors,
            explained=reaction.explained,
            files=[
                *(File(path.name, path.read_bytes()) for path in (files or {}).get(reaction.name, ())),
                _glb(reaction),
            ],
        )
        for reaction in reactions
    ]
    lengths = [f"{len(reaction.joints)} frames at {FPS} fps, seed {reaction.seed}" for reaction in reactions]
    sampling = {key: value for key, value in provenance["sampling"].items() if value not in (None, False)}
    facts = [
        ("Reaction" if len(reactions) == 1 else "Reactions", "; ".join(lengths)),
        ("Video", f"{clip.frame_count} frames at {clip.fps:.4g} fps, {clip.frame_count / clip.fps:.2f} s"),
        ("Sampling", ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in sampling.items())),
        ("Made of", first.statement),
    ]
    left_out = (
        [] if video else [f"The video is larger than {limits.file_bytes:,} bytes and not in this page."]
    )
    sample = ShownSample(
        key=first.video.stem,
        title="",
        motions=motions,
        facts=facts,
        video=video,
        sampled_seconds=clip.timestamps_seconds.tolist(),
    )
    seconds = max(len(reaction.joints) for reaction in reactions) / FPS
    moved = (
        f"moved for {seconds:.1f} s"
        if len(reactions) == 1
        else f"reacted {len(reactions)} times, {seconds:.1f} s"
    )
    return Document(
        title=f"A reaction to {first.video.name}"
        if len(reactions) == 1
        else f"Reactions to {first.video.name}",
        subtitle=f"{name} watched {len(clip.timestamps_seconds)} frames and {moved}",
        samples=[sample],
        notes=[*left_out, *first.warnings],
    )


def _glb(reaction: Reaction) -> File:
    """The reaction as a mannequin that moves, which the page offers whether or not it was asked for as a file."""
    with TemporaryDirectory() as folder:
        path = export(reaction.joints, Path(folder) / f"{reaction.name}.glb").path
        return File(path.name, path.read_bytes(), "model/gltf-binary")


def browser_video(path: Path, clip: DecodedClip, limits: VideoLimits) -> ShownVideo | None:
    """A video made anew as browsers play it: upright, without its metadata, quick to seek in, and small.

    Raises:
        DecodeError: the video cannot be read.
    """
    fps = min(max(clip.fps, limits.least_fps), limits.fps)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "video.mp4"
        for side in limits.longer_sides:
            frames = _shrunk(path, clip.frame_count / clip.fps, fps, side, limits.seconds)
            write_mp4(copy, frames, fps, crf=24, keyframe_every=round(fps / 2) or 1)
            if copy.stat().st_size <= limits.file_bytes:
                return ShownVideo(path.name, copy.read_bytes())
    return None


def _shrunk(
    path: Path, seconds: float, fps: float, longer_side: int, longest_seconds: float
) -> Iterator[NDArray[np.uint8]]:
    """The frames on the screen at so many times a second, with an even height and width."""
    count = max(1, round(min(seconds, longest_seconds) * fps))
    for frame in frames_at(read_frames(path), (index / fps for index in range(count))):
        height, width = frame.shape[:2]
        scale = min(1.0, longer_side / max(height, width))
        size = max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
        yield np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
