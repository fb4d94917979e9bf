"""A folder of cached features: ``extract.json``, shards, and one manifest part a shard.

OUT/extract.json                   how the features were made, and of what
OUT/shards/features-00000.tar      records
OUT/manifest/features-00000.parquet  one row a clip that was tried; written after its shard
OUT/quarantine.csv                 the rows that are not ok, for people
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hero_core.config import parse_config
from hero_core.errors import FingerprintError, InputError, ManifestError
from hero_core.files import read_json, remove_partial_files, sha256_of_json, write_json, write_text
from hero_core.fingerprint import FeatureFingerprint
from hero_core.manifest import FEATURES, read_table, write_table
from hero_core.records import FeatureRecord
from hero_core.shards import ArrayRecord, ShardReader, open_reader

SCHEMA = "feature-cache/1"

OK = "ok"
QUARANTINED = "quarantined"

Row = dict[str, Any]


class FeatureCache:
    """Features on disk, read and grown shard by shard."""

    def __init__(self, folder: Path, description: Mapping[str, Any]) -> None:
        self.folder = folder
        self.description = description
        self.fingerprint = parse_config(
            FeatureFingerprint, description["fingerprint"], str(folder / "extract.json")
        )
        self._readers: dict[str, ShardReader] = {}

    @classmethod
    def open(cls, folder: Path) -> "FeatureCache":
        """Open an existing cache.

        Raises:
            InputError: no cache there. ManifestError: made by another version.
        """
        if not (folder / "extract.json").is_file():
            raise InputError(
                f"{folder}: no feature cache here; make one with: hero-pipeline extract SOURCE {folder}"
            )
        description = read_json(folder / "extract.json")
        if description.get("schema") != SCHEMA:
            raise ManifestError(
                f"{folder}: feature cache of version {description.get('schema')!r}, this program reads {SCHEMA!r}; "
                "extract again into another folder"
            )
        return cls(folder, description)

    @classmethod
    def create_or_resume(
        cls, folder: Path, fingerprint: FeatureFingerprint, description: Mapping[str, Any]
    ) -> "FeatureCache":
        """Begin a cache, or go on with one made in the same way.

        Raises:
            FingerprintError: the folder holds features made in another way; says in what they differ.
            InputError: the folder holds something else.
        """
        if (folder / "extract.json").is_file():
            cache = cls.open(folder)
            if differences := cache.fingerprint.differences(fingerprint):
                raise FingerprintError(
                    f"{folder}: its features were made in another way ({'; '.join(differences)}); "
                    "extract into another folder, or with the settings of this one"
                )
            remove_partial_files(folder / "shards")
            remove_partial_files(folder / "manifest")
            return cache
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder}: not empty and not a feature cache; name another output folder")
        write_json(
            folder / "extract.json",
            {"schema": SCHEMA, "fingerprint": fingerprint.model_dump(mode="json"), **description},
        )
        return cls.open(folder)

    def parts(self) -> list[Path]:
        """Manifest parts in the order of writing."""
        return sorted((self.folder / "manifest").glob("features-*.parquet"))

    def next_part(self) -> int:
        """Number of the next shard."""
        parts = self.parts()
        return int(parts[-1].stem.removeprefix("features-")) + 1 if parts else 0

    def rows(self) -> dict[str, Row]:
        """The newest row of every clip, by key."""
        newest: dict[str, Row] = {}
        for part in self.parts():
            newest |= {row["key"]: row for row in read_table(part, FEATURES)}
        return newest

    def shard_path(self, name: str) -> Path:
        """Where a shard lies."""
        return self.folder / "shards" / name

    def write_part(self, number: int, rows: Sequence[Row]) -> None:
        """Commit the rows of one shard; from now on its clips count as done."""
        write_table(self.folder / "manifest" / f"features-{number:05d}.parquet", FEATURES, rows)

    def read(self, row: Mapping[str, Any]) -> FeatureRecord:
        """The features that a manifest row points to.

        Raises:
            FingerprintError: the shard holds features of another video or made in another way.
            ShardError: the shard is missing or damaged.
        """
        shard = row["shard"]
        if shard not in self._readers:
            self._readers[shard] = open_reader(self.shard_path(shard))
        record = feature_record(self._readers[shard][row["key"]])
        if record.fingerprint != clip_fingerprint(self.fingerprint, row["sha256"]):
            raise FingerprintError(
                f"{self.shard_path(shard)}: the features of {row['key']} are not the ones of this cache's manifest; "
                f"the shard comes from elsewhere. Remove {self.folder} and extract again"
            )
        return record

    def write_quarantine(self, rows: Mapping[str, Row]) -> None:
        """List what is not ok in ``quarantine.csv``, for people and spreadsheets."""
        buffer = io.StringIO()
        table = csv.writer(buffer, lineterminator="\n")
        table.writerow(("path", "stage", "reason"))
        for row in rows.values():
            if row["status"] != OK:
                table.writerow((row["path"], row["stage"], row["reason"]))
        write_text(self.folder / "quarantine.csv", buffer.getvalue())


def clip_fingerprint(fingerprint: FeatureFingerprint, video_sha256: str | None) -> str:
    """What made one clip's features: this video's bytes, in this cache's way."""
    return sha256_of_json({"features": fingerprint.id, "video": video_sha256})[:16]


def array_record(record: FeatureRecord) -> ArrayRecord:
    """A feature record as it lies in a shard."""
    arrays = {
        "frames": record.frames,
        "global": record.global_feature,
        "timestamps_seconds": record.timestamps_seconds,
    }
    return ArrayRecord(record.key, arrays, {"fingerprint": record.fingerprint})


def feature_record(record: ArrayRecord) -> FeatureRecord:
    """The other way round."""
    return FeatureRecord(
        key=record.key,
        frames=record.arrays["frames"],
        global_feature=record.arrays["global"],
        timestamps_seconds=np.asarray(record.arrays["timestamps_seconds"], np.float64),
        fingerprint=str(record.meta["fingerprint"]),
    )
