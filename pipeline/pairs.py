"""A cache in, a training set out: pairs, splits, statistics, shards. Nothing is decoded, encoded or converted here.

The training set appears whole, by rename; :mod:`hero_core.training_set` says what is in it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hero_core.cache import OK, Cache, Row
from hero_core.errors import InputError
from hero_core.lock import LOCK_FILE, only_writer
from hero_core.manifest import QUARANTINE, write_table
from hero_core.mirror import Mirror
from hero_core.motion.statistics import STATISTICS_FILES, MotionStatistics
from hero_core.progress import Progress, silent
from hero_core.records import SPLITS, FeatureRecord, Pair, Split
from hero_core.shards import open_writer
from hero_core.storage import TEMPORARY_SUFFIX, atomic_folder, read_json, sha256_of_file, write_csv
from hero_core.training_set import (
    DATASET_FILE,
    QUARANTINE_FILE,
    QUARANTINE_LIST,
    PairRow,
    sample_record,
    write_description,
    write_manifest,
)
from pipeline.config import PairsConfig
from pipeline.sources import Source, SourceMotion, SourcePair, SourceVideo
from pipeline.splits import Candidate, assign_splits, leaking_groups

UNKNOWN = "unknown"


@dataclass
class PairsReport:
    """What a run did. ``sum(pairs.values()) + lost`` equals ``listed``.

    Attributes:
        listed: pairs that the source lists; a motion of its own counts as one.
        pairs: pairs written, by split.
        lost: pairs whose video or motion is not in the cache, or in its quarantine.
        reasons: why, each with how many pairs it cost.
        videos_alone: videos that no pair uses, which stay in the cache.
        leaking_sources: source videos that the data set's own split puts in more than one part.
        statistics_from: where mean and standard deviation come from.
        notes: what else is to be known, one line each.
    """

    listed: int
    pairs: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    videos_alone: int = 0
    leaking_sources: list[str] = field(default_factory=list)
    statistics_from: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Usable:
    """A listed pair, and the rows of the cache that it joins."""

    pair: SourcePair
    video: SourceVideo | None
    motion: SourceMotion
    feature_row: Row | None
    motion_row: Row

    @property
    def key(self) -> str:
        return "--".join(key for key in (self.pair.video_key, self.pair.motion_key) if key)

    def record(self, split: Split) -> Pair:
        return Pair(
            key=self.key,
            clip_key=self.pair.video_key,
            motion_key=self.pair.motion_key,
            split=split,
            broad=self.video.broad if self.video else UNKNOWN,
            subcategory=self.video.subcategory if self.video else UNKNOWN,
            source_video=self.video.group if self.video else self.motion.key,
            motion_path=self.motion.relative,
            length=self.motion_row["frames"],
            truth=self.pair.truth,
        )


def build_pairs(
    source: Source,
    cache_folder: Path,
    out: Path,
    config: PairsConfig,
    report: Progress = silent,
    mirror: Mirror | None = None,
) -> PairsReport:
    """Build the training set of ``source`` from what ``cache_folder`` holds of it, or its ``mirror``.

    Raises:
        InputError: the source lists no motions, nothing is left for training or validation, the statistics that it
            ships are none, or ``out`` holds something that may not be replaced.
        OutputError: ``out`` cannot be written, or another process writes there.
    """
    if not source.pairs:
        raise InputError(
            f"{source.place}: lists no motions; give a pair list (CSV), a release folder or motions as SOURCE"
        )
    with only_writer(out, out.with_name(f".{out.name}{LOCK_FILE}")) as remark:
        state = _built(source, Cache.open(cache_folder, mirror), out, config, report)
    state.notes += [remark] if remark else []
    return state


def _built(source: Source, cache: Cache, out: Path, config: PairsConfig, report: Progress) -> PairsReport:
    settings = _settings(source, config)
    _check_output(out, settings, config)
    shipped = _shipped_statistics(source, config)
    state = PairsReport(listed=len(source.pairs), videos_alone=_videos_alone(source))
    lost: Counter[tuple[str, str, str]] = Counter()
    usable = list(_usable(source, cache, lost))
    state.lost = lost.total()
    for (_, stage, reason), pairs in lost.items():
        state.reasons[f"{stage}: {reason}"] += pairs
    try:
        splits = _split(usable, config, state)
    except InputError as error:
        # A training set that stands there keeps the list that belongs to it.
        folder = out.with_name(f"{out.name}-failed") if (out / DATASET_FILE).is_file() else out
        _write_quarantine(folder, lost)
        raise InputError(f"{error}; what is missing and why: {folder / QUARANTINE_LIST}") from None
    with atomic_folder(out) as fresh:
        rows = _write_shards(fresh, usable, splits, cache, config, report)
        write_manifest(fresh, rows)
        _write_quarantine(fresh, lost)
        statistics = shipped or _computed_statistics(usable, splits, cache)
        statistics.values.save(fresh)
        state.statistics_from = statistics.origin
        write_description(
            fresh, rows, cache.identity, **_facts(source, cache, config, rows, state, len(lost)), **settings
        )
    return state


def _settings(source: Source, config: PairsConfig) -> dict[str, Any]:
    """What decides a training set besides its inputs."""
    return {
        "name": source.name,
        "split": config.split.model_dump(mode="json"),
        "shards": {"format": config.shard_format, "pairs_per_shard": config.pairs_per_shard},
        "statistics": config.statistics,
    }


def _check_output(out: Path, settings: Mapping[str, Any], config: PairsConfig) -> None:
    """Refuse to replace what is not a training set, or one of other settings that was not to be replaced."""
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    names = {name for name in found if not name.endswith(TEMPORARY_SUFFIX)}
    if names <= {
        QUARANTINE_LIST,
        QUARANTINE_FILE,
    }:  # empty, or of a run that failed or was killed while it did
        return
    if DATASET_FILE not in names:
        raise InputError(f"{out}: not empty and not a training set; name another output folder")
    existing = read_json(out / DATASET_FILE)
    changed = [name for name, value in settings.items() if existing.get(name) != value]
    if changed and not config.overwrite:
        raise InputError(
            f"{out}: holds a training set with another {', '.join(changed)}; replace it with --overwrite, or name "
            "another folder"
        )


def _videos_alone(source: Source) -> int:
    return len({video.key for video in source.videos} - {pair.video_key for pair in source.pairs})


def _usable(source: Source, cache: Cache, lost: Counter[tuple[str, str, str]]) -> Iterator[_Usable]:
    """Pairs whose video and motion are in the cache; every other one is counted with its reason."""
    videos = {video.key: video for video in source.videos}
    motions = {motion.key: motion for motion in source.motions}
    feature_rows, motion_rows = cache.rows("features"), cache.rows("motions")
    missing = {
        "features": _missing(cache, videos, feature_rows),
        "motions": _missing(cache, motions, motion_rows),
    }
    for pair in source.pairs:
        video = videos[pair.video_key] if pair.video_key else None
        motion = motions[pair.motion_key]
        feature_row = feature_rows.get(video.key) if video else None
        motion_row = motion_rows.get(motion.key)
        if video and (feature_row is None or feature_row["status"] != OK):
            lost[_why(video, feature_row, missing["features"])] += 1
        elif motion_row is None or motion_row["status"] != OK:
            lost[_why(motion, motion_row, missing["motions"])] += 1
        else:
            yield _Usable(pair, video, motion, feature_row, motion_row)


def _why(item: SourceVideo | SourceMotion, row: Row | None, missing: str) -> tuple[str, str, str]:
    if row is None:
        return item.relative, "cache", missing
    return item.relative, str(row["stage"]), str(row["reason"])


def _missing(cache: Cache, listed: Mapping[str, SourceVideo | SourceMotion], rows: Mapping[str, Row]) -> str:
    """Why an input has no row: it was not extracted yet, or none was, because the two sides speak of other paths."""
    again = f"run hero-pipeline extract SOURCE {cache.folder} again"
    if not rows or listed.keys() & rows.keys():
        return f"not in the cache; {again}"
    ours, theirs = next(iter(listed.values())).relative, next(iter(rows.values()))["path"]
    return (
        f"not in the cache: nothing listed is in it, e.g. this source lists {ours!r} and the cache holds {theirs!r}; "
        f"give the same SOURCE and --column to both commands, or {again}"
    )


def _split(usable: Sequence[_Usable], config: PairsConfig, state: PairsReport) -> list[Split]:
    if not usable:
        commonest = "; ".join(f"{count} x {reason}" for reason, count in state.reasons.most_common(3))
        raise InputError(f"none of {state.listed} listed pairs can be used: {commonest}")
    candidates = [
        Candidate(
            pair.video.group if pair.video else pair.motion.key,
            pair.video.subcategory if pair.video else UNKNOWN,
            pair.pair.split,
        )
        for pair in usable
    ]
    splits = assign_splits(candidates, config.split)
    state.pairs = Counter(splits)
    state.leaking_sources = leaking_groups(candidates, splits)
    return splits


def _write_shards(
    out: Path,
    usable: Sequence[_Usable],
    splits: Sequence[Split],
    cache: Cache,
    config: PairsConfig,
    report: Progress,
) -> list[PairRow]:
    rows: list[PairRow] = []
    for split in SPLITS:
        members = sorted((u for u, s in zip(usable, splits, strict=True) if s == split), key=lambda u: u.key)
        for number, start in enumerate(range(0, len(members), config.pairs_per_shard)):
            path = out / "shards" / f"{split}-{number:05d}.{config.shard_format}"
            pairs = []
            with open_writer(path) as writer:
                for member in members[start : start + config.pairs_per_shard]:
                    pair = member.record(split)
                    features = _features(member, cache)
                    writer.write(sample_record(pair.key, cache.motion(member.motion_row), features, pair))
                    pairs.append(pair)
                    report(len(rows) + len(pairs), len(usable))
            digest = sha256_of_file(path)
            rows += [PairRow(pair, path.name, digest) for pair in pairs]
    return rows


def _features(member: _Usable, cache: Cache) -> FeatureRecord | None:
    return None if member.feature_row is None else cache.features(member.feature_row)


@dataclass(frozen=True)
class _Statistics:
    """Mean and standard deviation, and where they come from."""

    values: MotionStatistics
    origin: str


def _shipped_statistics(source: Source, config: PairsConfig) -> _Statistics | None:
    """Those that the data set ships, if it does and they are wanted.

    Raises:
        InputError: a file of the two is missing, or does not hold what it should.
    """
    if source.statistics is None or config.statistics == "computed":
        return None
    paths = [source.statistics / name for name in STATISTICS_FILES]
    try:
        values = MotionStatistics.load(source.statistics)
    except InputError as error:
        raise InputError(f"{error}; --statistics computed takes those of the training motions") from None
    files = ", ".join(f"{path.name} (sha256 {sha256_of_file(path)})" for path in paths)
    return _Statistics(values, f"shipped: {files}")


def _computed_statistics(usable: Sequence[_Usable], splits: Sequence[Split], cache: Cache) -> _Statistics:
    """Those of the training motions, each once, in the order of their keys; one at a time in memory."""
    rows = {
        member.motion.key: member.motion_row
        for member, split in zip(usable, splits, strict=True)
        if split == "train"
    }
    vectors = (cache.motion(row).vectors for _, row in sorted(rows.items()))
    return _Statistics(MotionStatistics.from_vectors(vectors), f"computed from {len(rows)} training motions")


def _write_quarantine(folder: Path, lost: Mapping[tuple[str, str, str], int]) -> None:
    names = ("path", "stage", "reason")
    rows = [{**dict(zip(names, key, strict=True)), "pairs": pairs} for key, pairs in sorted(lost.items())]
    write_table(folder / QUARANTINE_FILE, QUARANTINE, rows)
    write_csv(folder / QUARANTINE_LIST, (*names, "pairs"), rows)


def _facts(
    source: Source,
    cache: Cache,
    config: PairsConfig,
    rows: Sequence[PairRow],
    state: PairsReport,
    quarantined: int,
) -> dict[str, Any]:
    pairs = [row.pair for row in rows]
    provenances = cache.provenances()
    return {
        "statement": source.statement,
        "encoder_statement": " ".join(sorted({made.statement for made in provenances})) or None,
        "provenance": [made.model_dump(mode="json") for made in provenances],
        "protocol": _protocol(source, config),
        "synchronous": source.description.synchronous,
        "statistics_from": state.statistics_from,
        "leaking_sources": state.leaking_sources,
        "counts": {
            "listed_pairs": state.listed,
            "pairs": {split: state.pairs[split] for split in SPLITS},
            "lost_pairs": state.lost,
            "quarantined_inputs": quarantined,
            "clips": len({pair.clip_key for pair in pairs} - {None}),
            "motions": len({pair.motion_key for pair in pairs}),
            "reactions": len({pair.truth.reaction for pair in pairs if pair.truth}),
        },
    }


def _protocol(source: Source, config: PairsConfig) -> str:
    stated = any(pair.split for pair in source.pairs)
    if stated and not config.split.resplit:
        return "stated by the data set"
    made = "seen / unseen" if config.split.unseen else "4:1 within each subcategory"
    return f"{made}, in place of the split that the data set states" if stated else made
