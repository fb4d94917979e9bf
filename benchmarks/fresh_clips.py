"""How a trained run reacts to MiniViMo clips of a seed that no setting was chosen on.

python -m benchmarks.fresh_clips demo/run
"""

import argparse
import tempfile
from pathlib import Path

import torch

from hero_core.judge import judge
from hero_core.models.features import VideoFeatures
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.runs import load_hero
from pipeline.minivimo import ClipPlan, sample_clip, write_minivimo
from pipeline.run_encoder import RunEncoder, load_run_encoder

SEED, CLIPS = 777, 120


def features(encoder: RunEncoder, folder: Path) -> VideoFeatures:
    """Features of all clips, in their order."""
    videos = sorted(folder.rglob("*.mp4"), key=lambda path: path.stem)
    encoded = [encoder.encode(encoder.decode(video)) for video in videos]
    return VideoFeatures(
        torch.cat([one.frames for one in encoded]), torch.cat([one.global_feature for one in encoded])
    )


def main() -> None:
    """Draw, encode, generate one reaction to each clip, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run: Path = parser.parse_args().run
    plans: list[ClipPlan] = [sample_clip(SEED, index) for index in range(CLIPS)]
    with tempfile.TemporaryDirectory() as folder:
        write_minivimo(Path(folder) / "clips", clips=CLIPS, seed=SEED)
        condition = features(load_run_encoder(run, None, None), Path(folder))
    lengths = torch.tensor([(plan.motion_length - 1) // 4 * 4 for plan in plans])
    motions = load_hero(run).generate(condition, lengths, torch.Generator().manual_seed(0)).numpy()
    verdicts = [judge(vectors_to_joints(m[:n])) for m, n in zip(motions, lengths, strict=True)]
    asked = list(zip(plans, verdicts, strict=True))
    reaction = [verdict.reaction == plan.interaction.reaction for plan, verdict in asked]
    side = [verdict.side == plan.side for plan, verdict in asked if plan.interaction.sided]
    print(f"right reaction {sum(reaction)}/{len(reaction)}, right side {sum(side)}/{len(side)}")


if __name__ == "__main__":
    main()
