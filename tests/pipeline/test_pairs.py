"""Training data: counts that reconcile, splits that do not leak, statistics of the training part only."""

import csv
from pathlib import Path

import numpy as np
import pytest

from hero_core.errors import FingerprintError, InputError
from hero_core.files import read_json, sha256_of_file
from hero_core.manifest import PAIRS, QUARANTINE, read_table
from hero_core.motion.normaliser import Normaliser
from hero_core.motion.skeleton import TARGET_OFFSETS, forward_kinematics
from hero_core.shards import open_reader
from pipeline.config import ExtractConfig, PairsConfig
from pipeline.encoders import Encoder
from pipeline.extract import extract
from pipeline.pairs import PairsReport, build_pairs
from pipeline.sources import open_source
from pipeline.splits import SplitConfig
from tests.pipeline.conftest import make_video

EXTRACT = ExtractConfig(workers=1)


def standing_motion(frames: int, seed: int) -> np.ndarray:
    """A person who sways a little: (frames, 22, 3) metres."""
    rng = np.random.default_rng(seed)
    identity = np.zeros((frames, 22, 4))
    identity[..., 0] = 1
    root = np.array([0, 0.95, 0]) + 0.05 * np.sin(np.linspace(0, rng.uniform(2, 6), frames))[:, None]
    return np.asarray(forward_kinematics(identity, root, TARGET_OFFSETS), np.float32)


def make_source(root: Path, videos: int = 20, motions_a_video: int = 1, rows: str = "") -> Path:
    lines = ["video,motion,broad,subcategory,truth_reaction,truth_side,truth_onset_seconds"]
    for index in range(videos):
        make_video(root / "videos" / f"{index:02d}.mp4", index, frames=8)
        for variant in range(motions_a_video):
            name = f"motions/{index:02d}_{variant}.npy"
            (root / "motions").mkdir(exist_ok=True)
            np.save(root / name, standing_motion(30 + index, 100 * variant + index))
            lines.append(f"videos/{index:02d}.mp4,{name},human-human,{'ab'[index % 2]},wave,left,0.5")
    (root / "pairs.csv").write_text("\n".join(lines) + "\n" + rows)
    return root


def build(root: Path, tmp_path: Path, encoder: Encoder, config: PairsConfig | None = None) -> PairsReport:
    source = open_source(root)
    extract(source, tmp_path / "features", encoder, EXTRACT)
    return build_pairs(source, tmp_path / "features", tmp_path / "data", config or PairsConfig())


def rows_of(tmp_path: Path) -> list[dict[str, object]]:
    return read_table(tmp_path / "data" / "pairs.parquet", PAIRS)


def test_counts_splits_and_samples(tmp_path: Path, tiny_encoder: Encoder) -> None:
    report = build(make_source(tmp_path / "s", motions_a_video=2), tmp_path, tiny_encoder)
    assert report.pairs == {"train": 28, "val": 4, "test": 8}
    rows = rows_of(tmp_path)
    videos = {
        name: {row["source_video"] for row in rows if row["split"] == name}
        for name in ("train", "val", "test")
    }
    assert sum(map(len, videos.values())) == len(set.union(*videos.values()))
    for row in rows:
        sample = open_reader(tmp_path / "data" / "shards" / str(row["shard"]))[str(row["key"])]
        assert sample.arrays["motion"].shape == (row["length"], 263)
        assert sample.arrays["frames"].shape == (16, tiny_encoder.feature_dim)
        assert sample.meta["clip_key"] == row["clip_key"]
        assert (row["truth_reaction"], row["truth_side"], row["truth_onset_seconds"]) == ("wave", "left", 0.5)
    description = read_json(tmp_path / "data" / "dataset.json")
    assert description["counts"]["pairs"] == {"train": 28, "val": 4, "test": 8}
    assert description["encoder"]["statement"] == tiny_encoder.statement


