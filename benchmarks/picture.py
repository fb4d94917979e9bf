"""The picture of the README: clips that no training saw, and the reactions of a trained run to them.

python -m benchmarks.picture demo/run docs/reactions.png
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike

from hero_core.motion.format import FPS
from hero_core.view.page import HEADER, LABEL, MARGIN, blank_page, letterboxed, put_picture, put_text
from hero_core.view.render import Frame, render_motion
from pipeline.minivimo import sample_clip, write_minivimo
from pipeline.minivimo.write import video_path
from pipeline.react import Reactor

SEED, CLIPS = 2, 25
SHOWN = ("lion_charges", "throw_ball", "car_comes")
COLUMNS = 6


def main() -> None:
    """Generate and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("png", type=Path)
    arguments = parser.parse_args()
    reactor = Reactor(arguments.run)
    sheets = []
    with tempfile.TemporaryDirectory() as folder:
        write_minivimo(Path(folder), clips=CLIPS, seed=SEED)
        for plan in (sample_clip(SEED, index) for index in range(CLIPS)):
            if plan.interaction.name not in SHOWN:
                continue
            (reaction,) = reactor(Path(folder) / video_path(plan), length_frames=plan.motion_length)
            taken = np.linspace(0, len(reaction.clip.frames) - 1, COLUMNS).round().astype(int)
            sheets.append(
                contact_sheet(
                    list(reaction.clip.frames[taken]),
                    reaction.clip.timestamps_seconds[taken].tolist(),
                    reaction.joints,
                    plan.interaction.name.replace("_", " "),
                    "MiniViMo clip and generated reaction",
                )
            )
    arguments.png.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.png), cv2.cvtColor(np.concatenate(sheets), cv2.COLOR_RGB2BGR))
    print(arguments.png)


def contact_sheet(
    pictures: Sequence[Frame],
    seconds: Sequence[float],
    joints: ArrayLike,
    title: str,
    caption: str,
    cell: int = 220,
) -> Frame:
    """Video frames in a row, and under each the reaction's pose at the same time.

    Args:
        pictures: RGB frames ``(h, w, 3)``.
        seconds: when they are shown, as many.
        joints: ``(n, 22, 3)`` metres at 20 fps; past its end the last pose stands.
        title: over the pictures.
        caption: under them.
        cell: width of a column in pixels.
    """
    poses = list(render_motion(joints, cell))
    height = min(cell, round(cell * pictures[0].shape[0] / pictures[0].shape[1]))
    gap, label = 10, 30
    width = 2 * MARGIN + len(pictures) * (cell + gap) - gap
    sheet = blank_page(width, height + label + cell + 16, title, width - 2 * MARGIN - 160, caption)
    for column, (picture, second) in enumerate(zip(pictures, seconds, strict=True)):
        x = MARGIN + column * (cell + gap)
        put_picture(sheet, letterboxed(picture, cell, height), x, HEADER)
        put_text(sheet, f"{second:.2f} s", x + 4, HEADER + height + 21, LABEL)
        put_picture(sheet, poses[min(round(second * FPS), len(poses) - 1)], x, HEADER + height + label)
    return sheet


if __name__ == "__main__":
    main()
