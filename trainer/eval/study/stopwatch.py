"""How long jobs take, over all calls of the command that did them."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hero_core.progress import Progress
from hero_core.storage import read_json, write_json

_WRITE_SECONDS = 5.0
_SUFFIX = ".json"


@contextmanager
def timed(folder: Path, job: str, report: Progress) -> Iterator[Progress]:
    """Write down how long a job takes, added to what it took before; of a killed one all but the last seconds."""
    path = folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', job)}{_SUFFIX}"
    before = float(read_json(path)["seconds"]) if path.is_file() else 0.0
    began = written = time.monotonic()

    def write() -> None:
        write_json(path, {"job": job, "seconds": round(before + time.monotonic() - began, 2)})

    def listen(done: int, total: int, note: str = "") -> None:
        nonlocal written
        report(done, total, note)
        if time.monotonic() - written >= _WRITE_SECONDS:
            written = time.monotonic()
            write()

    try:
        yield listen
    finally:
        write()


def seconds_of_jobs(folder: Path) -> Mapping[str, float]:
    """By job."""
    found = [read_json(path) for path in sorted(folder.glob(f"*{_SUFFIX}"))]
    return {str(values["job"]): float(values["seconds"]) for values in found}
