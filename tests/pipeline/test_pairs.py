"""Training sets: counts that reconcile, splits that do not leak, statistics of the training part only."""

import csv
import io
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import webdataset

from hero_core.errors import InputError, ShardError
from hero_core.manifest import PAIRS, QUARANTINE, read_table
from hero_core.motion.statistics import MotionStatistics
from hero_core.shards import open_reader
from hero_core.storage import read_json, sha256_of_file
from hero_core.training_set import TrainingSet
from pipeline.config import PairsConfig
from pipeline.encoders import Encoder
from pipeline.extract import extract
from pipeline.pairs import PairsReport, build_pairs
from pipeline.sources import open_source
from pipeline.splits import SplitConfig
from tests.pipeline.conftest import (
    EXTRACT,
    make_release,
    make_source,
    make_video,
    save_motion,
    standing_motion,
)


def build(root: Path, tmp_path: Path, encoder: Encoder, config: PairsConfig | None = None) -> PairsReport:
    source = open_source(root)
    extract(source, tmp_path / "features", encoder, EXTRACT)
    return build_pairs(source, tmp_path / "features", tmp_path / "data", config or PairsConfig())


def rows_of(tmp_path: Path) -> list[dict[str, object]]:
    return read_table(tmp_path / "data" / "pairs.parquet", PAIRS)


def test_counts_splits_and_samples(tmp_path: Path, tiny_encoder: Encoder) -> None:
    report = build(make_source(tmp_path / "s", motions_per_video=2), tmp_path, tiny_encoder)
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
    assert description["encoder_statement"] == tiny_encoder.statement


