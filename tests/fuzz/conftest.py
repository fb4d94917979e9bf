"""How many files are damaged, and what became of them."""

import os
from collections import Counter
from collections.abc import Callable

import pytest
import torch

from pipeline.encoders import Encoder, random_tc_clip
from tests.pipeline.conftest import TINY

DEFAULT_FILES = 1000
FILES = int(os.environ.get("HERO_FUZZ", DEFAULT_FILES))
"""Of all kinds together; as many seconds and some are given to them."""

Count = Callable[[str, str], None]

_OUTCOMES = pytest.StashKey[Counter[tuple[str, str]]]()


@pytest.fixture(scope="session")
def tiny_encoder() -> Encoder:
    """TC-CLIP of a few thousand random weights."""
    return random_tc_clip(5, torch.device("cpu"), torch.float32, TINY)


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Count:
    """Counts an outcome of a kind of file, for the summary."""
    outcomes = request.config.stash.setdefault(_OUTCOMES, Counter())

    def add(kind: str, outcome: str) -> None:
        outcomes[kind, outcome] += 1

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line a kind, where the number of files was chosen."""
    outcomes = terminalreporter.config.stash.get(_OUTCOMES, Counter())
    if not outcomes or "HERO_FUZZ" not in os.environ:
        return
    terminalreporter.section(f"{outcomes.total()} damaged files")
    for kind in dict.fromkeys(kind for kind, _ in outcomes):
        found = {outcome: number for (each, outcome), number in outcomes.items() if each == kind}
        words = ", ".join(f"{number} {outcome}" for outcome, number in sorted(found.items()))
        terminalreporter.line(f"{sum(found.values())} x {kind}: {words}")
