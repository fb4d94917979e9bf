"""The picture of the README: clips that no training saw, and the reactions of a trained run to them.

python -m benchmarks.picture demo/run docs/reactions.png
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

from pipeline.compose import contact_sheet
from pipeline.minivimo import sample_clip, write_minivimo
from pipeline.react import generate_reaction
from pipeline.run_encoder import load_run_encoder

SEED = 2
SHOWN = ("lion_charges", "throw_ball", "car_comes")
COLUMNS = 6


def main() -> None:
    """Generate and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("png", type=Path)
    arguments = parser.parse_args()
    encoder = load_run_encoder(arguments.run, None, None)
    sheets = []
    with tempfile.TemporaryDirectory() as folder:
        write_minivimo(Path(folder) / "clips", clips=15, seed=SEED)
        for index in range(15):
            plan = sample_clip(SEED, index)
            if plan.interaction.name not in SHOWN:
                continue
            (video,) = (Path(folder) / "clips").rglob(f"clip_{index:05d}.mp4")
            reaction = generate_reaction(video, arguments.run, encoder, plan.motion_length)
            taken = np.linspace(0, len(reaction.clip.frames) - 1, COLUMNS).round().astype(int)
            sheets.append(
                contact_sheet(
                    [reaction.clip.frames[row] for row in taken],
                    [float(reaction.clip.timestamps_seconds[row]) for row in taken],
                    reaction.joints,
                    plan.interaction.name.replace("_", " "),
                    "MiniViMo clip and generated reaction",
                )
            )
    arguments.png.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.png), cv2.cvtColor(np.concatenate(sheets), cv2.COLOR_RGB2BGR))
    print(arguments.png)


if __name__ == "__main__":
    main()
