import json

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.models.explanation import Explained
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.view.document import Document, Metric, ShownMotion, ShownSample, document_json
from hero_core.view.packed import PackedJoints, unpack_joints
from tests.hero_core.view.motions import walk, walk_vectors


def sample(key: str = "clip", **changes: object) -> ShownSample:
    return ShownSample(**{"key": key, "title": "a walk", "motions": [ShownMotion("HERO", walk())]} | changes)


def test_a_motion_of_vectors_keeps_joints_contacts_and_what_explains_it():
    vectors = walk_vectors(40)
    attention = np.full((10, 3), 0.25, np.float32)
    attention[0, 0] = 0.5
    explained = Explained(np.array([0.5, 0.3, 0.2], np.float32), attention, np.arange(20).reshape(10, 2))
    motion = ShownMotion.of_vectors("HERO", vectors, explained=explained)
    (made,) = document_json(Document("t", [sample(motions=[motion])]))["samples"][0]["motions"]
    joints = unpack_joints(PackedJoints(made["joints"], made["unit_m"])).reshape(40, 22, 3)
    np.testing.assert_allclose(joints, vectors_to_joints(vectors), atol=1e-4)
    assert made["frame_weights"] == [0.5, 0.3, 0.2]
    assert made["tokens"] == [list(range(0, 20, 2)), list(range(1, 20, 2))]  # by layer
    assert (made["attention"]["tokens"], made["attention"]["frames"]) == (10, 3)
    assert made["attention"]["highest"] == 0.5
    assert made["contacts"].startswith("AwMD")  # 3: left ankle and toe


def test_numbers_that_are_not_finite_are_left_out_and_json_takes_the_rest():
    made = document_json(
        Document("t", [sample(metrics={"a": float("nan"), "b": 2.0})], metrics=[Metric("b", "b")])
    )
    assert made["samples"][0]["metrics"] == {"b": 2.0}
    json.dumps(made, allow_nan=False)


def test_what_cannot_be_shown_is_refused():
    with pytest.raises(InputError, match="different keys"):
        Document("t", [sample(), sample()])
    with pytest.raises(InputError, match="at least one sample"):
        Document("t", [])
    with pytest.raises(InputError, match="without a motion"):
        sample(motions=[])
    with pytest.raises(InputError, match="NaN"):
        ShownMotion("HERO", np.full((3, 22, 3), np.nan))
    with pytest.raises(InputError, match="contacts"):
        ShownMotion("HERO", walk(3), contacts=np.zeros((2, 4), bool))
