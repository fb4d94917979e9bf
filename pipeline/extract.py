"""Videos in, feature shards out. The expensive part of HERO, done once a video.

Every video ends as an ``ok`` row or as a quarantine row with its stage and reason. A shard is planned before it is
made and no clip's numbers depend on its neighbours, so a killed run, run again, gives the same bytes.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.files import sha256_of_file
from hero_core.fingerprint import FeatureFingerprint
from hero_core.records import Clip, FeatureRecord
from hero_core.shards import open_writer
from pipeline.config import ExtractConfig
from pipeline.decode_ahead import Decoded, decode_ahead
from pipeline.encoders import Encoder
from pipeline.feature_cache import OK, QUARANTINED, FeatureCache, Row, array_record, clip_fingerprint
from pipeline.fingerprint import feature_fingerprint
from pipeline.sources import Source, SourceVideo


@dataclass
class ExtractReport:
    """What a run did. When it ends, ``ok + quarantined + kept`` equals ``videos``.

    Attributes:
        kept: videos whose features (or quarantine row) an earlier run made.
        kept_quarantined: how many of the kept ones are quarantined.
        warned: videos that are ok with a remark in their row.
        seconds: where the time went, by stage.
    """

    videos: int
    kept: int = 0
    kept_quarantined: int = 0
    ok: int = 0
    quarantined: int = 0
    warned: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def done(self) -> int:
        """Videos that have an end."""
        return self.kept + self.ok + self.quarantined


ReportProgress = Callable[[ExtractReport], None]


def extract(
    source: Source,
    out: Path,
    encoder: Encoder,
    config: ExtractConfig,
    report: ReportProgress = lambda _: None,
) -> ExtractReport:
    """Extract the features of every video of ``source`` that ``out`` does not hold yet.

    Raises:
        FingerprintError: ``out`` holds features made in another way.
        InputError: ``out`` is another kind of folder.
    """
    cache = FeatureCache.create_or_resume(
        out,
        feature_fingerprint(encoder, config),
        {"source": {"name": source.name, "statement": source.statement, "kind": source.kind}},
    )
    rows = cache.rows()
    todo = [video for video in source.videos if not _is_settled(video, rows.get(video.key), config)]
    todo_keys = {video.key for video in todo}
    kept = [rows[video.key] for video in source.videos if video.key not in todo_keys]
    state = ExtractReport(
        videos=len(source.videos), kept=len(kept), kept_quarantined=sum(row["status"] != OK for row in kept)
    )
    report(state)
    decoded = decode_ahead(todo, encoder.image_size, encoder.frames, config.limits, config.workers)
    first = cache.next_part()
    for number, start in enumerate(range(0, len(todo), config.clips_per_shard), first):
        slots = min(config.clips_per_shard, len(todo) - start)
        _extract_shard(cache, number, slots, decoded, encoder, config, state, report)
    cache.write_quarantine(cache.rows())
    return state


def _is_settled(video: SourceVideo, row: Row | None, config: ExtractConfig) -> bool:
    """A row settles a video as long as the file's bytes are the ones it speaks of."""
    if row is None or (config.retry_quarantined and row["status"] != OK):
        return False
    return bool(row["sha256"] == (sha256_of_file(video.path) if video.path.is_file() else None))


def _extract_shard(
    cache: FeatureCache,
    number: int,
    slots: int,
    decoded: Iterator[Decoded],
    encoder: Encoder,
    config: ExtractConfig,
    state: ExtractReport,
    report: ReportProgress,
) -> None:
    path = cache.shard_path(f"features-{number:05d}.{config.shard_format}")
    rows: list[Row] = []
    with open_writer(path) as writer:
        for start in range(0, slots, config.batch_clips):
            batch = _take(decoded, min(config.batch_clips, slots - start), state)
            for item, record in _encode(batch, encoder, cache.fingerprint, config, state):
                if record is not None:
                    writer.write(array_record(record))
                rows.append(_row(item, record, cache.fingerprint, path.name))
                _count(rows[-1], state)
            report(state)
    if any(row["status"] == OK for row in rows):
        shard_sha256 = sha256_of_file(path)
        rows = [row | {"shard_sha256": shard_sha256 if row["status"] == OK else None} for row in rows]
    else:
        path.unlink()
    cache.write_part(number, rows)


