"""What clean feet take away: sliding, sinking and jerks of a run's reactions to held-out clips, before and after.

python -m benchmarks.clean_feet demo/run --data demo/data

And what it costs: how many reactions are still right, where the right ones are known.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hero_core.motion.feet import clean_vectors
from hero_core.motion.format import whole_tokens
from hero_core.motion.physics import Physics, physics
from hero_core.runs import load_run
from hero_core.training_set import Sample, TrainingSet
from trainer.eval.plausibility import PlausibilityCheck
from trainer.reactions import Motion, react, torch_rng

BATCH_SIZE = 32
TRUE, GENERATED, CLEANED = "real", "generated", "reconstruction"  # of the rows that a check knows
LABELS = {TRUE: "true motions", GENERATED: "reactions", CLEANED: "reactions with clean feet"}


def main() -> None:
    """React, clean, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of hero-train")
    parser.add_argument("--data", type=Path, required=True, help="its training set")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    samples = list(first_of_each_clip(TrainingSet(options.data).held_out("test")))
    lengths = [whole_tokens(len(sample.motion)) for sample in samples]
    generator, rng = load_run(options.run).generator, torch_rng([options.seed])
    videos = [sample.video for sample in samples]
    made = react(generator, videos, lengths, rng, BATCH_SIZE, torch.device("cpu"))
    true = [sample.motion[:length] for sample, length in zip(samples, lengths, strict=True)]
    print(table(samples, {TRUE: true, GENERATED: made, CLEANED: [clean_vectors(each) for each in made]}))


def first_of_each_clip(samples: Sequence[Sample]) -> list[Sample]:
    """One pair of every video."""
    first: dict[str | None, Sample] = {}
    for sample in samples:
        first.setdefault(sample.pair.clip_key, sample)
    return list(first.values())


def table(samples: Sequence[Sample], motions: dict[str, list[Motion]]) -> str:
    """As Markdown, a line for each kind of motions."""
    check = PlausibilityCheck([each.pair for each in samples], [len(each) for each in motions[TRUE]])
    lines = [
        f"| {len(samples)} held-out clips | sliding, mm/s | of own contacts | below the floor, mm | peak jerk, m/s³ "
        "| all right, % |",
        "|---|---|---|---|---|---|",
    ]
    for name, of_name in motions.items():
        measured = Physics(*np.nanmean([physics(motion) for motion in of_name], axis=0))
        right = ""
        if check.rows:
            check.judge(name, check.of_clips(of_name))
            right = f"{100 * float(np.nanmean(check.right(name)[:, -1])):.1f}"
        lines.append(
            f"| {LABELS[name]} | {1000 * measured.skating_m_s:.0f} | {1000 * measured.contact_skating_m_s:.0f} "
            f"| {1000 * measured.penetration_m:.1f} | {measured.peak_jerk_m_s3:.0f} | {right} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
