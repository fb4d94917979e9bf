"""How a trained run reacts to MiniViMo clips of a seed that no setting was chosen on.

python -m benchmarks.fresh_clips demo/run
python -m benchmarks.fresh_clips RUN --seed 778 --clips 60
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hero_core.minivimo.judge import Verdict, judge
from hero_core.records import Truth
from pipeline.minivimo import ClipPlan, sample_clip, write_minivimo
from pipeline.minivimo.write import video_path
from pipeline.react import Reactor
from trainer.eval.plausibility import QUESTIONS, assess


def main() -> None:
    """Draw, encode, generate one reaction to each clip, and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run folder of hero-train, of any generator")
    parser.add_argument("--seed", type=int, default=777, help="of the clips; not one that made training data")
    parser.add_argument("--clips", type=int, default=120)
    options = parser.parse_args()
    plans = [sample_clip(options.seed, index) for index in range(options.clips)]
    reactor = Reactor(options.run)
    with tempfile.TemporaryDirectory() as folder:
        write_minivimo(Path(folder), clips=options.clips, seed=options.seed, motions_per_clip=1)
        verdicts = [react_and_judge(reactor, Path(folder), plan) for plan in plans]
    print(score([plan.truth(0) for plan in plans], verdicts))


def react_and_judge(reactor: Reactor, folder: Path, plan: ClipPlan) -> Verdict:
    """What one reaction to a clip does; it is as long as the clip's own motions, as far as the run can."""
    length = min(plan.motion_length, reactor.generator.max_length)
    return judge(reactor.react(folder / video_path(plan), length, seed=plan.index).joints)


def score(truths: Sequence[Truth], verdicts: Sequence[Verdict]) -> str:
    """How many clips are answered rightly; side and onset are counted where the right reaction has one."""
    shares = assess(truths, [[verdict] for verdict in verdicts]).shares
    return "right: " + ", ".join(
        f"{QUESTIONS[name]} {round(share.share * share.clips)}/{share.clips}"
        for name, share in shares.items()
    )


if __name__ == "__main__":
    main()
