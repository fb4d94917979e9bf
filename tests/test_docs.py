"""The site is built from the same Markdown as the repository shows, without a network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

pytest.importorskip("mkdocs", reason="pip install 'hero-motion[docs]' builds the site")


def test_the_site_is_whole(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    front = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "make demo" in front
    assert "fonts.googleapis.com" not in front
    api = (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    assert "Reactor" in api
    tour = (tmp_path / "site" / "tour" / "index.html").read_text(encoding="utf-8")
    assert "A tour in one notebook" in tour
    assert 'class="nn">pipeline.react' in tour  # highlighted as Python


def test_every_page_is_in_the_menu() -> None:
    menu = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (REPOSITORY / "docs").glob("*.md"):
        assert f": {page.name}" in menu, page.name
