"""A real browser, where there is one."""

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.chromium import chromium, started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    pytest.importorskip("playwright.sync_api", reason="playwright is absent: pip install 'hero-motion[dev]'")
    program = chromium()
    if program is None:
        pytest.skip("no Chromium here; install one, or name it in HERO_CHROMIUM")
    with started(program) as browser:
        yield browser
