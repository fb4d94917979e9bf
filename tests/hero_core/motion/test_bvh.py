from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hero_core.errors import InputError
from hero_core.motion.bvh import read_bvh

ARM = """HIERARCHY
ROOT Base
{{
\tOFFSET 0.0 0.0 0.0
\tCHANNELS 6 {root}
\tJOINT Upper Arm
\t{{
\t\tOFFSET 0.0 2.0 0.0
\t\tCHANNELS 3 {joint}
\t\tEnd Site
\t\t{{
\t\t\tOFFSET 0.0 1.0 0.0
\t\t}}
\t}}
}}
MOTION
Frames: {frames}
Frame Time:\t{seconds}
{rows}
"""
POSITIONS = "Xposition Yposition Zposition"
ROWS = ("1 2 3 10 20 30 40 50 60", "1 2 4 11 -20 31 -40 55 65")


def arm(
    order: str = "ZYX", rows: tuple[str, ...] = ROWS, frames: int | None = None, seconds: str = "0.0333333"
) -> str:
    rotations = " ".join(f"{axis}rotation" for axis in order)
    return ARM.format(
        root=f"{POSITIONS} {rotations}",
        joint=rotations,
        frames=len(rows) if frames is None else frames,
        seconds=seconds,
        rows="\n".join(rows),
    )


def written(folder: Path, text: str) -> Path:
    path = folder / "motion.bvh"
    path.write_text(text)
    return path


@pytest.mark.parametrize("order", ["ZYX", "XYZ", "YXZ", "ZXY", "XZY", "YZX"])
def test_any_rotation_order_agrees_with_scipy(tmp_path: Path, order: str) -> None:
    motion = read_bvh(written(tmp_path, arm(order)), up="y")
    values = np.array([row.split() for row in ROWS], float)
    base = Rotation.from_euler(order, values[:, 3:6], degrees=True)
    upper = base * Rotation.from_euler(order, values[:, 6:9], degrees=True)
    elbow = values[:, :3] + base.apply([0, 2, 0])
    hand = elbow + upper.apply([0, 1, 0])
    np.testing.assert_allclose(motion.positions, np.stack([values[:, :3], elbow, hand], axis=1), atol=1e-12)
    assert motion.names == ("Base", "Upper Arm", "Upper Arm end")
    assert motion.parents == (-1, 0, 1)


def test_channels_may_come_in_any_order(tmp_path: Path) -> None:
    straight = read_bvh(written(tmp_path, arm()), up="y")
    shuffled = arm().replace(
        f"{POSITIONS} Zrotation Yrotation Xrotation",
        "Zrotation Zposition Yrotation Xposition Xrotation Yposition",
    )
    for row in ROWS:
        x, y, z, a, b, c, *rest = row.split()
        shuffled = shuffled.replace(row, " ".join([a, z, b, x, c, y, *rest]))
    np.testing.assert_allclose(
        read_bvh(written(tmp_path, shuffled), up="y").positions, straight.positions, atol=1e-12
    )


@pytest.mark.parametrize(
    ("seconds", "fps"), [(".0083333", 120), ("0.008333", 120), ("0.033333", 30), (".03333", 30), ("0.05", 20)]
)
def test_rounded_frame_times_mean_whole_rates(tmp_path: Path, seconds: str, fps: float) -> None:
    assert read_bvh(written(tmp_path, arm(seconds=seconds))).fps == fps


def test_broadcast_rates_stay_what_they_are(tmp_path: Path) -> None:
    assert read_bvh(written(tmp_path, arm(seconds=str(1001 / 30000)))).fps == pytest.approx(29.97, abs=1e-3)


def test_windows_line_ends(tmp_path: Path) -> None:
    plain = read_bvh(written(tmp_path, arm()))
    path = tmp_path / "dos.bvh"
    path.write_bytes(arm().replace("\n", "\r\n").encode())
    np.testing.assert_array_equal(read_bvh(path).positions, plain.positions)


def test_z_up_is_found_and_turned(tmp_path: Path) -> None:
    text = (
        arm()
        .replace("OFFSET 0.0 2.0 0.0", "OFFSET 0.0 0.0 2.0")
        .replace("OFFSET 0.0 1.0 0.0", "OFFSET 0 0 1")
    )
    path = written(tmp_path, text)
    as_it_is = read_bvh(path, up="y").positions
    turned = read_bvh(path).positions
    np.testing.assert_allclose(turned, as_it_is[..., [0, 2, 1]] * [1, 1, -1], atol=1e-12)
    np.testing.assert_allclose(read_bvh(path, up="z").positions, turned)
    assert read_bvh(path).offsets[1].tolist() == pytest.approx([0, 2, 0])
    assert [(read_bvh(path, up=up).up, read_bvh(path, up=up).rest_up) for up in ("y", "z", None)] == [
        ("y", "z"),
        ("z", "z"),
        ("z", "z"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a BVH file"),
        ("just some text\n", "line 1 is not BVH"),
        (arm()[:120], "ends before its line MOTION|not BVH"),
        (arm(frames=5), "2 frames, but 5 are stated"),
        (arm(rows=()), "no frames"),
        (arm(rows=(ROWS[0], "1 2 3")), "line 20 has 3 values, but the hierarchy has 9 channels"),
        (arm(rows=("1 2 3 4 5 6 7 8 x",)), "not a number"),
        (arm(rows=("1 2 3 4 5 6 7 8 nan",)), "NaN"),
        (arm(seconds="0"), "frame time"),
        (arm(seconds="soon"), "Frame Time:"),
        (arm().replace("CHANNELS 3", "CHANNELS 4"), "line 9 is not BVH"),
        (arm().replace("Zrotation", "Wrotation"), "line 5 is not BVH"),
        (arm().replace("OFFSET 0.0 1.0 0.0", "OFFSET 0.0 1.0"), "line 12 is not BVH"),
        (arm().replace("\t}\n}\nMOTION", "\t}\nMOTION"), "balanced"),
    ],
)
def test_bad_files_are_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read_bvh(path)
    assert str(path) in str(caught.value)


def test_large_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_bvh(tmp_path / "absent.bvh")
    with pytest.raises(InputError, match="more than"):
        read_bvh(written(tmp_path, arm()), max_bytes=10)
