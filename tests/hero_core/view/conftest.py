"""A real browser, where there is one."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_OPTIONS = (
    "--use-angle=swiftshader",  # WebGL without a GPU
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--autoplay-policy=no-user-gesture-required",
)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Headless Chromium: the one of HERO_CHROMIUM, or of the system."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is absent: pip install 'hero-motion[dev]'"
    )
    program = os.environ.get("HERO_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium here; install one, or name it in HERO_CHROMIUM")
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # whom Chromium's sandbox does not take
    with api.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=program, args=[*_OPTIONS, *(["--no-sandbox"] if root else [])]
        )
        yield started
        started.close()
