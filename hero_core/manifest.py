"""Manifests: versioned parquet tables that point into shards; ``manifests/README.md`` has the columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hero_core.errors import ManifestError
from hero_core.storage import atomic_path

_SCHEMA_KEY = b"hero.schema"
_ROWS_AT_ONCE = 512
_REQUIRED = False  # pyarrow's word for "may not be null"


def _schema(name: str, fields: Iterable["pa.Field[Any]"]) -> pa.Schema:
    return pa.schema(list(fields), metadata={_SCHEMA_KEY: name.encode()})


CACHE = _schema(
    "cache/2",
    [
        pa.field("key", pa.string(), _REQUIRED),
        pa.field("kind", pa.string(), _REQUIRED),
        pa.field("path", pa.string(), _REQUIRED),
        pa.field("status", pa.string(), _REQUIRED),
        pa.field("stage", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("warnings", pa.list_(pa.string()), _REQUIRED),
        pa.field("sha256", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("modified_ns", pa.int64()),
        pa.field("made_by", pa.string(), _REQUIRED),
        pa.field("provenance", pa.string()),
        pa.field("record", pa.string()),
        pa.field("shard", pa.string()),
        pa.field("shard_sha256", pa.string()),
        pa.field("frames", pa.int64()),
        pa.field("fps", pa.float64()),
    ],
)
"""One row for every input that was tried: where what was made of it is, or why there is nothing."""

PAIRS = _schema(
    "pairs/2",
    [
        pa.field("key", pa.string(), _REQUIRED),
        pa.field("clip_key", pa.string()),
        pa.field("motion_key", pa.string(), _REQUIRED),
        pa.field("split", pa.string(), _REQUIRED),
        pa.field("broad", pa.string(), _REQUIRED),
        pa.field("subcategory", pa.string(), _REQUIRED),
        pa.field("source_video", pa.string(), _REQUIRED),
        pa.field("motion_path", pa.string(), _REQUIRED),
        pa.field("length", pa.int64(), _REQUIRED),
        pa.field("truth_reaction", pa.string()),
        pa.field("truth_side", pa.string()),
        pa.field("truth_onset_seconds", pa.float64()),
        pa.field("shard", pa.string(), _REQUIRED),
        pa.field("shard_sha256", pa.string(), _REQUIRED),
    ],
)
"""One row for every pair in the training shards."""

QUARANTINE = _schema(
    "quarantine/1",
    [
        pa.field("path", pa.string(), _REQUIRED),
        pa.field("stage", pa.string(), _REQUIRED),
        pa.field("reason", pa.string(), _REQUIRED),
        pa.field("pairs", pa.int64(), _REQUIRED),
    ],
)
"""One row for every input that could not be used, and how many pairs it cost."""


def write_table(path: Path, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows atomically; the same rows give the same bytes.

    Raises:
        ManifestError: a row has an unknown column, lacks a required one, or a value of the wrong type.
    """
    known = set(schema.names)
    for row in rows:
        if unknown := row.keys() - known:
            raise ManifestError(f"{path}: unknown columns {sorted(unknown)}")
        missing = [field.name for field in schema if not field.nullable and row.get(field.name) is None]
        if missing:
            raise ManifestError(f"{path}: a row lacks {missing}")
    try:
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ManifestError(f"{path}: {error}") from None
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Read rows of exactly this schema; ``columns`` takes only some of their values.

    Raises:
        ManifestError: missing file, not parquet, or of another version.
    """
    return list(read_rows(path, schema, columns))


def read_rows(
    path: Path, schema: pa.Schema, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """As :func:`read_table`, one row after another, so that a large table is never in memory as a whole."""
    expected = (schema.metadata or {})[_SCHEMA_KEY].decode()
    if not path.is_file():
        raise ManifestError(f"{path}: no such manifest (expected a {expected} table)")
    try:
        with pq.ParquetFile(path) as file:
            _require_schema(path, file.schema_arrow, schema)
            names = None if columns is None else list(columns)
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=names, use_threads=False):
                yield from batch.to_pylist()
        pa.default_memory_pool().release_unused()  # that of threads would stay for good
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"{path}: cannot be read as parquet: {error}") from None


def _require_schema(path: Path, found_schema: pa.Schema, schema: pa.Schema) -> None:
    expected = (schema.metadata or {})[_SCHEMA_KEY].decode()
    found = (found_schema.metadata or {}).get(_SCHEMA_KEY, b"no schema name").decode()
    if found != expected:
        raise ManifestError(
            f"{path}: manifest of version {found!r}, this program reads {expected!r}; "
            "make it again with the hero-pipeline command that wrote it, into another folder"
        )
    if not found_schema.equals(schema):
        raise ManifestError(f"{path}: columns differ from {expected!r}; the file was edited or is damaged")
