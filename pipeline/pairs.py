"""Cached features and motions in, training data out: pairs, splits, statistics, shards.

    OUT/dataset.json          what this is, how its features were made, counts
    OUT/pairs.parquet         one row a pair
    OUT/quarantine.parquet    one row an input that could not be used (and quarantine.csv, for people)
    OUT/Mean.npy, Std.npy     of the training motions
    OUT/shards/train-00000.tar ...

The folder appears whole, by rename.
"""

import csv
import io
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hero_core.checkpoints import replace_folder
from hero_core.errors import InputError
from hero_core.files import sha256_of_file, sha256_of_json, write_json, write_text
from hero_core.manifest import PAIRS, QUARANTINE, write_table
from hero_core.motion.normaliser import Normaliser
from hero_core.records import MotionRecord, Pair, Split
from hero_core.shards import ArrayRecord, open_reader, open_writer
from pipeline.config import PairsConfig
from pipeline.feature_cache import OK, FeatureCache, Row
from pipeline.motions import LoadedMotion, MotionError, load_motion
from pipeline.sources import Source, SourcePair, SourceVideo
from pipeline.splits import Candidate, assign_splits, leaking_groups

SCHEMA = "training-data/1"
SPLITS: tuple[Split, ...] = ("train", "val", "test")
MOTIONS_KEPT = 32
"""Motions that stay in memory in case the next pair wants the same one."""


@dataclass
class PairsReport:
    """What a run did. ``sum(pairs.values()) + lost`` equals ``listed``.

    Attributes:
        listed: pairs the source lists.
        pairs: pairs written, by split.
        lost: pairs whose video or motion is quarantined.
        quarantined: rows of the quarantine table, one an input.
        warned: pairs whose motion was mended on the way, e.g. cropped to 10 s.
        leaking_sources: source videos that the data set's own split puts both in test and in training.
    """

    listed: int
    pairs: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    quarantined: int = 0
    warned: int = 0
    leaking_sources: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Candidate:
    """A listed pair whose video has features."""

    pair: SourcePair
    video: SourceVideo
    feature_row: Row


ReportProgress = Callable[[int, int], None]


def build_pairs(
    source: Source,
    features: Path,
    out: Path,
    config: PairsConfig,
    report: ReportProgress = lambda done, total: None,
) -> PairsReport:
    """Build the training data of ``source`` from the feature cache ``features``.

    Raises:
        InputError: the source lists no motions, nothing is left for training or validation, or ``out`` is
            another kind of folder.
    """
    if not source.pairs:
        raise InputError(
            f"{source.root}: lists no motions; give a pair list (CSV) or a release folder as SOURCE"
        )
    _check_output(out)
    cache = FeatureCache.open(features)
    state = PairsReport(listed=len(source.pairs))
    quarantine = _Quarantine()
    motions = _Motions(config)
    usable = _usable(source, cache, motions, quarantine, report)
    splits = _split(usable, config, state)
    fresh = out.with_name(f".{out.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    rows: list[dict[str, Any]] = []
    for split in SPLITS:
        members = sorted(
            (c for c, s in zip(usable, splits, strict=True) if s == split), key=lambda c: _pair_key(c.pair)
        )
        rows += _write_split(fresh, split, members, cache, motions, config)
    _finish(fresh, source, cache, config, rows, quarantine, state)
    replace_folder(fresh, out)
    return state


def _check_output(out: Path) -> None:
    if out.exists() and any(out.iterdir()) and not (out / "dataset.json").is_file():
        raise InputError(f"{out}: not empty and not training data; name another output folder")


class _Motions:
    """Loads motions, remembering the last few."""

    def __init__(self, config: PairsConfig) -> None:
        self._config = config
        self.load = lru_cache(MOTIONS_KEPT)(self._load)

    def _load(self, path: Path, stated_fps: float | None) -> LoadedMotion:
        fps = self._config.motion_fps or stated_fps
        return load_motion(path, fps=fps, body_model=self._config.body_model)


class _Quarantine:
    """Inputs that could not be used, and how many pairs each cost."""

    def __init__(self) -> None:
        self._pairs: Counter[tuple[str, str, str]] = Counter()

    def add(self, path: str, stage: str, reason: str) -> None:
        self._pairs[path, stage, reason] += 1

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"path": path, "stage": stage, "reason": reason, "pairs": pairs}
            for (path, stage, reason), pairs in sorted(self._pairs.items())
        ]

    @property
    def lost_pairs(self) -> int:
        return sum(self._pairs.values())


