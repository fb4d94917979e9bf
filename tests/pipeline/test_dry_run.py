"""What would be done is what is then done, and nothing is written to find out."""

import os
from pathlib import Path

import pytest
import torch

from hero_core.cache import CACHE_FILE
from hero_core.errors import ConfigError, FingerprintError, InputError
from pipeline.config import ExtractConfig
from pipeline.dry_run import dry_run
from pipeline.encoders import Encoder, random_tc_clip
from pipeline.extract import extract
from pipeline.selection import select
from pipeline.sources import open_source
from tests.pipeline.conftest import TINY, make_source
from tests.pipeline.test_extract import hashes

CONFIG = ExtractConfig(clips_per_shard=2, motions_per_shard=4, workers=1)


def test_the_plan_is_what_is_done(tmp_path: Path, tiny_encoder: Encoder) -> None:
    source, out = open_source(make_source(tmp_path / "s", videos=5, motions_per_video=2)), tmp_path / "out"
    videos, motions = dry_run(source, out, tiny_encoder, CONFIG)
    assert (videos.todo, motions.todo, videos.seconds, motions.seconds) == (5, 10, None, None)
    assert not out.exists()
    (tmp_path / "s" / "videos" / "01.mp4").write_bytes(b"no video")
    extract(select(source, limit=3), out, tiny_encoder, CONFIG)
    before = hashes(out)
    videos, motions = dry_run(source, out, tiny_encoder, CONFIG)
    assert (videos.inputs, videos.todo, videos.kept_quarantined) == (5, 2, 1)
    assert (motions.inputs, motions.todo, motions.kept_quarantined) == (10, 7, 0)
    assert videos.seconds is not None
    assert videos.seconds > 0
    assert hashes(out) == before
    report = extract(source, out, tiny_encoder, CONFIG)
    assert report.ok + report.quarantined == 2 + 7


def test_the_rate_is_the_median_over_parts_whatever_lies_between_runs(
    tmp_path: Path, tiny_encoder: Encoder
) -> None:
    source, out = open_source(make_source(tmp_path / "s", videos=6)), tmp_path / "out"
    extract(source, out, tiny_encoder, CONFIG)
    times = {
        "features-00000": 1000.0,  # of an earlier run, whose start nobody knows
        "features-00001": 1006.0,  # two clips: 3 s each
        CACHE_FILE: 5000.0,  # the start of the latest run
        "features-00002": 5008.0,  # 4 s each
        "motions-00000": 5010.0,  # four motions: 0.5 s each
        "motions-00001": 5012.0,  # two: 1 s each
    }
    for name, seconds in times.items():
        path = out / name if name == CACHE_FILE else out / "manifest" / f"{name}.parquet"
        os.utime(path, (seconds, seconds))
    videos, motions = dry_run(source, out, tiny_encoder, CONFIG)
    assert (videos.seconds_each, motions.seconds_each) == (3.5, 0.75)
    assert (videos.seconds, motions.seconds) == (0, 0)


def test_what_extract_refuses_is_refused(tmp_path: Path, tiny_encoder: Encoder) -> None:
    source, out = open_source(make_source(tmp_path / "s", videos=2)), tmp_path / "out"
    with pytest.raises(ConfigError, match="need an encoder"):
        dry_run(source, out, None, CONFIG)
    with pytest.raises(InputError, match="not a cache"):
        dry_run(source, tmp_path, tiny_encoder, CONFIG)
    extract(source, out, tiny_encoder, CONFIG)
    with pytest.raises(FingerprintError, match="another folder"):
        dry_run(source, out, random_tc_clip(6, torch.device("cpu"), torch.float32, TINY), CONFIG)