def test_statistics_are_of_the_training_part_alone(tmp_path: Path, tiny_encoder: Encoder) -> None:
    build(make_source(tmp_path / "s"), tmp_path, tiny_encoder)
    motions = [
        np.asarray(
            open_reader(tmp_path / "data" / "shards" / str(row["shard"]))[str(row["key"])].arrays["motion"]
        )
        for row in rows_of(tmp_path)
        if row["split"] == "train"
    ]
    mean = Normaliser.load(tmp_path / "data").mean
    np.testing.assert_allclose(mean, np.concatenate(motions).mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("suffix", ["tar", "h5"])
def test_twice_gives_the_same_bytes_and_replaces(tmp_path: Path, tiny_encoder: Encoder, suffix: str) -> None:
    config = PairsConfig(shard_format=suffix, pairs_per_shard=5)  # type: ignore[arg-type]
    root = make_source(tmp_path / "s")
    found = []
    for _ in range(2):
        build(root, tmp_path, tiny_encoder, config)
        files = sorted(path for path in (tmp_path / "data").rglob("*") if path.is_file())
        found.append({path: sha256_of_file(path) for path in files})
    assert found[0] == found[1]
    assert not list(tmp_path.glob(".data*"))


def test_every_lost_pair_has_a_row(tmp_path: Path, tiny_encoder: Encoder) -> None:
    bad = "\n".join(
        [
            "videos/empty.mp4,motions/00_0.npy,human-human,a,,,",
            "videos/absent.mp4,motions/00_0.npy,human-human,a,,,",
            "videos/00.mp4,motions/nan.npy,human-human,a,,,",
            "videos/01.mp4,motions/nan.npy,human-human,b,,,",
            "videos/02.mp4,motions/absent.npy,human-human,a,,,",
            "videos/03.mp4,motions/long.npy,human-human,b,,,",
        ]
    )
    root = make_source(tmp_path / "s", rows=bad)
    (root / "videos" / "empty.mp4").write_bytes(b"")
    nan = standing_motion(40, 0)
    nan[7] = np.nan
    np.save(root / "motions" / "nan.npy", nan)
    np.save(root / "motions" / "long.npy", standing_motion(400, 0))
    report = build(root, tmp_path, tiny_encoder)
    assert (report.listed, report.lost, report.pairs.total(), report.warned) == (26, 5, 21, 1)
    quarantine = read_table(tmp_path / "data" / "quarantine.parquet", QUARANTINE)
    assert {(row["path"], row["stage"], row["pairs"]) for row in quarantine} == {
        ("videos/empty.mp4", "open", 1),
        ("videos/absent.mp4", "open", 1),
        ("motions/nan.npy", "motion", 2),
        ("motions/absent.npy", "motion", 1),
    }
    with (tmp_path / "data" / "quarantine.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4
    assert max(int(str(row["length"])) for row in rows_of(tmp_path)) == 200


def test_unseen_subcategories(tmp_path: Path, tiny_encoder: Encoder) -> None:
    build(make_source(tmp_path / "s"), tmp_path, tiny_encoder, PairsConfig(split=SplitConfig(unseen=("b",))))
    assert {row["subcategory"] for row in rows_of(tmp_path) if row["split"] == "test"} == {"b"}
    assert {row["subcategory"] for row in rows_of(tmp_path) if row["split"] != "test"} == {"a"}


def test_the_official_layout_keeps_its_split(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_source(tmp_path / "s")
    (root / "pairs.csv").unlink()
    for name, members in (("train", range(15)), ("test", range(15, 20))):
        (root / f"{name}.txt").write_text(
            "".join(f"videos/{i:02d}.mp4 motions/{i:02d}_0.npy\n" for i in members)
        )
    report = build(root, tmp_path, tiny_encoder)
    assert report.pairs == {"train": 13, "val": 2, "test": 5}
    tested = {row["clip_key"] for row in rows_of(tmp_path) if row["split"] == "test"}
    assert tested == {f"videos__{i:02d}-mp4" for i in range(15, 20)}


def test_clear_refusals_leave_nothing(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_source(tmp_path / "s", videos=2)
    with pytest.raises(InputError, match="no pair is left for val"):
        build(root, tmp_path, tiny_encoder)
    assert not (tmp_path / "data").exists()
    with pytest.raises(InputError, match="lists no motions"):
        build_pairs(open_source(root / "videos"), tmp_path / "features", tmp_path / "data", PairsConfig())
    with pytest.raises(InputError, match="no feature cache here"):
        build_pairs(open_source(root), tmp_path / "absent", tmp_path / "data", PairsConfig())
    with pytest.raises(InputError, match="not training data"):
        build_pairs(open_source(root), tmp_path / "features", root, PairsConfig())


def test_shards_of_another_cache_are_refused(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_source(tmp_path / "s", videos=12)
    build(root, tmp_path, tiny_encoder)
    half = EXTRACT.model_copy(update={"storage_dtype": "float16"})
    extract(open_source(root), tmp_path / "other", tiny_encoder, half)
    name = "features-00000.tar"
    (tmp_path / "features" / "shards" / name).write_bytes((tmp_path / "other" / "shards" / name).read_bytes())
    with pytest.raises(FingerprintError, match=name):
        build_pairs(open_source(root), tmp_path / "features", tmp_path / "data", PairsConfig())