def test_statistics_are_of_the_training_motions_each_once(tmp_path: Path, tiny_encoder: Encoder) -> None:
    shared = "".join(
        f"videos/{index:02d}.mp4,motions/shared.npy,human-human,a,,,\n" for index in range(0, 20, 2)
    )
    save_motion(tmp_path / "s" / "motions" / "shared.npy", 1.1 * standing_motion(150, 77))
    build(make_source(tmp_path / "s", rows=shared), tmp_path, tiny_encoder)
    motions = {
        str(row["motion_key"]): np.asarray(
            open_reader(tmp_path / "data" / "shards" / str(row["shard"]))[str(row["key"])].arrays["motion"]
        )
        for row in rows_of(tmp_path)
        if row["split"] == "train"
    }
    assert sum(row["motion_key"] == "motions__shared-npy" for row in rows_of(tmp_path)) == 10
    expected = MotionStatistics.from_vectors(motions.values())
    found = MotionStatistics.load(tmp_path / "data")
    np.testing.assert_allclose(found.mean, np.concatenate([*motions.values()]).mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-6)
    np.testing.assert_allclose(found.std, expected.std, atol=1e-6)


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
    assert (report.listed, report.lost, report.pairs.total()) == (26, 5, 21)
    quarantine = read_table(tmp_path / "data" / "quarantine.parquet", QUARANTINE)
    assert {(row["path"], row["stage"], row["pairs"]) for row in quarantine} == {
        ("videos/empty.mp4", "open", 1),
        ("videos/absent.mp4", "open", 1),
        ("motions/nan.npy", "motion", 2),
        ("motions/absent.npy", "open", 1),
    }
    with (tmp_path / "data" / "quarantine.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4
    assert max(int(str(row["length"])) for row in rows_of(tmp_path)) == 200


def test_unseen_subcategories(tmp_path: Path, tiny_encoder: Encoder) -> None:
    build(make_source(tmp_path / "s"), tmp_path, tiny_encoder, PairsConfig(split=SplitConfig(unseen=("b",))))
    assert {row["subcategory"] for row in rows_of(tmp_path) if row["split"] == "test"} == {"b"}
    assert {row["subcategory"] for row in rows_of(tmp_path) if row["split"] != "test"} == {"a"}


def test_the_official_layout_keeps_its_split(tmp_path: Path, tiny_encoder: Encoder) -> None:
    report = build(make_release(tmp_path / "s"), tmp_path, tiny_encoder)
    assert report.pairs == {"train": 13, "val": 2, "test": 5}
    tested = {row["motion_path"] for row in rows_of(tmp_path) if row["split"] == "test"}
    assert tested == {f"vector_263/{index}.npy" for index in range(15, 20)}
    assert TrainingSet(tmp_path / "data").facts()["protocol"] == "stated by the data set"


def test_the_official_layout_split_anew(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_release(tmp_path / "s")
    with pytest.raises(InputError, match="--resplit"):
        build(root, tmp_path, tiny_encoder, PairsConfig(split=SplitConfig(unseen=("b",))))
    config = PairsConfig(split=SplitConfig(unseen=("b",), resplit=True))
    report = build(root, tmp_path, tiny_encoder, config)
    assert report.pairs == {"train": 9, "val": 1, "test": 10}
    assert {row["subcategory"] for row in rows_of(tmp_path) if row["split"] == "test"} == {"b"}
    protocol = TrainingSet(tmp_path / "data").facts()["protocol"]
    assert protocol == "seen / unseen, in place of the split that the data set states"


def test_shipped_statistics_are_kept_unless_others_are_wanted(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_release(tmp_path / "s")
    shipped = {
        "Mean.npy": np.linspace(-1, 1, 263).astype(np.float32),
        "Std.npy": np.linspace(1, 2, 263).astype(np.float32),
    }
    for name, values in shipped.items():
        np.save(root / name, values)
    report = build(root, tmp_path, tiny_encoder)
    found = TrainingSet(tmp_path / "data")
    np.testing.assert_array_equal(found.statistics().mean, shipped["Mean.npy"])
    np.testing.assert_array_equal(found.statistics().std, shipped["Std.npy"])
    digests = [f"{name} (sha256 {sha256_of_file(root / name)})" for name in shipped]
    assert report.statistics_from == f"shipped: {', '.join(digests)}"
    assert found.facts()["statistics_from"] == report.statistics_from

    computed = PairsConfig(statistics="computed")
    with pytest.raises(InputError, match=r"another statistics.*--overwrite"):
        build(root, tmp_path, tiny_encoder, computed)
    report = build(root, tmp_path, tiny_encoder, computed.model_copy(update={"overwrite": True}))
    assert report.statistics_from == "computed from 13 training motions"
    assert abs(TrainingSet(tmp_path / "data").statistics().mean[3] - 0.95) < 0.1  # metres of the pelvis


@pytest.mark.parametrize(
    ("std", "said"),
    [
        (None, r"Std\.npy: cannot be read: No such file or directory"),
        (np.zeros(263), r"Std\.npy: std of motion vectors: column 0 is not positive"),
        (np.ones(251), r"Std\.npy: std of motion vectors: expected 263 numbers, got \(251,\)"),
        (np.full(263, np.nan), r"Std\.npy: std of motion vectors: column 0 is not finite"),
    ],
)
def test_shipped_statistics_that_are_none_are_refused(
    tmp_path: Path, tiny_encoder: Encoder, std: np.ndarray | None, said: str
) -> None:
    root = make_release(tmp_path / "s")
    np.save(root / "Mean.npy", np.zeros(263))
    if std is not None:
        np.save(root / "Std.npy", std)
    with pytest.raises(InputError, match=f"{said}; --statistics computed"):
        build(root, tmp_path, tiny_encoder)
    assert not (tmp_path / "data").exists()
    assert build(root, tmp_path, tiny_encoder, PairsConfig(statistics="computed")).pairs.total() == 20


@pytest.mark.parametrize("synchronous", [False, True])
def test_a_training_set_says_whether_its_pairs_are_synchronous(
    tmp_path: Path, tiny_encoder: Encoder, synchronous: bool
) -> None:
    root = make_source(tmp_path / "s", videos=3)
    text = 'name = "n"\nstatement = "s"\n' + ("synchronous = true\n" if synchronous else "")
    (root / "dataset.toml").write_text(text)
    build(root, tmp_path, tiny_encoder)
    data = TrainingSet(tmp_path / "data")
    assert data.synchronous is data.facts()["synchronous"] is synchronous


def test_clear_refusals(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_source(tmp_path / "s", videos=3)
    with pytest.raises(InputError, match="no cache here"):
        build_pairs(open_source(root), tmp_path / "absent", tmp_path / "data", PairsConfig())
    build(root, tmp_path, tiny_encoder)
    with pytest.raises(InputError, match="lists no motions"):
        build_pairs(open_source(root / "videos"), tmp_path / "features", tmp_path / "other", PairsConfig())
    with pytest.raises(InputError, match="not a training set"):
        build_pairs(open_source(root), tmp_path / "features", root, PairsConfig())


def test_rows_of_another_cache_are_refused(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_source(tmp_path / "s", videos=12)
    build(root, tmp_path, tiny_encoder)
    half = EXTRACT.model_copy(update={"storage_dtype": "float16"})
    extract(open_source(root), tmp_path / "other", tiny_encoder, half)
    name = "features-00000.tar"
    (tmp_path / "features" / "shards" / name).write_bytes((tmp_path / "other" / "shards" / name).read_bytes())
    with pytest.raises(ShardError, match=name):
        build_pairs(open_source(root), tmp_path / "features", tmp_path / "data", PairsConfig())


@pytest.mark.parametrize("videos", range(3, 11))
def test_a_small_data_set_splits_without_options(tmp_path: Path, tiny_encoder: Encoder, videos: int) -> None:
    report = build(make_source(tmp_path / "s", videos=videos), tmp_path, tiny_encoder)
    assert all(report.pairs[split] >= 1 for split in ("train", "val", "test"))
    assert report.pairs.total() == videos


def test_two_videos_say_which_option_works(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_source(tmp_path / "s", videos=2)
    with pytest.raises(InputError, match="--test-share 0"):
        build(root, tmp_path, tiny_encoder)
    config = PairsConfig(split=SplitConfig(test_share=0))
    assert build(root, tmp_path, tiny_encoder, config).pairs == {"train": 1, "val": 1}


def test_a_failed_run_leaves_its_list_and_says_why_every_pair_is_missing(
    tmp_path: Path, tiny_encoder: Encoder
) -> None:
    root = make_source(tmp_path / "s", videos=3)
    for path in (root / "motions").iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        InputError, match="none of 3 listed pairs can be used: 3 x motion: empty file"
    ) as caught:
        build(root, tmp_path, tiny_encoder)
    assert str(tmp_path / "data" / "quarantine.csv") in str(caught.value)
    with (tmp_path / "data" / "quarantine.csv").open() as file:
        assert [row["path"] for row in csv.DictReader(file)] == [f"motions/{i:02d}_0.npy" for i in range(3)]
    for index, path in enumerate(sorted((root / "motions").iterdir())):
        save_motion(path, standing_motion(30, index))
    assert build(root, tmp_path, tiny_encoder).lost == 0  # what the failed run left is no obstacle


def test_a_failed_run_leaves_a_standing_training_set_as_it_is(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_source(tmp_path / "s", videos=3)
    build(root, tmp_path, tiny_encoder)
    before = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    for path in (root / "motions").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="data-failed/quarantine.csv"):
        build(root, tmp_path, tiny_encoder)
    assert {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()} == before
    assert (tmp_path / "data-failed" / "quarantine.csv").is_file()


def test_what_a_run_killed_while_it_failed_leaves_is_no_obstacle(
    tmp_path: Path, tiny_encoder: Encoder
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "quarantine.parquet").write_bytes(b"")
    (tmp_path / "data" / ".quarantine.csv.7.partial").write_bytes(b"")
    build(make_source(tmp_path / "s", videos=3), tmp_path, tiny_encoder)


def test_keys_that_match_nothing_are_named_from_either_side(tmp_path: Path, tiny_encoder: Encoder) -> None:
    build(make_source(tmp_path / "s" / "inner", videos=3), tmp_path, tiny_encoder)
    table = (tmp_path / "s" / "inner" / "pairs.csv").read_text()
    table = table.replace("videos/", "inner/videos/").replace("motions/", "inner/motions/")
    (tmp_path / "s" / "pairs.csv").write_text(table)
    with pytest.raises(InputError, match=r"'inner/videos/00.mp4' and the cache holds 'videos/00.mp4'"):
        build_pairs(open_source(tmp_path / "s"), tmp_path / "features", tmp_path / "new", PairsConfig())


def test_other_settings_need_overwrite(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_source(tmp_path / "s", videos=6)
    build(root, tmp_path, tiny_encoder)
    before = (tmp_path / "data" / "dataset.json").read_bytes()
    other = PairsConfig(split=SplitConfig(seed=3))
    with pytest.raises(InputError, match=r"another split.*--overwrite"):
        build(root, tmp_path, tiny_encoder, other)
    assert (tmp_path / "data" / "dataset.json").read_bytes() == before
    build(root, tmp_path, tiny_encoder, other.model_copy(update={"overwrite": True}))
    assert read_json(tmp_path / "data" / "dataset.json")["split"]["seed"] == 3


def test_motions_alone_make_a_training_set(tmp_path: Path) -> None:
    for index in range(8):
        save_motion(tmp_path / "motions" / f"{index}.npy", standing_motion(40 + index, index))
    source = open_source(tmp_path / "motions")
    extract(source, tmp_path / "cache", None, EXTRACT)
    report = build_pairs(source, tmp_path / "cache", tmp_path / "data", PairsConfig())
    assert report.pairs.total() == 8
    data = TrainingSet(tmp_path / "data")
    assert data.identity is None
    assert all(sample.features is None and len(sample.motion) >= 39 for sample in data.train())


def test_a_motion_without_a_video_and_a_video_without_a_motion(tmp_path: Path, tiny_encoder: Encoder) -> None:
    rows = ",motions/alone.npy,,,,,\nvideos/alone.mp4,,human-human,a,,,\n"
    root = make_source(tmp_path / "s", videos=4, rows=rows)
    save_motion(root / "motions" / "alone.npy", standing_motion(60, 5))
    make_video(root / "videos" / "alone.mp4", 9)
    report = build(root, tmp_path, tiny_encoder)
    assert (report.listed, report.pairs.total(), report.videos_alone, report.lost) == (5, 5, 1, 0)
    (alone,) = [row for row in rows_of(tmp_path) if row["clip_key"] is None]
    assert alone["motion_path"] == "motions/alone.npy"


@pytest.mark.parametrize("suffix", ["tar", "h5"])
def test_plain_libraries_read_the_shards(tmp_path: Path, tiny_encoder: Encoder, suffix: str) -> None:
    """Samples are whole without this project's code: webdataset or h5py and numpy are enough."""
    config = PairsConfig(shard_format=suffix)  # type: ignore[arg-type]
    build(make_source(tmp_path / "s", videos=4), tmp_path, tiny_encoder, config)
    lengths = {row["key"]: row["length"] for row in rows_of(tmp_path)}
    found = {}
    for shard in (tmp_path / "data" / "shards").iterdir():
        if suffix == "tar":
            for sample in webdataset.WebDataset(str(shard), shardshuffle=False):
                arrays = {
                    name: np.load(io.BytesIO(sample[f"{name}.npy"]), allow_pickle=False) for name in NAMES
                }
                assert json.loads(sample["json"])["clip_key"] in sample["__key__"]
                found[sample["__key__"]] = arrays
        else:
            with h5py.File(shard) as file:
                for key, group in file.items():
                    assert json.loads(group.attrs["json"])["clip_key"] in key
                    found[key] = {name: group[name][()] for name in NAMES}
    assert {key: len(arrays["motion"]) for key, arrays in found.items()} == lengths
    for arrays in found.values():
        assert arrays["frames"].shape == (16, tiny_encoder.feature_dim)
        np.testing.assert_allclose(arrays["global"], arrays["frames"].mean(axis=0), atol=1e-6)


NAMES = ("frames", "global", "timestamps_seconds", "motion")


def test_the_datasets_library_reads_the_tars(tmp_path: Path, tiny_encoder: Encoder) -> None:
    datasets = pytest.importorskip("datasets")
    build(make_source(tmp_path / "s", videos=4), tmp_path, tiny_encoder)
    files = sorted(map(str, (tmp_path / "data" / "shards").glob("*.tar")))
    loaded = datasets.load_dataset("webdataset", data_files={"all": files}, split="all", streaming=True)
    lengths = {row["key"]: row["length"] for row in rows_of(tmp_path)}
    assert {sample["__key__"]: len(sample["motion.npy"]) for sample in loaded} == lengths