def _take(decoded: Iterator[Decoded], count: int, state: ExtractReport) -> list[Decoded]:
    started = time.monotonic()
    batch = [next(decoded) for _ in range(count)]
    state.seconds["waiting for decoders"] += time.monotonic() - started
    return batch


def _encode(
    batch: Sequence[Decoded],
    encoder: Encoder,
    fingerprint: FeatureFingerprint,
    config: ExtractConfig,
    state: ExtractReport,
) -> Iterator[tuple[Decoded, FeatureRecord | None]]:
    """Encode a batch of always the same shape: a slot without a clip, or behind the last one, stays blank."""
    started = time.monotonic()
    blank = np.zeros((encoder.frames, encoder.image_size, encoder.image_size, 3), np.uint8)
    clips = [item.clip.frames if item.clip else blank for item in batch]
    clips += [blank] * (config.batch_clips - len(clips))
    features = encoder.encode(np.stack(clips)).frames.numpy()  # (b, t, d)
    state.seconds["encoding"] += time.monotonic() - started
    for item, frames in zip(batch, features, strict=False):
        if item.clip is None:
            yield item, None
            continue
        try:
            yield item, _record(item, frames, fingerprint, config)
        except InputError as error:  # not finite, e.g. out of float16's range
            yield replace(item, clip=None, stage="encode", reason=str(error)), None


def _record(
    item: Decoded, frames: NDArray[np.float32], fingerprint: FeatureFingerprint, config: ExtractConfig
) -> FeatureRecord:
    assert item.clip is not None
    return FeatureRecord(
        key=item.video.key,
        frames=frames.astype(config.storage_dtype),  # (t, d)
        global_feature=frames.mean(axis=0).astype(config.storage_dtype),  # (d,)
        timestamps_seconds=np.asarray(item.clip.timestamps_seconds, np.float64),
        fingerprint=clip_fingerprint(fingerprint, item.sha256),
    )


def _row(item: Decoded, record: FeatureRecord | None, fingerprint: FeatureFingerprint, shard: str) -> Row:
    row: Row = {
        "key": item.video.key,
        "path": item.video.relative,
        "status": QUARANTINED,
        "stage": item.stage,
        "reason": item.reason,
        "warnings": list(item.clip.warnings) if item.clip else [],
        "broad": item.video.broad,
        "subcategory": item.video.subcategory,
        "source_video": item.video.group,
        "sha256": item.sha256,
        "bytes": item.bytes,
        "fingerprint": fingerprint.id,
    }
    if record is None or item.clip is None or item.sha256 is None:
        return row
    clip = Clip(
        key=item.video.key,
        path=item.video.relative,
        broad=item.video.broad,
        subcategory=item.video.subcategory,
        frame_count=item.clip.frame_count,
        fps=item.clip.fps,
        sha256=item.sha256,
    )
    return row | {
        "status": OK,
        "frame_count": clip.frame_count,
        "fps": clip.fps,
        "frame_indices": [int(index) for index in item.clip.indices],
        "timestamps_seconds": [float(seconds) for seconds in record.timestamps_seconds],
        "shard": shard,
        "dim": record.frames.shape[1],
        "dtype": str(record.frames.dtype),
    }


def _count(row: Row, state: ExtractReport) -> None:
    if row["status"] == OK:
        state.ok += 1
    else:
        state.quarantined += 1
        state.reasons[f"{row['stage']}: {row['reason']}"] += 1
    state.warned += bool(row["warnings"])
