"""The page of real sets: what it says, that it fits, and that what it finds is what is wrong."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hero_core.errors import ConfigError, InputError
from hero_core.view.html import page_html
from pipeline.cli import app
from pipeline.config import PairsConfig
from pipeline.data_page.page import contents_of, data_document
from pipeline.encoders import Encoder
from pipeline.extract import extract
from pipeline.pairs import build_pairs
from pipeline.sources import open_source
from tests.pipeline.conftest import EXTRACT, make_source, save_motion, standing_motion
from tests.pipeline.data_page.entries import contents, entry

BENT = "videos__04-mp4"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Encoder) -> Path:
    """Twenty pairs, one of somebody who bends over, and one more whose motion is in centimetres."""
    home = tmp_path_factory.mktemp("home")
    make_source(home / "source", rows="videos/01.mp4,motions/cm.npy,human-human,b,,,\n")
    save_motion(home / "source" / "motions" / "cm.npy", 100 * standing_motion(40, 1))
    bent = standing_motion(60, 4)
    above = [3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]
    bent[:, above, 2] += bent[:, above, 1] - bent[:, :1, 1]  # what was above the pelvis is now before it
    bent[:, above, 1] = bent[:, :1, 1]
    save_motion(home / "source" / "motions" / "04_0.npy", bent)
    source = open_source(home / "source")
    extract(source, home / "cache", tiny_encoder, EXTRACT)
    build_pairs(source, home / "cache", home / "data", PairsConfig())
    return home


def test_a_training_set_in_numbers(home: Path) -> None:
    reported: list[int] = []
    page = data_document(contents_of(home / "data", lambda done, total, note="": reported.append(done)), 100)
    assert reported == list(range(1, 21))
    assert page.subtitle == "20 pairs measured, all shown, outliers first"
    tables = {table.title: table for table in page.tables}
    counts = {row[0]: row[1:] for row in tables["Counts"].rows}
    assert [counts[split][0] for split in ("train", "val", "test", "all")] == ["14", "2", "4", "20"]
    assert counts["all"][1:3] == ["20", "20"]
    (reason,) = tables["In quarantine"].rows
    assert "--unit cm" in reason[0]
    assert reason[1:] == ["1", "1", "motions/cm.npy"]
    assert len(tables["Categories"].rows) == 2
    assert sum(int(row[-2]) for row in tables["Lengths"].rows) == 20


def test_who_bends_over_is_first(home: Path) -> None:
    page = data_document(contents_of(home / "data"), 100)
    first, *others = page.samples
    assert first.key.startswith(BENT)
    assert dict(first.facts)["Most unusual in"].startswith("head (cm), ")
    assert first.metrics["head"] < 10 < 50 < min(sample.metrics["head"] for sample in others)
    scores = [sample.metrics["unusual"] for sample in page.samples]
    assert scores == sorted(scores, reverse=True)
    assert dict(first.facts)["Right answer"] == "wave, left, from 0.50 s"
    assert first.moment_seconds == 0.5
    assert len(first.sampled_seconds) == 16


def test_a_cache_in_numbers(home: Path) -> None:
    page = data_document(contents_of(home / "cache"), 100)
    tables = {table.title: table for table in page.tables}
    assert [row[:3] for row in tables["Inputs"].rows] == [["videos", "20", "0"], ["motions", "20", "1"]]
    assert "--unit cm" in tables["In quarantine"].rows[0][0]
    assert [row[:2] for row in tables["Categories"].rows] == [["motions", "20"]]  # a folder
    assert page.samples[0].key == "motions__04_0-npy"
    assert "longer" not in page.samples[0].metrics
    with pytest.raises(ConfigError, match="no pairs with a video"):
        data_document(contents_of(home / "cache"), 5, videos=home / "source")


def test_says_how_many_of_how_many_and_keeps_to_its_size(home: Path) -> None:
    whole = contents_of(home / "data")
    page = data_document(whole, 6, seed=3)
    assert len(page.samples) == 6
    assert page.notes[0].startswith(
        "6 of 20 pairs are shown: the 3 most unusual, and 3 drawn by seed 3 in equal"
    )
    room = len(page_html(data_document(whole, 1)).encode()) + 60_000
    smaller = data_document(whole, 20, most_bytes=room)
    assert 3 < len(smaller.samples) < 20
    assert len(page_html(smaller).encode()) <= room
    assert smaller.samples[0].key.startswith(BENT)


def test_videos_as_far_as_they_fit(home: Path, tmp_path: Path) -> None:
    whole = contents_of(home / "data")
    page = data_document(whole, 20, videos=home / "source")
    assert all(sample.video is not None for sample in page.samples)
    assert "All 20 videos are in the page." in page.notes
    most = len(page_html(data_document(whole, 20)).encode()) + 12_000
    fewer = data_document(whole, 20, videos=home / "source", most_bytes=most)
    assert 0 < sum(sample.video is not None for sample in fewer.samples) < 20
    assert len(page_html(fewer).encode()) <= most
    with pytest.raises(InputError, match="none of the videos is here"):
        data_document(whole, 20, videos=tmp_path)


def test_names_are_text() -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    page = data_document(contents([entry(0, hostile), entry(1)]), 2)
    html = page_html(page)
    assert hostile not in html
    assert any(sample.title == hostile for sample in page.samples)


def test_the_command_writes_a_page(home: Path, tmp_path: Path) -> None:
    words = ["report", str(home / "data"), "--out", str(tmp_path / "page.html"), "--count", "4"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert "4 of 20 pairs shown, outliers first" in result.output
    assert BENT in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="neither a training set"):
        contents_of(tmp_path)
