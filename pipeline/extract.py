"""Videos and motions in, a cache out. The expensive part of HERO, done once for every input.

Every input ends as an ``ok`` row or as a quarantine row with its stage and reason. A shard is planned before it is
made and no record depends on its neighbours, so a killed run, run again, gives the same bytes.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hero_core.cache import OK, QUARANTINED, Cache, Row, record_key
from hero_core.errors import ConfigError, InputError
from hero_core.fingerprint import FeatureIdentity, differences
from hero_core.lock import LOCK_FILE, only_writer
from hero_core.mirror import Mirror
from hero_core.motion.format import FPS
from hero_core.progress import Progress, silent
from hero_core.records import FeatureRecord, MotionRecord
from hero_core.shards import ArrayRecord, ShardWriter, open_writer
from hero_core.storage import sha256_of_file
from pipeline.config import ExtractConfig
from pipeline.decode.video import DecodedClip
from pipeline.encoders import Encoder
from pipeline.engines.local import ItemLimits
from pipeline.engines.work import Engine, Finished, Recipe, Work, local
from pipeline.fingerprint import feature_identity, feature_provenance
from pipeline.motions import LoadedMotion
from pipeline.sources import Source
from pipeline.workers import Input, Outcome, convert_motion, decode_video

FILES_SHOWN = 3
"""Files that a remark names."""


@dataclass
class Remark:
    """What was said of one or more files, alike but for its numbers: the first wording, how often, the first files."""

    text: str
    count: int = 0
    files: list[str] = field(default_factory=list)

    def add(self, path: str) -> None:
        """Count a file."""
        self.count += 1
        if len(self.files) < FILES_SHOWN:
            self.files.append(path)


@dataclass
class ExtractReport:
    """What a run did. When it ends, ``ok + quarantined + kept`` equals ``inputs``.

    Attributes:
        kept: inputs whose row an earlier run made.
        kept_quarantined: how many of the kept ones are in quarantine.
        reasons: of quarantine in this run, by their text without numbers.
        warnings: what was odd about inputs that are ok, likewise.
        notes: in what features of earlier runs were made otherwise, one line each.
        seconds: where this process spent its time, by stage.
    """

    inputs: int
    kept: int = 0
    kept_quarantined: int = 0
    ok: int = 0
    quarantined: int = 0
    reasons: dict[str, Remark] = field(default_factory=dict)
    warnings: dict[str, Remark] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def done(self) -> int:
        """Inputs that have their row."""
        return self.kept + self.ok + self.quarantined

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the time inside to a stage."""
        began = time.monotonic()
        yield
        self.seconds[stage] += time.monotonic() - began

    def count(self, row: Row) -> None:
        """Count a new row, and what it remarks."""
        if row["status"] == OK:
            self.ok += 1
        else:
            self.quarantined += 1
            _note(self.reasons, f"{row['stage']}: {row['reason']}", row["path"])
        for warning in row["warnings"]:
            _note(self.warnings, warning, row["path"])


def _note(remarks: dict[str, Remark], text: str, path: str) -> None:
    alike = re.sub(r"(?<![A-Za-z\d])\d+(\.\d+)?", "#", text)
    remarks.setdefault(alike, Remark(text)).add(path)


def extract(
    source: Source,
    out: Path,
    encoder: Encoder | None,
    config: ExtractConfig,
    report: Progress = silent,
    engine: Engine = local,
    mirror: Mirror | None = None,
) -> ExtractReport:
    """Make of every video and every motion of ``source`` what the cache ``out`` does not hold yet.

    Args:
        source: what to read.
        out: the cache, new or to go on with.
        encoder: for videos; None for a source of motions alone.
        config: how.
        report: told how many inputs have their row.
        engine: where inputs are read and encoded; the bytes do not depend on it.
        mirror: of ``out``, where the cache lives in an object store.

    Raises:
        FingerprintError: ``out`` holds features made in another way.
        InputError: ``out`` is another kind of folder.
        ConfigError: there are videos and no encoder.
        OutputError: ``out`` cannot be written, or another process writes there.
    """
    state = ExtractReport(inputs=len(source.videos) + len(source.motions))
    identity = identity_of(source, encoder, config)
    recipes = recipes_of(source, encoder, identity, config)
    with only_writer(out, out / LOCK_FILE) as remark:
        cache = Cache.create_or_resume(out, identity, _description(source), mirror)
        state.notes += [remark] if remark else []
        state.notes += _other_provenances(cache, encoder)
        for recipe in recipes:
            _Extraction(cache, recipe, config, state).run(engine, report)
        cache.write_quarantine()
    return state


def identity_of(source: Source, encoder: Encoder | None, config: ExtractConfig) -> FeatureIdentity | None:
    """Of the features of its videos; None for a source of motions alone.

    Raises:
        ConfigError: there are videos and no encoder.
    """
    if not source.videos:
        return None
    if encoder is None:
        raise ConfigError(f"{source.opened}: lists videos, which need an encoder")
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


def _other_provenances(cache: Cache, encoder: Encoder | None) -> list[str]:
    if encoder is None:
        return []
    mine = feature_provenance(encoder)
    return [
        f"features of an earlier run were made with another {line}"
        for earlier in cache.provenances()
        for line in differences(earlier, mine)
    ]


def _description(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "statement": source.statement,
        "kind": source.kind,
        "opened": str(source.opened),
        "columns": dict(source.columns),
        "roots": [str(root) for root in source.roots[1:]],
    }


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


