"""Choosing checkpoints by what they generate."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from hero_core.models.base import Reactions, VideoFeatures
from hero_core.models.evaluator import EvaluatorConfig, MotionEvaluator
from hero_core.motion.format import MOTION_DIM
from hero_core.motion.humanml3d import joints_to_vectors
from hero_core.records import FeatureRecord, Pair
from hero_core.training_set import Sample
from pipeline.minivimo import make_motion, sample_clip
from trainer.scorer import ReactionScorer, known_answers

CPU = torch.device("cpu")
CLIPS = 12


class Listed(list[Sample]):
    """Samples in memory; ``rows`` as those of a training set."""

    @property
    def rows(self) -> list[Any]:
        return [SimpleNamespace(pair=sample.pair) for sample in self]


def samples(truths: bool = True) -> Any:
    """Two motions for each of some MiniViMo clips; a clip's features are its number."""
    listed = Listed()
    for index in range(CLIPS):
        plan = sample_clip(3, index)
        video = FeatureRecord.of(np.full((2, 4), index, np.float32), np.arange(2) / 2)
        for variant in (0, 1):
            vectors = joints_to_vectors(make_motion(plan, variant))
            name = f"clip{index}"
            pair = Pair(
                key=f"{name}--{variant}",
                clip_key=name,
                motion_key=f"{name}-{variant}",
                split="val",
                broad=plan.interaction.broad,
                subcategory=plan.interaction.name,
                source_video=name,
                motion_path=name,
                length=len(vectors),
                truth=plan.truth(variant) if truths else None,
            )
            listed.append(Sample(pair, vectors, video))
    return listed


def generator(shift: int, of: Any, scale: float = 1.0) -> Callable[[Any], Any]:
    """Reacts to each clip with the first motion of the clip ``shift`` places on, scaled; counts its reactions."""

    def generate(condition: VideoFeatures, lengths: torch.Tensor, rng: torch.Generator) -> Reactions:
        made.reactions += len(lengths)
        out = torch.zeros(len(lengths), int(lengths.max()), MOTION_DIM)
        for row, number in enumerate(condition.frames[:, 0, 0].long().tolist()):
            motion = torch.from_numpy(of[2 * ((number + shift) % CLIPS)].motion)
            held = torch.cat([motion, motion[-1:].expand(int(lengths.max()), -1)])
            out[row, : lengths[row]] = scale * held[: lengths[row]]
        return Reactions(out, lengths)

    made = SimpleNamespace(generate=generate, reactions=0)
    return lambda part: made


def test_right_reactions_have_no_wrong_answers_and_those_of_other_clips_have() -> None:
    clips = samples()
    assert known_answers(clips)
    right, wrong = (ReactionScorer(generator(shift, clips), clips, None, CPU) for shift in (0, 1))
    assert right.metric == "wrong_answers"
    scores = right(None)
    assert scores == right(None)
    assert scores["wrong_answers"] == 0.0
    assert scores["right_all"] == scores["right_onset"] == 1.0
    others = wrong(None)
    assert others["wrong_answers"] > 0.5
    assert others["wrong_answers"] == pytest.approx(
        1 - np.mean([others[f"right_{question}"] for question in ("reaction", "side", "onset")])
    )


def test_every_clip_gets_one_reaction_and_a_long_list_is_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = samples()
    of = generator(0, clips)
    ReactionScorer(of, clips, None, CPU)(None)
    assert of(None).reactions == CLIPS
    monkeypatch.setattr("trainer.scorer.MOST_CLIPS", 5)
    of = generator(0, clips)
    ReactionScorer(of, clips, None, CPU)(None)
    assert of(None).reactions == 4  # every third clip


def test_where_no_answer_is_known_the_distance_to_the_true_motions_decides() -> None:
    clips = samples(truths=False)
    assert not known_answers(clips)
    sizes = EvaluatorConfig(movement_hidden=8, movement_dim=8, motion_hidden=8, embedding_dim=4)
    torch.manual_seed(0)
    evaluator = MotionEvaluator(sizes).eval()
    true, wild = (ReactionScorer(generator(0, clips, scale), clips, evaluator, CPU) for scale in (1.0, 5.0))
    assert true.metric == "fid"
    assert true(None) == {"fid": pytest.approx(0.0, abs=1e-6)}
    assert wild(None)["fid"] > 1e-4
