"""The moving picture of the README: a page that hero-react wrote, played through in a real browser.

    python -m benchmarks.page_film demo/reaction/clip_00000-0.html docs/page.gif

Needs Chromium (or its path in HERO_CHROMIUM) and the extra ``dev``.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.chromium import chromium, started
from hero_core.view.render import Frame

WIDTH, HEIGHT = 1120, 980
SHRUNK = 0.6
"""Drawn large, so that the layout is that of a wide window, and shown small."""
PICTURES_PER_SECOND = 8
LOOKED_AT_SECONDS = 1.5
"""How long the last picture stays."""


def main() -> None:
    """Photograph and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("gif", type=Path)
    arguments = parser.parse_args()
    program = chromium()
    if program is None:
        parser.error("no Chromium here; install one, or name it in HERO_CHROMIUM")
    with started(program) as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(arguments.page.resolve().as_uri())
        page.wait_for_selector("html[data-ready]")
        pictures = photographed(page)
    write_gif(arguments.gif, pictures)
    print(f"{arguments.gif}: {len(pictures)} pictures, {arguments.gif.stat().st_size / 1e6:.1f} MB")


def photographed(page: Any) -> list[Frame]:
    """Every moment of an open page, from its beginning to its end."""
    if page.get_attribute(".player", "data-playing") == "true":
        page.click(".play")
    seconds = float(page.get_attribute(".scrub", "max"))
    return [_at(page, moment) for moment in np.arange(0, seconds, 1 / PICTURES_PER_SECOND).round(3).tolist()]


def _at(page: Any, seconds: float) -> Frame:
    page.eval_on_selector(
        ".scrub", "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }", seconds
    )
    page.evaluate(
        """async () => {
          const drawn = () => new Promise(requestAnimationFrame);
          while (document.querySelector("video")?.seeking) await drawn();
          for (let picture = 0; picture < 3; picture++) await drawn();
        }"""
    )
    png = np.frombuffer(page.screenshot(), np.uint8)
    picture = cv2.imdecode(png, cv2.IMREAD_COLOR_RGB)  # (h, w, 3)
    return cv2.resize(picture, None, fx=SHRUNK, fy=SHRUNK, interpolation=cv2.INTER_AREA)


def write_gif(path: Path, pictures: list[Frame]) -> None:
    """Write RGB pictures as one that moves, for ever, with the colours that the middle one needs."""
    palette = Image.fromarray(pictures[len(pictures) // 2]).quantize(256)
    first, *others = (
        Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures
    )
    milliseconds = [round(1000 / PICTURES_PER_SECOND)] * len(others) + [round(1000 * LOOKED_AT_SECONDS)]
    first.save(path, save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=True)


if __name__ == "__main__":
    main()
