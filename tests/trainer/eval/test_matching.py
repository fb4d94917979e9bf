from dataclasses import replace

import numpy as np
import pytest

from trainer.eval.matching import Pools, by_chance, match


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def pairs_of(entries):
    """Pairs of clips and motions with these keys."""

    def make(*keys):
        return [replace(entries[0][0], clip_key=clip, motion_key=motion) for clip, motion in keys]

    return make


def apart(pairs_of, count):
    """Pools of as many pairs, each of its own clip and motion."""
    clips = [f"clip{number}" for number in range(count)]
    return Pools.of(pairs_of(*((clip, f"of {clip}") for clip in clips)), clips)


def test_a_pool_holds_32_videos_where_there_are_that_many(pairs_of):
    assert apart(pairs_of, 50).size == 32
    assert apart(pairs_of, 32).size == 32
    assert apart(pairs_of, 10).size == 10


def test_no_other_of_a_pool_is_of_the_clip_or_of_the_motion(pairs_of):
    pairs = pairs_of(("a", "x"), ("a", "y"), ("b", "x"), ("c", "z"))
    pools = Pools.of(pairs, ["a", "b", "c"])
    assert [fitting.tolist() for fitting in pools.fitting] == [[0, 1], [0], [0, 1], [2]]
    assert pools.others.tolist() == [1, 2, 1, 2]
    assert pools.size == 2
    videos = np.array([[0.0], [0.1], [5.0]])
    motions = np.array(
        [[0.1], [0.0], [0.0], [5.0]]
    )  # the first is nearest to b, which its motion answers too
    assert match(motions, videos, pools)["r_precision_1"].tolist() == [1, 1, 1, 1]


def test_motions_at_their_videos_are_always_right_and_far_ones_never(pairs_of, rng):
    pools, videos = apart(pairs_of, 40), rng.normal(size=(40, 4))
    found = match(videos + np.array([0.0, 0.0, 0.0, 1e-6]), videos, pools)
    for top in (1, 2, 3):
        assert found[f"r_precision_{top}"] == pytest.approx(np.ones(40))
    assert found["mm_distance"] == pytest.approx(np.full(40, 1e-6))
    line = np.arange(40.0)[:, None]
    wrong = match(line[::-1], line, pools)  # the first motion is at the last video
    assert wrong["r_precision_3"][0] == 0
    assert wrong["mm_distance"][0] == 39


def test_the_share_of_pools_is_that_of_many_drawn_ones(pairs_of, rng):
    pools, videos = apart(pairs_of, 60), rng.normal(size=(60, 3))
    motions = videos + rng.normal(size=(60, 3))
    found = match(motions, videos, pools)
    own = np.linalg.norm(motions[7] - videos[7])
    others = np.delete(np.linalg.norm(motions[7] - videos, axis=1), 7)
    nearer = [np.sum(rng.choice(others, 31, replace=False) < own) for _ in range(4000)]
    for top in (1, 2, 3):
        share = np.mean(np.array(nearer) < top)
        assert found[f"r_precision_{top}"][7] == pytest.approx(share, abs=0.03)


def test_what_says_nothing_of_the_videos_is_at_chance(pairs_of, rng):
    pools = apart(pairs_of, 2000)
    found = match(rng.normal(size=(2000, 8)), rng.normal(size=(2000, 8)), pools)
    for name, share in by_chance(pools.size).items():
        assert found[name].mean() == pytest.approx(share, abs=0.015)
    constant = match(np.zeros((2000, 8)), np.zeros((2000, 8)), pools)
    assert constant["r_precision_3"].max() == 0  # equally near is not nearest


def test_chance_is_certain_in_small_pools():
    assert by_chance(2) == {"r_precision_1": 0.5, "r_precision_2": 1.0, "r_precision_3": 1.0}
