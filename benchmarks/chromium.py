"""A real browser without a window, for pictures of the page and for its tests."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_OPTIONS = (
    "--use-angle=swiftshader",  # WebGL without a GPU
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--autoplay-policy=no-user-gesture-required",
)


def chromium() -> str | None:
    """The one of ``HERO_CHROMIUM``, or of the system; None where there is none."""
    return os.environ.get("HERO_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def started(program: str) -> Iterator[Any]:
    """Playwright's browser, which ends with the context."""
    from playwright.sync_api import sync_playwright  # of the extra dev

    root = hasattr(os, "geteuid") and os.geteuid() == 0  # whom Chromium's sandbox does not take
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=[*_OPTIONS, *(["--no-sandbox"] if root else [])]
        )
        yield browser
        browser.close()
