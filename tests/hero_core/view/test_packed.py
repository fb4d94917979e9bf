import base64
import gzip

import numpy as np

from hero_core.view.packed import pack_bits, pack_file, pack_joints, pack_shares, unpack_joints
from tests.hero_core.view.motions import walk


def test_joints_come_back_within_a_tenth_of_a_millimetre():
    joints = walk(80)
    packed = pack_joints(joints)
    assert len(packed.data) < 2.7 * joints.size  # 16 bits in base64
    assert packed.unit_m < 1.1e-4
    back = unpack_joints(packed).reshape(joints.shape)
    assert np.abs(back - joints).max() <= packed.unit_m / 2 + 1e-12


def test_far_away_the_steps_are_larger_and_nothing_overflows():
    joints = np.full((2, 22, 3), -300.0)
    joints[0, 0] = 300.0
    packed = pack_joints(joints)
    np.testing.assert_allclose(unpack_joints(packed).reshape(joints.shape), joints, atol=packed.unit_m)


def test_a_body_at_the_origin_stays_there():
    assert not unpack_joints(pack_joints(np.zeros((3, 22, 3)))).any()


def test_shares_bits_and_files():
    assert list(base64.b64decode(pack_shares([[0.0, 0.1], [0.2, 0.4]], 0.4))) == [0, 64, 128, 255]
    assert list(base64.b64decode(pack_bits([[True, False, False, True], [False, True, False, False]]))) == [
        9,
        2,
    ]
    data = b"words " * 100
    assert gzip.decompress(base64.b64decode(pack_file(data))) == data
    assert pack_file(data) == pack_file(data)
