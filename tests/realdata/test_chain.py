"""The whole chain on real videos and motions, and on broken ones. The pairing means nothing; the plumbing does."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from hero_core.cache import KINDS, OK, Cache
from hero_core.motion.statistics import MotionStatistics
from pipeline.cli import app as pipeline_app
from pipeline.config import ExtractConfig, PairsConfig
from pipeline.encoders import load_encoder
from pipeline.extract import extract
from pipeline.pairs import build_pairs
from pipeline.report import ExtractReport
from pipeline.sources import open_source
from pipeline.verify import verify
from trainer.cli import app as train_app

CPU = torch.device("cpu")
STEPS = ["--set", "rvq.training.window_frames=20", "--set", "masked.training.select_by=loss"] + [
    word
    for task in ("rvq", "masked", "residual", "length", "evaluator")
    for word in ("--set", f"{task}.training.steps=2", "--set", f"{task}.training.batch_size=8")
]
FULL_SIZE_CLIPS = 3  # the fewest that split without options


def features_of(root: Path, out: Path, encoder: str = "mini") -> ExtractReport:
    tower = load_encoder(encoder, None, CPU)  # type: ignore[arg-type]
    return extract(open_source(root), out, tower, ExtractConfig())


def rows_by_path(out: Path) -> dict[str, dict[str, object]]:
    cache = Cache.open(out)
    return {str(row["path"]): row for kind in KINDS for row in cache.rows(kind).values()}


def invoke(app: object, words: Sequence[object], status: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)  # type: ignore[arg-type]
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture(scope="module")
def mini_features(realdata_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of every real video, through the command."""
    out = tmp_path_factory.mktemp("realdata") / "features"
    invoke(pipeline_app, ["extract", realdata_dir / "videos", out])
    return out


def test_every_real_video_becomes_features(realdata_dir: Path, mini_features: Path) -> None:
    files = {path.name for path in (realdata_dir / "videos").iterdir() if path.is_file()}
    rows = rows_by_path(mini_features)
    assert set(rows) == files
    assert [row["path"] for row in rows.values() if row["status"] != OK] == []
    assert verify(mini_features).problems == ()


def test_every_broken_file_ends_as_expected(realdata_dir: Path, tmp_path: Path) -> None:
    """Videos and motions of broken/ in one source: what is expected to be lost has a row, and the run goes on."""
    with (realdata_dir / "broken" / "expected.csv").open(encoding="utf-8") as file:
        expected = {row["file"]: row["expect"] for row in csv.DictReader(file)}
    with (realdata_dir / "pairs.csv").open(encoding="utf-8", newline="") as file:
        good = [(row["video"], row["motion_joints"]) for row in csv.DictReader(file)]
    good.sort(key=lambda pair: (realdata_dir / pair[0]).stat().st_size)
    good_video, good_motion = good[0]
    motions = sorted(name for name in expected if name.endswith((".npy", ".bvh")))
    videos = sorted(set(expected) - set(motions))
    root = tmp_path / "source"
    root.mkdir()
    for folder in ("videos", "motions", "broken"):
        (root / folder).symlink_to(realdata_dir / folder)
    lines = [["video", "motion"], *map(list, good[:12])]
    lines += [[f"broken/{name}", good_motion] for name in videos]
    lines += [[good_video, f"broken/{name}"] for name in motions]
    with (root / "pairs.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)

    report = features_of(root, tmp_path / "features")
    assert report.done == report.inputs
    outcome = {Path(path).name: row["status"] for path, row in rows_by_path(tmp_path / "features").items()}
    pairs = build_pairs(open_source(root), tmp_path / "features", tmp_path / "data", PairsConfig())
    assert pairs.pairs.total() + pairs.lost == pairs.listed == len(lines) - 1
    with (tmp_path / "data" / "quarantine.csv").open(encoding="utf-8") as file:
        lost = {Path(row["path"]).name: row["reason"] for row in csv.DictReader(file)}
    assert all(lost.values())
    assert set(lost) == {name for name, status in outcome.items() if status != OK}
    wrong = {
        name: (outcome.get(name), want)
        for name, want in expected.items()
        if want != "either" and outcome.get(name) != {"ok": OK, "quarantine": "quarantined"}[want]
    }
    assert wrong == {}
    assert set(expected) <= set(outcome)


def test_official_lists_build_and_train(realdata_dir: Path, mini_features: Path, tmp_path: Path) -> None:
    features = tmp_path / "features"
    invoke(pipeline_app, ["extract", realdata_dir, features])
    words = ["build-pairs", realdata_dir, "--features", features, "--out", tmp_path / "data"]
    invoke(pipeline_app, words)
    stated = sum(len((realdata_dir / name).read_text().split("\n")) - 1 for name in ("train.txt", "test.txt"))
    counts = json.loads((tmp_path / "data" / "dataset.json").read_text())["counts"]
    assert sum(counts["pairs"].values()) == counts["listed_pairs"] == stated
    assert verify(tmp_path / "data").problems == ()
    invoke(train_app, ["all", tmp_path / "data", "--out", tmp_path / "run", "--preset", "demo", *STEPS])
    for part in ("rvq", "masked", "residual", "length", "evaluator"):
        assert (tmp_path / "run" / part / "best.safetensors").is_file()


def test_pair_table_builds_with_vectors_or_with_joints(realdata_dir: Path, tmp_path: Path) -> None:
    table = realdata_dir / "pairs.csv"
    found = []
    for column in ("motion_vec263", "motion_joints"):  # the second time, only the motions are new
        out = tmp_path / column
        invoke(pipeline_app, ["extract", table, tmp_path / "features", "--column", f"motion={column}"])
        invoke(pipeline_app, ["build-pairs", table, "--features", tmp_path / "features", "--out", out])
        statistics = MotionStatistics.load(out)
        found.append((statistics.mean, statistics.std))
        assert verify(out).problems == ()
    # The same motions both ways. Where a heading crosses 180 degrees the published vectors turn the wrong way.
    np.testing.assert_allclose(found[0][0], found[1][0], atol=0.02)


def test_full_size_tower_trains(realdata_dir: Path, tmp_path: Path) -> None:
    """ViT-B/16 with random weights, which its statement says, on the shortest of the real videos."""
    with (realdata_dir / "pairs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda row: (realdata_dir / row["video"]).stat().st_size)
    root = tmp_path / "source"
    root.mkdir()
    for folder in ("videos", "vector_263"):
        (root / folder).symlink_to(realdata_dir / folder)
    with (root / "pairs.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("video", "motion"))
        table.writerows((row["video"], row["motion_vec263"]) for row in rows[:FULL_SIZE_CLIPS])
    features, data = tmp_path / "features", tmp_path / "data"
    printed = invoke(pipeline_app, ["extract", root, features, "--encoder", "tc-clip-random"])
    assert "random weights" in printed
    cache = Cache.open(features)
    row = next(iter(cache.rows("features").values()))
    assert cache.features(row).frames.shape == (16, 512)
    invoke(pipeline_app, ["build-pairs", root, "--features", features, "--out", data])
    assert "random weights" in (data / "dataset.json").read_text()
    invoke(train_app, ["all", data, "--out", tmp_path / "run", "--preset", "demo", *STEPS])
    assert (tmp_path / "run" / "residual" / "best.safetensors").is_file()
