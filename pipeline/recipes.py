"""How the inputs that a source lists become records: a recipe for each kind."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from hero_core.errors import ConfigError, InputError
from hero_core.fingerprint import FeatureIdentity
from hero_core.records import FeatureRecord
from pipeline.config import ExtractConfig
from pipeline.decode.video import DecodedClip
from pipeline.encoders import Encoder
from pipeline.engines.work import Finished, Recipe
from pipeline.fingerprint import feature_identity, feature_provenance
from pipeline.motions import LoadedMotion
from pipeline.sources import Source
from pipeline.workers import Input, Outcome, convert_motion, decode_video


def identity_of(source: Source, encoder: Encoder | None, config: ExtractConfig) -> FeatureIdentity | None:
    """Of the features of its videos; None for a source of motions alone.

    Raises:
        ConfigError: there are videos and no encoder.
    """
    if not source.videos:
        return None
    if encoder is None:
        raise ConfigError(f"{source.place}: lists videos, which need an encoder")
    return feature_identity(encoder, config.storage_dtype, config.batch_clips, config.rotate)


def recipes_of(
    source: Source, encoder: Encoder | None, identity: FeatureIdentity | None, config: ExtractConfig
) -> list[Recipe]:
    """A recipe for each kind of inputs that a source lists."""
    recipes = []
    if encoder is not None and identity is not None:
        recipes.append(_videos(source, encoder, identity.id, config))
    if source.motions:
        recipes.append(_motions(source, config))
    return recipes


def _videos(source: Source, encoder: Encoder, made_by: str, config: ExtractConfig) -> Recipe:
    return Recipe(
        kind="features",
        inputs=[Input(video.key, video.path, video.relative, made_by) for video in source.videos],
        stage="decode",
        awaited="decoded videos",
        read=partial(
            decode_video,
            size=encoder.image_size,
            samples=encoder.frames,
            limits=config.limits,
            rotate=config.rotate,
        ),
        finish=partial(_encode, encoder=encoder, config=config),
        finishing="encoding",
        encodes_on=encoder.device.type,
        batch=config.batch_clips,
        per_shard=config.clips_per_shard,
        provenance=json.dumps(feature_provenance(encoder).model_dump(mode="json"), sort_keys=True),
        stored=source.stored,
    )


def _motions(source: Source, config: ExtractConfig) -> Recipe:
    made_by = config.conversion.identity()
    return Recipe(
        kind="motions",
        inputs=[
            Input(
                motion.key,
                motion.path,
                motion.relative,
                made_by if motion.fps is None else f"{made_by}-{motion.fps:g}",
                stated_fps=motion.fps,
            )
            for motion in source.motions
        ],
        stage="motion",
        awaited="converted motions",
        read=partial(convert_motion, conversion=config.conversion),
        finish=_take_motions,
        finishing="writing",
        encodes_on=None,
        batch=1,
        per_shard=config.motions_per_shard,
        provenance=None,
        stored=source.stored,
    )


def _encode(outcomes: Sequence[Outcome], encoder: Encoder, config: ExtractConfig) -> Iterator[Finished]:
    """Encode a batch of always the same shape: a slot without a clip, or behind the last one, stays blank."""
    clips = [outcome.content for outcome in outcomes]
    shape = (encoder.frames, encoder.image_size, encoder.image_size, 3)
    pictures = np.zeros((config.batch_clips, *shape), np.uint8)  # (b, t, h, w, 3)
    for slot, clip in enumerate(clips):
        if isinstance(clip, DecodedClip):
            pictures[slot] = clip.frames
    features = encoder.encode(pictures) if any(clips) else None  # (b, t, d)
    for slot, (outcome, clip) in enumerate(zip(outcomes, clips, strict=True)):
        if features is None or not isinstance(clip, DecodedClip):
            yield outcome, None
            continue
        seen = replace(
            outcome, content=replace(clip, frames=clip.frames[:0])
        )  # pictures need not travel back
        try:
            yield seen, FeatureRecord.of(features[slot], clip.timestamps_seconds, config.storage_dtype)
        except InputError as error:  # not finite, e.g. out of float16's range
            yield replace(seen, stage="encode", reason=str(error)), None


def _take_motions(outcomes: Sequence[Outcome]) -> Iterator[Finished]:
    for outcome in outcomes:
        content = outcome.content
        yield outcome, content.record if isinstance(content, LoadedMotion) else None
