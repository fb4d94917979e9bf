"""The benchmark of clean feet: one pair of a clip, and a line for each kind of motions."""

import numpy as np

from benchmarks.clean_feet import CLEANED, GENERATED, TRUE, first_of_each_clip, table
from hero_core.motion.feet import clean_vectors
from hero_core.motion.humanml3d import joints_to_vectors, vectors_to_joints
from hero_core.records import FeatureRecord, Pair
from hero_core.training_set import Sample
from pipeline.minivimo import make_motion, sample_clip


def samples() -> list[Sample]:
    listed = []
    for index in range(3):
        plan = sample_clip(0, index)
        vectors = joints_to_vectors(make_motion(plan, 0))
        features = FeatureRecord.of(np.zeros((16, 8), np.float32), np.arange(16.0))
        for variant in range(2):
            pair = Pair(
                key=f"pair{index}-{variant}",
                clip_key=f"clip{index}",
                motion_key=f"motion{index}-{variant}",
                split="test",
                broad=plan.interaction.broad,
                subcategory=plan.interaction.name,
                source_video=f"clip{index}",
                motion_path=f"motion{index}.npy",
                length=len(vectors),
                truth=plan.truth(0),
            )
            listed.append(Sample(pair, vectors, features))
    return listed


def slid(vectors: np.ndarray) -> np.ndarray:
    """The same motion while the floor is pulled away."""
    joints = vectors_to_joints(vectors)
    joints[..., 0] += np.linspace(0, 0.3, len(joints))[:, None]
    return joints_to_vectors(np.concatenate([joints, joints[-1:]]))


def test_one_pair_of_every_clip() -> None:
    assert [each.pair.key for each in first_of_each_clip(samples())] == ["pair0-0", "pair1-0", "pair2-0"]


def test_cleaned_feet_slide_less_and_true_motions_are_right() -> None:
    chosen = first_of_each_clip(samples())
    true = [each.motion for each in chosen]
    sliding = [slid(motion) for motion in true]
    text = table(chosen, {TRUE: true, GENERATED: sliding, CLEANED: [clean_vectors(each) for each in sliding]})
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    assert [line[0] for line in cells] == ["true motions", "reactions", "reactions with clean feet"]
    assert cells[0][-1] == "100.0"
    own = [float(line[2]) for line in cells]
    assert own[0] < own[2] < own[1] / 2
