from dataclasses import replace

import numpy as np
import pytest

from hero_core.errors import InputError
from trainer.eval.by_clip import ByClip
from trainer.eval.comparison.paired import best_apart, difference, resampled
from trainer.metrics import fid


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def kept(rng, right, shift, count=60, real=None):
    """Results on ``count`` clips with two pairs each, of which a share ``right`` is right."""
    pairs = [f"pair{number}" for number in range(2 * count)]
    clips = [f"clip{number // 2}" for number in range(2 * count)]
    real = np.random.default_rng(0).normal(size=(2 * count, 3)) if real is None else real
    answers = (np.arange(count) < right * count).astype(float)[:, None].repeat(4, axis=1)
    answers[:10, 1] = np.nan  # a question that does not apply to all
    generated = real + shift + 0.1 * rng.normal(size=real.shape)
    nothing = np.empty((2 * count, 0), np.float32)
    jerks = np.where(np.arange(2 * count) % 2, np.nan, shift)[None]  # applies to every other pair
    return ByClip(
        pairs=np.array(pairs),
        clips=np.array(clips),
        real=real,
        generated=generated,
        joint_real=nothing,
        joint_generated=nothing,
        metrics=np.array(["peak_jerk_m_s3"]),
        values=jerks,
        judged=np.array(clips[::2]),
        right=answers,
    )


def test_the_metrics_are_those_of_all_clips(rng):
    one = kept(rng, 0.5, 1.0)
    found = resampled([one])
    assert found["fid"].value == pytest.approx(fid(one.real, one.generated))
    assert found["right_all"].value == pytest.approx(0.5)
    assert found["right_side"].value == pytest.approx(20 / 50)
    assert found["peak_jerk_m_s3"].value == pytest.approx(1.0)
    assert found["right_all"].resamples.std() == pytest.approx((0.25 / 60) ** 0.5, rel=0.2)
    other = kept(rng, 0.9, 2.0)
    both = resampled([one, other])
    assert both["right_all"].value == pytest.approx(0.7)
    assert both["fid"].value == pytest.approx(
        np.mean([fid(each.real, each.generated) for each in (one, other)])
    )


def test_pairing_finds_what_separate_intervals_do_not(rng):
    worse, better = kept(rng, 0.5, 0.0), kept(rng, 0.6, 0.0)
    drawn = {"worse": resampled([worse]), "better": resampled([better])}
    found = difference(drawn["better"]["right_all"], drawn["worse"]["right_all"])
    assert found.value == pytest.approx(0.1)
    assert found.apart
    spread = [np.percentile(each["right_all"].resamples, (2.5, 97.5)) for each in drawn.values()]
    assert spread[0][1] > spread[1][0]  # apart they overlap
    assert best_apart(drawn)["right_all"] == "better"


def test_only_what_is_better_than_every_other_is_best(rng):
    models = {
        name: resampled([kept(rng, right, 0.0)]) for name, right in (("a", 0.5), ("b", 0.9), ("c", 0.9))
    }
    assert "right_all" not in best_apart(models)
    del models["c"]
    assert best_apart(models)["right_all"] == "b"
    far = {"near": resampled([kept(rng, 0.5, 0.1)]), "far": resampled([kept(rng, 0.5, 2.0)])}
    assert best_apart(far) == {"fid": "near"}


def test_other_pairs_and_other_evaluators_are_refused(rng):
    one = kept(rng, 0.5, 0.0)
    with pytest.raises(InputError, match="same pairs"):
        resampled([one, replace(one, pairs=one.pairs[::-1])])
    with pytest.raises(InputError, match="different evaluators"):
        resampled([one, replace(one, real=one.real + 1)])


def test_what_is_kept_comes_back(rng, tmp_path):
    one = kept(rng, 0.5, 0.0)
    one.save(tmp_path / "result.json")
    again = ByClip.load(tmp_path / "result.json")
    for name, values in vars(one).items():
        np.testing.assert_array_equal(getattr(again, name), values)
    (tmp_path / "result.by_clip.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        ByClip.load(tmp_path / "result.json")
    with pytest.raises(InputError, match=r"missing; measure again"):
        ByClip.load(tmp_path / "other.json")