def _usable(
    source: Source, cache: FeatureCache, motions: _Motions, quarantine: _Quarantine, report: ReportProgress
) -> list[_Candidate]:
    """Pairs whose video has features and whose motion can be read; every other one is quarantined."""
    videos = {video.key: video for video in source.videos}
    rows = cache.rows()
    usable: list[_Candidate] = []
    for done, pair in enumerate(source.pairs, 1):
        video = videos[pair.video_key]
        row = rows.get(pair.video_key)
        if row is None:
            quarantine.add(
                video.relative, "features", "not in the feature cache; run hero-pipeline extract again"
            )
        elif row["status"] != OK:
            quarantine.add(video.relative, str(row["stage"]), str(row["reason"]))
        else:
            try:
                motions.load(pair.motion, pair.motion_fps)
                usable.append(_Candidate(pair, video, row))
            except MotionError as error:
                quarantine.add(pair.motion_relative, "motion", error.reason)
        report(done, len(source.pairs))
    return usable


def _split(usable: Sequence[_Candidate], config: PairsConfig, state: PairsReport) -> list[Split]:
    candidates = [Candidate(c.video.group, c.video.subcategory, c.pair.split) for c in usable]
    splits = assign_splits(candidates, config.split)
    state.pairs = Counter(splits)
    state.leaking_sources = leaking_groups(candidates, splits)
    for needed in ("train", "val"):
        if not state.pairs[needed]:
            raise InputError(
                f"no pair is left for {needed}: {len(usable)} of {state.listed} listed pairs are usable, from "
                f"{len({c.group for c in candidates})} source videos; add data or change the shares"
            )
    return splits


def _pair_key(pair: SourcePair) -> str:
    return f"{pair.video_key}--{pair.motion_key}"


