"""Manifests: versioned parquet tables that point into shards; ``manifests/README.md`` has the columns.

A table is sealed (:mod:`hero_core.seal`), so that no damage to it is read as rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hero_core.errors import InputError, ManifestError
from hero_core.seal import SEAL_KEY, UNSEALED, require_unbroken, seal_of, sealed
from hero_core.storage import write_bytes

_SCHEMA_KEY = b"hero.schema"
_SEAL_KEY = f"hero.{SEAL_KEY}"
_DAMAGED = "restore it from a copy; hero-pipeline verify FOLDER says what else is wrong and how to mend it"
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

PLAN = _schema(
    "plan/1",
    [
        pa.field("kind", pa.string(), _REQUIRED),
        pa.field("number", pa.int64(), _REQUIRED),
        pa.field("keys", pa.list_(pa.string()), _REQUIRED),
    ],
)
"""One row for every planned shard of a cache: its number, and the inputs that it is made of, in order."""

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
        data = _parquet(table)
    except (pa.ArrowInvalid, pa.ArrowTypeError, InputError) as error:
        raise ManifestError(f"{path}: {error}") from None
    write_bytes(path, data)


def _parquet(table: pa.Table) -> bytes:
    file = pa.BufferOutputStream()
    with pq.ParquetWriter(file, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_SEAL_KEY: UNSEALED})
    return sealed(file.getvalue().to_pybytes())


def read_table(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Read rows of exactly this schema; ``columns`` takes only some of their values.

    Raises:
        ManifestError: missing file, not parquet, damaged, or of another version.
    """
    return list(read_rows(path, schema, columns))


def read_rows(
    path: Path, schema: pa.Schema, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """As :func:`read_table`, one row after another, so that a large table is never in memory as a whole."""
    with _opened(path, schema) as file:
        names = None if columns is None else list(columns)
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=names, use_threads=False):
            yield from batch.to_pylist()
    pa.default_memory_pool().release_unused()  # that of threads would stay for good


def read_columns(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """As :func:`read_table`, column by column: a row costs its values, not a dictionary of them."""
    with _opened(path, schema) as file:
        table = file.read(None if columns is None else list(columns), use_threads=False)
        table.validate(full=True)  # else what is no text is met later, and the error does not name the file
        return table


def newest_rows(table: pa.Table) -> pa.Table:
    """The last row of every ``key``, in the order in which the keys first came."""
    places = pa.table({"key": table["key"], "place": np.arange(len(table))})
    of_keys = places.group_by("key", use_threads=False).aggregate([("place", "min"), ("place", "max")])
    if len(of_keys) == len(table):
        return table  # each key once, and no copy of them all
    order = np.argsort(of_keys["place_min"].to_numpy(), kind="stable")
    return table.take(of_keys["place_max"].to_numpy()[order])


@contextmanager
def _opened(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetFile]:
    expected = (schema.metadata or {})[_SCHEMA_KEY].decode()
    if not path.is_file():
        raise ManifestError(f"{path}: no such manifest (expected a {expected} table)")
    try:
        data = path.read_bytes()  # whole, so that what is read is what was checked; it is compressed
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    require_unbroken(path, seal_of(data), _DAMAGED)
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            _require_schema(path, file.schema_arrow, schema)
            yield file
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise ManifestError(f"{path}: cannot be read as parquet: {error}; {_DAMAGED}") from None


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
