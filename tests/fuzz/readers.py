"""Reading damaged files, in a process that may be killed over one."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hero_core.errors import HeroError
from hero_core.models.checkpoint import load_network, read_header
from hero_core.motion.smpl import load_body_model
from hero_core.seal import seal_of_file
from hero_core.shards import open_reader
from pipeline.sources import open_source
from pipeline.verify import verify
from tests.content import cache_content, set_content
from tests.fuzz.mutation import mutated, mutated_json
from tests.hero_core.models.test_checkpoint import Toy
from tests.trainer.test_state import IDENTITY, fresh
from trainer.state import require_same_run

REFUSED, READ, SAME = "refused", "read", "read as it was"

_SEAL, _NO_SEAL = b"hero-seal:", b"hero-none:"


@dataclass(frozen=True)
class Case:
    """A file to damage, and how it is read then.

    Attributes:
        kind: one of :data:`KINDS`.
        whole: the file. other: one that damage may take bytes of.
        folder: what is read with it; the file lies somewhere in it.
        seed: of the damage.
        unsealed: take the seal away first, which would notice any damage.
    """

    kind: str
    whole: Path
    other: Path
    folder: Path
    seed: int
    unsealed: bool = False

    def damaged(self) -> bytes:
        """The bytes; of JSON without a seal, every other time still JSON."""
        whole = self.whole.read_bytes()
        if not self.unsealed:
            return mutated(whole, self.other.read_bytes(), self.seed)
        whole = whole.replace(_SEAL, _NO_SEAL)
        if self.whole.suffix == ".json" and self.seed // 4 % 2:
            return mutated_json(whole, self.seed)
        return mutated(whole, self.other.read_bytes(), self.seed)


def outcome_of(case: Case) -> str:
    """What became of reading a damaged file: one of the words above.

    Raises:
        AssertionError: it was read as something else, or the error does not say where. Any other: a bug.
    """
    with TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(case.folder, Path(scratch) / case.folder.name))
        path = folder / case.whole.relative_to(case.folder)
        path.write_bytes(case.damaged())
        return KINDS[case.kind](case, path, folder)


def _attempts(path: Path, *actions: Callable[[], Any]) -> str:
    """Whether all of them read something."""
    refused = [_refusal(action) for action in actions]
    for text in refused:
        assert text is None or path.name in text, f"does not name the file: {text}"
    return READ if refused == [None] * len(actions) else REFUSED


def _refusal(action: Callable[[], Any]) -> str | None:
    """What the project's own error says; None where there is none."""
    try:
        action()
    except HeroError as error:
        return str(error)
    return None


@cache
def _keys(whole: Path) -> tuple[str, ...]:
    return tuple(open_reader(whole).keys())


def _shard(case: Case, path: Path, folder: Path) -> str:
    """Without its hash a shard may give other numbers; both ways of reading have to end well."""
    keys = _keys(case.whole)
    return _attempts(
        path,
        lambda: open_reader(path).keys(),
        *(lambda key=key: open_reader(path)[key] for key in keys),
        lambda: [*open_reader(path).records(keys)],
        lambda: [*open_reader(path).records(reversed(keys))],
    )


@cache
def _content(folder: Path, read: Callable[[Path], list[Any]]) -> list[Any]:
    return read(folder)


def _folder(read: Callable[[Path], list[Any]], case: Case, path: Path, folder: Path) -> str:
    """A folder gives what it gave, or an error; what is in a file without a seal cannot be told from what was."""
    problems: list[str] = []
    refusal = _refusal(lambda: problems.extend(map(str, verify(folder).problems)))
    assert refusal or problems, "verify finds nothing"
    found: list[Any] = []
    text = _refusal(lambda: found.extend(read(folder)))
    sealed = path.suffix in {".json", ".parquet"} and seal_of_file(path) == "absent"
    if text is not None:
        assert path.name in text or (sealed and folder.name in text), f"does not name the file: {text}"
        return REFUSED
    try:
        np.testing.assert_equal(found, _content(case.folder, read))
    except AssertionError:
        if sealed:
            return READ
        raise
    return SAME


def _cache(case: Case, path: Path, folder: Path) -> str:
    return _folder(cache_content, case, path, folder)


def _set(case: Case, path: Path, folder: Path) -> str:
    return _folder(set_content, case, path, folder)


def _checkpoint(case: Case, path: Path, folder: Path) -> str:
    return _attempts(path, lambda: load_network(path, Toy), lambda: read_header(path))


def _state(case: Case, path: Path, folder: Path) -> str:
    """Errors about another run name its folder."""
    loaded = _refusal(lambda: fresh(1).load(path, IDENTITY))
    looked_at = _refusal(lambda: require_same_run(path, IDENTITY))
    for text in (loaded, looked_at):
        assert text is None or str(folder) in text, f"does not name the file: {text}"
    return READ if loaded is None else REFUSED


def _table(case: Case, path: Path, folder: Path) -> str:
    """Only what a table says; the files that it names are looked at by nobody here."""
    return _attempts(path, lambda: open_source(path))


def _body(case: Case, path: Path, folder: Path) -> str:
    return _attempts(path, lambda: load_body_model(path))


KINDS: dict[str, Callable[[Case, Path, Path], str]] = {
    "tar shard": _shard,
    "HDF5 shard": _shard,
    "cache": _cache,
    "training set": _set,
    "checkpoint": _checkpoint,
    "training state": _state,
    "pair table": _table,
    "body model": _body,
}
"""What can be read, and how."""
