from pathlib import Path

import numpy as np
import pytest
import torch

from hero_core.errors import FingerprintError
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.runs import load_run
from hero_core.view.document import Document
from trainer.eval.gallery.page import choose, gallery

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def page(run, data) -> Document:
    return gallery([load_run(run, sampling=["steps=2"])] * 2, data, "test", 5, 3, CPU)


def test_every_clip_once_and_by_the_seed(data):
    samples = data.held_out("test")
    chosen = choose(samples, 5, 0)
    assert len({sample.pair.clip_key for sample in chosen}) == 5
    assert [one.pair.key for one in choose(samples, 5, 0)] == [one.pair.key for one in chosen]
    assert [one.pair.key for one in choose(samples, 5, 1)] != [one.pair.key for one in chosen]
    assert len(choose(samples, 1000, 0)) == 18


def test_reaction_truth_and_the_other_run_of_every_clip(page, data, run):
    true = {sample.pair.key: sample.motion for sample in data.held_out("test")}
    assert len(page.samples) == 5
    for sample in page.samples:
        assert [motion.kind for motion in sample.motions] == ["generated", "truth", "other"]
        assert [motion.name for motion in sample.motions] == ["HERO", "Truth", run.name]
        own, truth, other = sample.motions
        np.testing.assert_allclose(truth.joints, vectors_to_joints(true[sample.key]))
        assert len(own.joints) == len(truth.joints) // 4 * 4
        np.testing.assert_array_equal(own.joints, other.joints)  # the same run with the same seed
        assert own.explained.attention is not None
        assert own.explained.attention.shape == (len(own.joints) // 4, 4)
        assert [file.name[-4:] for file in own.files] == [".bvh"]
        assert {"joints", "skating", "embedding", "right"} <= set(sample.metrics)
        assert sample.video is None


def test_says_what_it_shows(page):
    assert "MiniViMo is procedural, not ViMo." in page.notes
    assert page.tables[0].rows[0][:2] == ["all", "5"]
    assert page.title == "HERO: reactions to held-out clips of MiniViMo"


def test_videos_of_the_folder_and_of_nowhere_else(run, data, tmp_path: Path):
    names = [sample.pair.source_video for sample in choose(data.held_out("test"), 3, 3)]
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / names[0]).write_bytes(b"moving pictures")
    (tmp_path / "outside.mp4").write_bytes(b"private")
    (folder / names[1]).symlink_to(tmp_path / "outside.mp4")
    shown = gallery([load_run(run, sampling=["steps=2"])], data, "test", 3, 3, CPU, folder).samples
    assert [sample.video and sample.video.data for sample in shown] == [b"moving pictures", None, None]


def test_features_of_another_making_are_refused(run, make_set, entries, identity, tmp_path):
    other = make_set(tmp_path / "other", entries, identity(resize="another"))
    with pytest.raises(FingerprintError, match="made in another way"):
        gallery([load_run(run)], other, "test", 3, 3, CPU)
