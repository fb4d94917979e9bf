"""Batches, and the wall before the test split."""

import ast
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch

import trainer
from hero_core.errors import InputError
from hero_core.models.base import Batch
from hero_core.motion.format import MAX_FRAMES
from hero_core.training_set import TrainingSet
from trainer.data.batches import CropBatches, WindowBatches, batches_of


@pytest.fixture
def pairs(data_folder, tiny_config):
    def make(*overrides):
        return CropBatches("masked", TrainingSet(data_folder), tiny_config("seed=1", *overrides))

    return make


@pytest.fixture
def windows(data_folder, tiny_config):
    return WindowBatches("rvq", TrainingSet(data_folder), tiny_config("rvq.training.batch_size=16"))


def test_crops_differ_between_epochs(pairs):
    lengths: dict[str, set[int]] = {}
    for batch in islice(pairs().train(0), 60):
        for key, length in zip(batch.keys, batch.lengths.tolist(), strict=True):
            lengths.setdefault(key, set()).add(length)
    assert lengths["train-1"] == {40, 36}
    assert "train-5" not in lengths  # 3 frames, shorter than a token


def test_crops_are_pieces_of_the_motion_and_the_video_knows_when_they_start(pairs, data_folder):
    samples = {sample.pair.key: sample for sample in TrainingSet(data_folder).train()}
    starts = set()
    for batch in islice(pairs().train(0), 20):
        assert batch.motion.shape[1] == MAX_FRAMES
        for row, key in enumerate(batch.keys):
            length = int(batch.lengths[row])
            start = round(float(samples[key].video.timestamps_seconds[0] - batch.video.times[row, 0]) * 20)
            expected = samples[key].motion[start : start + length]
            torch.testing.assert_close(batch.motion[row, :length], torch.from_numpy(expected.copy()))
            assert not batch.motion[row, length:].any()
            starts.add(start)
    assert len(starts) > 3


def test_whole_motions_come_without_videos_and_each_once(data_folder, tiny_config):
    data = TrainingSet(data_folder)
    found = batches_of("rvq", "motions", data, tiny_config("rvq.training.batch_size=2"))
    batch = next(found.train(0))
    assert batch.motion.shape == (2, MAX_FRAMES, 263)
    assert batch.condition is None
    motions = data.train().unique_motions().long_enough()
    assert (
        found.counts["training_motions"] == len(motions) == len({row.pair.motion_key for row in motions.rows})
    )
    assert sum(weight for weight, _ in found.validation()) == len(data.validation().unique_motions())


def test_validation_takes_every_pair_once_and_whole(pairs, data_folder):
    batches = list(pairs("masked.training.batch_size=2").validation())
    assert [weight for weight, _ in batches] == [2, 1]
    assert [batch.lengths.tolist() for _, batch in batches] == [[28, 28], [24]]
    assert [key for _, batch in batches for key in batch.keys] == ["val-0", "val-1", "val-2"]
    assert pairs().counts["training_pairs_skipped_shorter_than_token"] == 1


def test_windows_are_slices_of_unique_motions(windows, data_folder):
    assert windows.counts == {
        "training_motions": 11,
        "training_motions_skipped_shorter_than_window": 1,
        "training_windows": sum(n - 19 for n in (40, 24, 60, 22, 33, 52, 41, 28, 36, 45)),
        "validation_motions": 2,
    }
    batch: Batch = next(windows.train(0))
    assert batch.motion.shape == (16, 20, 263)
    assert batch.lengths.tolist() == [20] * 16
    assert batch.condition is None
    samples = TrainingSet(data_folder).train()
    motions = [torch.from_numpy(s.motion.copy()) for s in samples if len(s.motion) >= 20]
    possible = torch.cat([motion.unfold(0, 20, 1).mT for motion in motions])  # (windows, 20, 263)
    assert all(any(torch.equal(window, other) for other in possible) for window in batch.motion)


def test_windows_are_validated_on_whole_motions_weighted_by_frames(windows):
    batches = list(windows.validation())
    assert [(weight, batch.motion.shape) for weight, batch in batches] == [
        (24, (1, 24, 263)),
        (28, (1, 28, 263)),
    ]


def test_the_global_generator_is_left_alone(pairs):
    torch.manual_seed(0)
    expected = torch.get_rng_state()
    next(pairs().train(0))
    assert torch.equal(torch.get_rng_state(), expected)


def test_motions_alone_make_windows_but_no_pairs(make_data, tmp_path, tiny_config):
    data = TrainingSet(make_data(tmp_path, videos=False))
    assert batches_of("rvq", "windows", data, tiny_config()).counts["training_motions"] == 11
    with pytest.raises(InputError, match="no videos to train masked with"):
        batches_of("masked", "pairs", data, tiny_config())


def test_official_selection_learns_from_val_and_chooses_on_test(pairs):
    counts = pairs("selection=official-test").counts
    assert (counts["training_pairs"], counts["validation_pairs"]) == (14, 2)


def test_nothing_outside_the_evaluation_reaches_for_the_test_split():
    folder = Path(trainer.__file__).parent
    sources = [path for path in folder.rglob("*.py") if folder / "eval" not in path.parents]
    assert len(sources) > 8
    for path in sources:
        assert list(_reaches(path.read_text(encoding="utf-8"))) == [], path


@pytest.mark.parametrize(
    "source",
    [
        "import trainer.eval.evaluate",
        "from trainer.eval import evaluate",
        "from trainer import eval",
        "data.held_out('val')",
        "door = data.held_out",
        "split = 'test'",
        "data._samples('test')",
    ],
)
def test_the_wall_sees_every_way_around_it(source):
    assert list(_reaches(source))


def _reaches(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Constant):
            names = [f"the string {node.value}"]
        for name in names:
            if f"{name}.".startswith("trainer.eval.") or name in ("held_out", "the string test"):
                yield f"line {getattr(node, 'lineno', 0)}: {name}"
