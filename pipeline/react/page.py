"""A reaction as a page: the video beside the moving figure, what the model looked at, and the files to take away."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hero_core.exports import export
from hero_core.motion.format import FPS
from hero_core.view.document import Document, File, ShownMotion, ShownSample
from pipeline.browser_video import VideoLimits, browser_video
from pipeline.react.reaction import Reaction


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