def _write_split(
    out: Path,
    split: Split,
    members: Sequence[_Candidate],
    cache: FeatureCache,
    motions: _Motions,
    config: PairsConfig,
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, start in enumerate(range(0, len(members), config.pairs_per_shard)):
        path = out / "shards" / f"{split}-{number:05d}.{config.shard_format}"
        shard_rows: list[dict[str, Any]] = []
        with open_writer(path) as writer:
            for candidate in members[start : start + config.pairs_per_shard]:
                motion = motions.load(candidate.pair.motion, candidate.pair.motion_fps)
                record = MotionRecord(
                    candidate.pair.motion_key, motion.vectors, candidate.pair.motion_relative
                )
                pair = _pair(candidate, split)
                writer.write(_sample(pair, record, candidate, cache))
                shard_rows.append(_row(pair, record, candidate, path.name, motion.warnings))
        digest = sha256_of_file(path)
        rows += [row | {"shard_sha256": digest} for row in shard_rows]
    return rows


def _pair(candidate: _Candidate, split: Split) -> Pair:
    return Pair(
        key=_pair_key(candidate.pair),
        clip_key=candidate.video.key,
        motion_key=candidate.pair.motion_key,
        split=split,
        broad=candidate.video.broad,
        subcategory=candidate.video.subcategory,
    )


def _sample(pair: Pair, motion: MotionRecord, candidate: _Candidate, cache: FeatureCache) -> ArrayRecord:
    features = cache.read(candidate.feature_row)
    arrays: dict[str, NDArray[Any]] = {
        "frames": features.frames,
        "global": features.global_feature,
        "timestamps_seconds": features.timestamps_seconds,
        "motion": motion.vectors.astype(np.float32),
    }
    meta = {
        "clip_key": pair.clip_key,
        "motion_key": pair.motion_key,
        "broad": pair.broad,
        "subcategory": pair.subcategory,
    }
    return ArrayRecord(pair.key, arrays, meta)


def _row(
    pair: Pair, motion: MotionRecord, candidate: _Candidate, shard: str, warnings: Sequence[str]
) -> dict[str, Any]:
    truth = candidate.pair.truth
    return {
        "key": pair.key,
        "clip_key": pair.clip_key,
        "motion_key": pair.motion_key,
        "split": pair.split,
        "broad": pair.broad,
        "subcategory": pair.subcategory,
        "source_video": candidate.video.group,
        "motion_source": motion.source,
        "length": motion.length,
        "shard": shard,
        "warnings": list(warnings),
        "truth_reaction": truth.reaction if truth else None,
        "truth_side": truth.side if truth else None,
        "truth_onset_seconds": truth.onset_seconds if truth else None,
    }


def _finish(
    out: Path,
    source: Source,
    cache: FeatureCache,
    config: PairsConfig,
    rows: Sequence[Mapping[str, Any]],
    quarantine: _Quarantine,
    state: PairsReport,
) -> None:
    write_table(out / "pairs.parquet", PAIRS, rows)
    lost = quarantine.rows()
    write_table(out / "quarantine.parquet", QUARANTINE, lost)
    write_text(out / "quarantine.csv", _csv(lost))
    Normaliser.from_vectors(_training_motions(out, rows)).save(out)
    state.lost, state.quarantined = quarantine.lost_pairs, len(lost)
    state.warned = sum(bool(row["warnings"]) for row in rows)
    write_json(out / "dataset.json", _description(source, cache, config, rows, state))


def _training_motions(out: Path, rows: Sequence[Mapping[str, Any]]) -> Iterator[NDArray[np.float32]]:
    """Every motion of the training part once, read back from the shards, so that memory stays small."""
    seen: set[str] = set()
    by_shard: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["split"] == "train" and row["motion_key"] not in seen:
            seen.add(row["motion_key"])
            by_shard[row["shard"]].append(row)
    for shard, members in by_shard.items():
        reader = open_reader(out / "shards" / shard)
        for row in members:
            yield np.asarray(reader[row["key"]].arrays["motion"])


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, ("path", "stage", "reason", "pairs"), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return buffer.getvalue()


def _description(
    source: Source,
    cache: FeatureCache,
    config: PairsConfig,
    rows: Sequence[Mapping[str, Any]],
    state: PairsReport,
) -> dict[str, Any]:
    protocol = (
        "stated by the data set"
        if any(pair.split for pair in source.pairs)
        else ("seen / unseen" if config.split.unseen else "4:1 within each subcategory")
    )
    shards = sorted({(row["shard"], row["shard_sha256"]) for row in rows})
    return {
        "schema": SCHEMA,
        "name": source.name,
        "statement": source.statement,
        "encoder": cache.fingerprint.encoder.model_dump(mode="json"),
        "features": cache.fingerprint.model_dump(mode="json"),
        "features_fingerprint": cache.fingerprint.id,
        "fingerprint": sha256_of_json({"features": cache.fingerprint.id, "shards": shards})[:16],
        "protocol": protocol,
        "split": config.split.model_dump(mode="json"),
        "leaking_sources": state.leaking_sources,
        "counts": {
            "listed_pairs": state.listed,
            "pairs": {split: state.pairs[split] for split in SPLITS},
            "lost_pairs": state.lost,
            "quarantined_inputs": state.quarantined,
            "clips": len({row["clip_key"] for row in rows}),
            "motions": len({row["motion_key"] for row in rows}),
            "reactions": len({row["truth_reaction"] for row in rows} - {None}),
        },
    }