def unsettled(item: Input, row: Row | None, config: ExtractConfig) -> Input | None:
    """An input if there is something to do, with the content known of it; None if its row settles it.

    A row settles a file that still has the size and the time it speaks of; else its content decides, in a worker.
    """
    retry = config.retry_quarantined and row is not None and row["status"] != OK
    if row is None or retry or row["made_by"] != item.made_by:
        return item
    try:
        status = item.path.stat()
        found: tuple[int | None, int | None] = (status.st_size, status.st_mtime_ns)
    except OSError:
        found = (None, None)
    if found == (row["bytes"], row["modified_ns"]) and not config.rehash:
        return None
    return replace(item, known_sha256=row["sha256"])


def _parts(items: Sequence[Input], size: int) -> list[Sequence[Input]]:
    """Parts of ``size`` items, the last one of what is left."""
    return [items[start : start + size] for start in range(0, len(items), size)]


class _Extraction:
    """Brings the cache's records of one kind up to date."""

    def __init__(self, cache: Cache, recipe: Recipe, config: ExtractConfig, state: ExtractReport) -> None:
        self.cache, self.recipe, self.config, self.state = cache, recipe, config, state
        self.rows = cache.rows(recipe.kind)
        """The newest row of every input."""
        self.made = {row["record"]: row for row in self.rows.values() if row["status"] == OK}
        """A row of every record."""

    def run(self, engine: Engine, report: Progress) -> None:
        """Settle every input, shard by shard."""
        found = (unsettled(item, self.rows.get(item.key), self.config) for item in self.recipe.inputs)
        todo = [item for item in found if item is not None]
        waiting = {item.key for item in todo}
        kept = [self.rows[item.key] for item in self.recipe.inputs if item.key not in waiting]
        self.state.kept += len(kept)
        self.state.kept_quarantined += sum(row["status"] != OK for row in kept)
        report(self.state.done, self.state.inputs)
        shards = [_parts(planned, self.recipe.batch) for planned in _parts(todo, self.recipe.per_shard)]
        with closing(engine(self._work([batch for shard in shards for batch in shard]))) as results:
            for number, batches in enumerate(shards, self.cache.next_part(self.recipe.kind)):
                self._write_shard(number, batches, results, report)

    def _work(self, batches: Sequence[Sequence[Input]]) -> Work:
        return Work(
            recipe=self.recipe,
            batches=batches,
            workers=self.config.workers,
            limits=ItemLimits(self.config.kill_seconds, self.config.worker_mebibytes),
            is_made=lambda outcome: _key(outcome) in self.made,
            timed=self.state.timed,
        )

    def _write_shard(
        self, number: int, batches: Sequence[Sequence[Input]], results: Iterator[Finished], report: Progress
    ) -> None:
        path = self.cache.shard_path(f"{self.recipe.kind}-{number:05d}.{self.config.shard_format}")
        rows: list[Row] = []
        with open_writer(path) as writer:
            for batch in batches:
                rows += self._write_batch(writer, path, [next(results) for _ in batch])
                report(self.state.done, self.state.inputs, f"{self.state.quarantined} quarantined")
            closing_began = time.monotonic()
        self._commit(number, path, rows)
        self.state.seconds["writing"] += time.monotonic() - closing_began

    def _write_batch(self, writer: ShardWriter, path: Path, finished: Sequence[Finished]) -> list[Row]:
        rows = []
        with self.state.timed("writing"):
            for outcome, record in finished:
                row = self._row(outcome, record, path.name)
                if record is not None and row["record"] not in self.made:
                    writer.write(ArrayRecord(row["record"], record.arrays()))
                    self.made[row["record"]] = row
                self.state.count(row)
                rows.append(row)
        return rows

    def _row(self, outcome: Outcome, record: FeatureRecord | MotionRecord | None, shard: str) -> Row:
        item, key = outcome.input, _key(outcome)
        row: Row = {
            "key": item.key,
            "kind": self.recipe.kind,
            "path": item.relative,
            "status": QUARANTINED,
            "stage": outcome.stage,
            "reason": outcome.reason,
            "warnings": list(outcome.content.warnings) if outcome.content else [],
            "sha256": outcome.sha256,
            "bytes": outcome.bytes,
            "modified_ns": outcome.modified_ns,
            "made_by": item.made_by,
        }
        if key is not None and key in self.made:  # the same content, of this input before or of another one
            row |= {name: self.made[key].get(name) for name in _OF_THE_RECORD}
        elif outcome.unchanged:
            row |= {name: self.rows[item.key][name] for name in ("stage", "reason", "warnings")}
        elif record is not None:
            row |= {"status": OK, "record": key, "shard": shard, "provenance": self.recipe.provenance}
            row |= _measures(outcome)
        return row

    def _commit(self, number: int, path: Path, rows: Sequence[Row]) -> None:
        """Write the rows, which point into a shard that is on disk; a shard without records goes."""
        if any(row.get("shard") == path.name for row in rows):
            digest = sha256_of_file(path)
            for row in rows:
                if row.get("shard") == path.name:
                    row["shard_sha256"] = digest
        else:
            path.unlink()
        self.cache.write_part(self.recipe.kind, number, rows)


_OF_THE_RECORD = ("status", "warnings", "record", "shard", "shard_sha256", "provenance", "frames", "fps")


def _key(outcome: Outcome) -> str | None:
    """Key of the record of an outcome's content; None where nothing could be read."""
    return None if outcome.sha256 is None else record_key(outcome.sha256, outcome.input.made_by)


def _measures(outcome: Outcome) -> Row:
    content = outcome.content
    if isinstance(content, DecodedClip):
        return {"frames": content.frame_count, "fps": content.fps}
    assert isinstance(content, LoadedMotion)
    return {"frames": content.record.length, "fps": float(FPS)}
