"""What an extraction did: counts that reconcile, and what was said of files."""

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hero_core.cache import OK, Row

FILES_SHOWN = 3
"""Files that a remark names."""


@dataclass
class Remark:
    """What was said of one or more files, alike but for its numbers: the first wording, how often, the first files."""

    text: str
    count: int = 0
    files: list[str] = field(default_factory=list)

    def add(self, path: str) -> None:
        """Count a file."""
        self.count += 1
        if len(self.files) < FILES_SHOWN:
            self.files.append(path)


@dataclass
class ExtractReport:
    """What a run did. When it ends, ``ok + quarantined + kept`` equals ``inputs``.

    Attributes:
        kept: inputs whose row an earlier run made.
        kept_quarantined: how many of the kept ones are in quarantine.
        reasons: of quarantine in this run, by their text without numbers.
        warnings: what was odd about inputs that are ok, likewise.
        notes: in what features of earlier runs were made otherwise, one line each.
        seconds: where this process spent its time, by stage.
    """

    inputs: int
    kept: int = 0
    kept_quarantined: int = 0
    ok: int = 0
    quarantined: int = 0
    reasons: dict[str, Remark] = field(default_factory=dict)
    warnings: dict[str, Remark] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def done(self) -> int:
        """Inputs that have their row."""
        return self.kept + self.ok + self.quarantined

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the time inside to a stage."""
        began = time.monotonic()
        yield
        self.seconds[stage] += time.monotonic() - began

    def count(self, row: Row) -> None:
        """Count a new row, and what it remarks."""
        if row["status"] == OK:
            self.ok += 1
        else:
            self.quarantined += 1
            _note(self.reasons, f"{row['stage']}: {row['reason']}", row["path"])
        for warning in row["warnings"]:
            _note(self.warnings, warning, row["path"])


def _note(remarks: dict[str, Remark], text: str, path: str) -> None:
    alike = re.sub(r"(?<![A-Za-z\d])\d+(\.\d+)?", "#", text)
    remarks.setdefault(alike, Remark(text)).add(path)
