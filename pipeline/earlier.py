"""What parts of a cache's manifest know already: which inputs are settled, and which records need not be made again.

Held column by column, since there may be millions of rows. A whole row is read from its part when it is asked for.
"""

import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hero_core.cache import OK, Row, part_number
from hero_core.manifest import CACHE, newest_rows, read_columns, read_table
from pipeline.workers import Input, size_and_time

_COLUMNS = ("key", "status", "sha256", "bytes", "modified_ns", "made_by", "provenance", "record")
_PART = "part"  # a column beside them: number of the part that a row stands in
_NOT_READ = -1
"""In place of a size and a time, where there is no such file, or a folder or pipe in its place."""


class Earlier:
    """The newest rows of one kind in some parts of a manifest."""

    def __init__(self, rows: pa.Table, parts: Mapping[int, Path]) -> None:
        """Take rows with the columns above, in the order of writing, and the parts by number."""
        self._rows, self._parts = rows, parts
        newest = newest_rows(rows)
        self._keys, self._made_by, self._sha256 = newest["key"], newest["made_by"], newest["sha256"]
        self._is_ok: NDArray[np.bool_] = pc.equal(newest["status"], pa.scalar(OK)).to_numpy()
        self._bytes, self._modified_ns = (_numbers(newest, name) for name in ("bytes", "modified_ns"))
        self._part: NDArray[np.int64] = newest[_PART].to_numpy()
        self._record = newest["record"]
        self.provenances: list[str | None] = pc.unique(newest["provenance"]).to_pylist()
        """Each that a row names, once."""
        self._row_of = lru_cache(maxsize=4)(self._read)  # who is asked for a row is asked for its neighbours

    @classmethod
    def read(cls, parts: Sequence[Path]) -> Self:
        """Read parts, given in the order of writing.

        Raises:
            ManifestError: one is damaged.
        """
        tables = [_table(CACHE.empty_table().select(list(_COLUMNS)), 0)]
        tables += [_table(read_columns(part, CACHE, _COLUMNS), part_number(part)) for part in parts]
        return cls(pa.concat_tables(tables), {part_number(part): part for part in parts})

    def before(self, number: int) -> "Earlier":
        """What the parts of smaller numbers know."""
        if all(part < number for part in self._parts):
            return self
        return Earlier(self._rows.filter(pc.less(self._rows[_PART], pa.scalar(number))), self._parts)

    @cached_property
    def _records(self) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
        """Keys of all records, sorted, ``(n,)``, and of each the first part with a row that points to it."""
        is_ok = pa.array(self._is_ok)
        keys = np.asarray(self._record.filter(is_ok).to_pylist(), "S")
        unique, first = np.unique(keys, return_index=True)
        return unique, self._part[self._is_ok][first]

    def places(self, inputs: Sequence[Input]) -> NDArray[np.int64]:
        """Which row speaks of each input, ``(n,)``; -1 where none does."""
        keys = pa.array([item.key for item in inputs], pa.string())
        found = pc.index_in(keys, value_set=self._keys)
        return np.asarray(found.fill_null(-1).to_numpy(), np.int64)

    def is_ok(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of these rows is ok."""
        return self._is_ok[places]

    def settled(self, inputs: Sequence[Input], retry: bool, rehash: bool, unread: bool) -> NDArray[np.bool_]:
        """Which inputs have a row, made as they would be, and a file that still has the size and the time in it: (n,).

        Args:
            inputs: of any number.
            retry: none that is in quarantine. rehash: none at all.
            unread: also those whose file could not be read then and is there now.
        """
        places = self.places(inputs)
        settled = self._made_alike(inputs, places, retry) & (not rehash)
        for index in np.flatnonzero(settled).tolist():
            place = places[index]
            was = (self._bytes[place], self._modified_ns[place])
            settled[index] = (unread and was[0] == _NOT_READ) or was == _size_and_time(inputs[index].path)
        return settled

    def with_known_content(self, inputs: Sequence[Input], retry: bool) -> list[Input]:
        """The inputs, with the content that a row knows of them; with ``retry``, not of those in quarantine."""
        places = self.places(inputs)
        known = self._made_alike(inputs, places, retry)
        contents = iter(self._sha256.take(places[known]).to_pylist())
        return [
            replace(item, known_sha256=next(contents)) if is_known else item
            for item, is_known in zip(inputs, known.tolist(), strict=True)
        ]

    def row_of_input(self, key: str) -> Row:
        """The row of an input that has one."""
        (place,) = self.places([Input(key, Path(), "", "")])
        return self._row_of(int(self._part[place]))[key]

    def row_of_record(self, record: str) -> Row | None:
        """A row of an input from which this record was made; the first, where there are several."""
        place = self._place_of(record)
        if place is None:
            return None
        part = int(self._records[1][place])
        return next(row for row in self._row_of(part).values() if row["record"] == record)

    def holds(self, record: str) -> bool:
        """Whether there is this record."""
        return self._place_of(record) is not None

    def _place_of(self, record: str) -> int | None:
        keys, _ = self._records
        place = int(np.searchsorted(keys, record.encode()))
        return place if place < len(keys) and keys[place] == record.encode() else None

    def _read(self, part: int) -> dict[str, Row]:
        return {row["key"]: row for row in read_table(self._parts[part], CACHE)}

    def _made_alike(
        self, inputs: Sequence[Input], places: NDArray[np.int64], retry: bool
    ) -> NDArray[np.bool_]:
        """Which inputs have a row that names the way in which they would be made now, ``(n,)``.

        With ``retry`` it has to be ok besides.
        """
        found = np.flatnonzero(places >= 0)
        now = pa.array([inputs[index].made_by for index in found.tolist()], pa.string())
        alike = np.zeros(len(inputs), bool)
        alike[found] = pc.equal(self._made_by.take(places[found]), now).to_numpy()
        if retry:
            alike[found] &= self.is_ok(places[found])
        return alike


def _table(rows: pa.Table, part: int) -> pa.Table:
    """Rows of a part with its number; provenances, which are long and nearly all alike, are kept once."""
    return rows.append_column(_PART, pa.array(np.full(len(rows), part))).set_column(
        rows.schema.get_field_index("provenance"), "provenance", pc.dictionary_encode(rows["provenance"])
    )


def _numbers(table: pa.Table, name: str) -> NDArray[np.int64]:
    filled = pc.fill_null(table[name], pa.scalar(_NOT_READ, pa.int64()))
    return np.asarray(filled, np.int64)


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return _NOT_READ, _NOT_READ
    return size_and_time(status) if stat.S_ISREG(status.st_mode) else (_NOT_READ, _NOT_READ)
