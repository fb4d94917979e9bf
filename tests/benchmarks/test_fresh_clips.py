from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import fresh_clips
from benchmarks.fresh_clips import react_and_judge, score
from hero_core.minivimo.judge import UNCLEAR, Verdict, judge
from hero_core.records import Truth
from pipeline.minivimo import make_motion, sample_clip
from pipeline.minivimo.write import video_path


def test_counts_what_applies():
    truths = [Truth("catch", "left", 1.0), Truth("stand", "none", 0.0), Truth("bow", "none", 2.0)]
    verdicts = [Verdict("catch", "right", 1.2), Verdict("stand", "none", 0.0), Verdict("bow", "none", 2.4)]
    shown = score(truths, verdicts)
    assert "reaction 3/3" in shown
    assert "side 0/1" in shown
    assert "onset within 0.25 s 1/2" in shown
    assert "reaction 0/1" in score(truths[:1], [Verdict(UNCLEAR, "none", 0.0)])


class Perfect:
    """Reacts with a motion that MiniViMo itself made for the clip."""

    generator = SimpleNamespace(max_length=60)

    def __init__(self):
        self.lengths: list[int] = []

    def react(self, video, length_frames, seed):
        self.lengths.append(length_frames)
        index = int(Path(video).stem.split("_")[1])
        assert seed == index
        assert Path("clips") / video_path(sample_clip(5, index)) == video
        return SimpleNamespace(joints=make_motion(sample_clip(5, index), 0))


def test_every_clip_gets_a_reaction_of_its_own_length():
    plans, reactor = [sample_clip(5, index) for index in range(8)], Perfect()
    verdicts = [react_and_judge(reactor, Path("clips"), plan) for plan in plans]
    assert verdicts == [judge(make_motion(plan, 0)) for plan in plans]
    assert reactor.lengths == [min(plan.motion_length, 60) for plan in plans]
    assert "reaction 8/8" in score([plan.truth(0) for plan in plans], verdicts)


def test_any_run_any_seed_any_number(monkeypatch, capsys):
    monkeypatch.setattr(fresh_clips, "Reactor", lambda run: Perfect())
    monkeypatch.setattr("sys.argv", ["fresh_clips", "some/run", "--seed", "5", "--clips", "3"])
    written: list[dict[str, int]] = []
    monkeypatch.setattr(fresh_clips, "write_minivimo", lambda folder, **options: written.append(options))
    monkeypatch.setattr(
        fresh_clips, "react_and_judge", lambda reactor, folder, plan: judge(make_motion(plan, 0))
    )
    fresh_clips.main()
    assert written == [{"clips": 3, "seed": 5, "motions_per_clip": 1}]
    assert "reaction 3/3" in capsys.readouterr().out


@pytest.mark.parametrize("index", range(3))
def test_the_truth_is_that_of_the_first_motion(index):
    plan = sample_clip(5, index)
    assert judge(make_motion(plan, 0)).reaction == plan.truth(0).reaction
