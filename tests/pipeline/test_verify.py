"""Verify finds what is wrong, and says where."""

from pathlib import Path

import numpy as np
import pytest

from hero_core.cache import Cache
from hero_core.errors import InputError
from hero_core.manifest import PAIRS, read_table, write_table
from hero_core.seal import write_sealed_json
from hero_core.shards import ArrayRecord, open_reader, open_writer
from hero_core.storage import read_json, sha256_of_file
from pipeline.encoders import Encoder
from pipeline.verify import verify
from tests.pipeline.conftest import make_source
from tests.pipeline.test_pairs import build


@pytest.fixture
def folders(tmp_path: Path, tiny_encoder: Encoder) -> tuple[Path, Path]:
    build(make_source(tmp_path / "s", videos=12), tmp_path, tiny_encoder)
    return tmp_path / "features", tmp_path / "data"


def problems(folder: Path) -> list[str]:
    return [str(problem) for problem in verify(folder).problems]


def test_sound_folders_have_no_problems(folders: tuple[Path, Path]) -> None:
    features, data = (verify(folder) for folder in folders)
    assert (features.kind, features.records, features.problems) == ("cache", 24, ())
    assert (data.kind, data.records, data.problems) == ("training set", 12, ())


def test_changed_missing_and_stray_shards(folders: tuple[Path, Path]) -> None:
    for folder in folders:
        shard = sorted((folder / "shards").iterdir())[0]
        whole = shard.read_bytes()
        shard.write_bytes(whole[:-1] + b"x")
        assert any("sha256" in problem and shard.name in problem for problem in problems(folder))
        shard.unlink()
        assert any("missing" in problem and shard.name in problem for problem in problems(folder))
        shard.write_bytes(whole)
        (folder / "shards" / "stray.tar").write_bytes(b"")
        (found,) = problems(folder)
        assert "stray.tar: no row points into this file" in found


def forge(folder: Path, shard: Path, name: str, values: np.ndarray) -> None:
    """Rewrite one array of a shard and make the manifest's hash agree."""
    reader = open_reader(shard)
    records = [reader[key] for key in reader.keys()]  # noqa: SIM118
    records[0] = ArrayRecord(records[0].key, {**records[0].arrays, name: values}, records[0].meta)
    copies = [ArrayRecord(r.key, {n: np.array(a) for n, a in r.arrays.items()}, r.meta) for r in records]
    with open_writer(shard) as writer:
        for record in copies:
            writer.write(record)
    if (folder / "cache.json").is_file():
        cache = Cache.open(folder)
        rows = cache.rows("features").values()
        cache.write_part("features", 0, [row | {"shard_sha256": sha256_of_file(shard)} for row in rows])
    else:
        rows = read_table(folder / "pairs.parquet", PAIRS)
        changed = [
            row | ({"shard_sha256": sha256_of_file(shard)} if row["shard"] == shard.name else {})
            for row in rows
        ]
        write_table(folder / "pairs.parquet", PAIRS, changed)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("global", np.ones(24, np.float32), "off the mean"),
        ("frames", np.full((16, 24), np.nan, np.float32), "NaN"),
        ("timestamps_seconds", np.zeros(15), "expected frames (t, d)"),
        ("frames", np.zeros((16, 23), np.float32), "expected frames (t, d)"),
    ],
)
def test_wrong_numbers_in_features(
    folders: tuple[Path, Path], name: str, values: np.ndarray, said: str
) -> None:
    folder = folders[0]
    forge(folder, folder / "shards" / "features-00000.tar", name, values)
    assert any(said in problem for problem in problems(folder))


def test_wrong_numbers_in_training_data(folders: tuple[Path, Path]) -> None:
    folder = folders[1]
    forge(folder, folder / "shards" / "train-00000.tar", "motion", np.zeros((7, 263), np.float32))
    assert any("(7, 263)" in problem for problem in problems(folder))


def test_counts_and_leaks(folders: tuple[Path, Path]) -> None:
    folder = folders[1]
    description = read_json(folder / "dataset.json")
    description["counts"]["pairs"]["train"] += 1
    write_sealed_json(folder / "dataset.json", description)
    assert any("the manifest holds" in problem for problem in problems(folder))
    rows = read_table(folder / "pairs.parquet", PAIRS)
    write_table(folder / "pairs.parquet", PAIRS, [row | {"source_video": "one"} for row in rows])
    assert any("one is in test and in training" in problem for problem in problems(folder))


def test_a_row_that_points_to_another_record_is_found(folders: tuple[Path, Path]) -> None:
    cache = Cache.open(folders[0])
    rows = list(cache.rows("features").values())
    rows[0]["record"], rows[1]["record"] = rows[1]["record"], rows[0]["record"]
    cache.write_part("features", 0, rows)
    assert sum("points to a record of another file" in problem for problem in problems(folders[0])) == 2


def test_statistics_that_cannot_be_read(folders: tuple[Path, Path]) -> None:
    (folders[1] / "Std.npy").write_bytes(b"")
    assert any("Std.npy" in problem for problem in problems(folders[1]))


def test_other_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither"):
        verify(tmp_path)
