"""Damaged files of the project's own and of users, read: as they were, or not at all, or with an error of ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.encoders import Encoder
from pipeline.engines.local import Broken, ItemLimits, ordered_map
from tests.fuzz.conftest import FILES, Count
from tests.fuzz.readers import Case, outcome_of
from tests.fuzz.seeds import files_of, write_readable

pytestmark = pytest.mark.timeout(300 + 3 * FILES)

LIMITS = ItemLimits(seconds=30, mebibytes=4096)
BROKEN = ("killed by signal", "over ")
"""How a process ends that never comes back, crashes, or takes too much memory."""


def cases(folder: Path) -> Iterator[Case]:
    """Without end; every kind and every file comes again and again, with another seed."""
    tars, hdf5s = (
        [path for path in files_of(folder) if path.suffix == suffix and path.parent.name == "shards"]
        for suffix in (".tar", ".h5")
    )
    caches, sets = (sorted(folder.glob(f"{name} *")) for name in ("cache", "set"))
    tables = [folder / "source" / f"pairs.{suffix}" for suffix in ("csv", "parquet")]
    seed = 0
    while True:
        for kind, files in (
            ("tar shard", tars),
            ("HDF5 shard", hdf5s),
            ("checkpoint", files_of(folder / "checkpoint")),
            ("training state", files_of(folder / "state")),
            ("pair table", tables),
            ("body model", files_of(folder / "body")),
        ):
            whole, other = _two_of(files, seed)
            yield Case(kind, whole, other, whole.parent, seed)
        for kind, folders in (("cache", caches), ("training set", sets)):
            inside = folders[seed % len(folders)]
            files = files_of(inside)
            yield Case(kind, *_two_of(files, seed // len(folders)), inside, seed)
            sealed = [path for path in files if path.suffix in {".json", ".parquet"}]
            yield Case(kind, *_two_of(sealed, seed // len(folders)), inside, seed, unsealed=True)
        seed += 1


def _two_of(files: list[Path], seed: int) -> tuple[Path, Path]:
    return files[seed % len(files)], files[(seed + 1) % len(files)]


def test_no_damage_is_read_or_ends_in_a_traceback(
    tmp_path: Path, tiny_encoder: Encoder, count: Count
) -> None:
    """In processes that may be killed, so that a crash and a hang are seen too.

    The HDF5 library does both now and then. The project hashes such a shard before it opens it, but here it is opened.
    """
    write_readable(tmp_path, tiny_encoder)
    number = -(-FILES // 3)
    todo = [case for case, _ in zip(cases(tmp_path), range(number), strict=False)]
    wrong = []
    for case, outcome in zip(todo, ordered_map(outcome_of, todo, 2, LIMITS), strict=True):
        if not isinstance(outcome, Broken):
            count(f"{case.kind}{', unsealed' * case.unsealed}", outcome)
        elif case.kind == "HDF5 shard" and outcome.reason.startswith(BROKEN):
            count(case.kind, "broke its process")
        else:
            wrong.append((str(case.whole.relative_to(tmp_path)), case.seed, case.unsealed, outcome.reason))
    assert not wrong
