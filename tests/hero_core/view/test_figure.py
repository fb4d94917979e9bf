from hero_core.motion.humanml3d import FEET
from hero_core.view.figure import body_json


def test_a_viewer_gets_limbs_that_mirror_each_other_and_colours_of_the_web():
    body = body_json()
    assert [[radius for _, radius in limb] for limb in body["left"]] == [
        [radius for _, radius in limb] for limb in body["right"]
    ]
    joints = {joint for side in ("left", "right") for limb in body[side] for joint, _ in limb}
    assert joints == {1, 2, 4, 5, 7, 8, 10, 11, 16, 17, 18, 19, 20, 21}
    assert body["colours"]["left"] == "#2670d6"
    assert body["feet"] == FEET
