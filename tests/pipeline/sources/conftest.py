"""Empty files that a source can list; nothing here is ever opened."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def touch() -> Callable[..., None]:
    """Make empty files, and the folders above them."""

    def make(*paths: Path) -> None:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    return make
