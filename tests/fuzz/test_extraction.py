"""Damaged videos and motions, extracted: a row each, an end, and nothing left to do."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hero_core.cache import OK, Cache, Kind, Row
from pipeline.config import ExtractConfig
from pipeline.decode.video import DecodeLimits
from pipeline.encoders import Encoder
from pipeline.extract import extract
from pipeline.motions import MotionConversion
from pipeline.sources import open_source
from pipeline.verify import verify
from tests.fuzz.conftest import FILES, Count
from tests.fuzz.mutation import mutated
from tests.fuzz.seeds import files_of, write_motions, write_videos
from tests.pipeline.test_motions import body_model

EACH = -(-FILES // 3)
"""Videos, and motions."""

UNEXPECTED = re.compile(r"\w+: .*\(\w+\.py:\d+\)$")
"""The reason of a row whose input met an exception that nobody converted."""

pytestmark = pytest.mark.timeout(300 + 3 * FILES)


def write_damaged(whole: Path, out: Path, number: int) -> None:
    """So many damaged files; the name of each has the name of the whole one and the seed."""
    files = files_of(whole)
    for seed in range(number):
        path, other = files[seed % len(files)], files[(seed + 1) % len(files)]
        damaged = mutated(path.read_bytes(), other.read_bytes(), seed)
        (out / f"{path.stem}-{seed}{path.suffix}").write_bytes(damaged)


def is_sound(row: Row) -> bool:
    """Whether a row is ok, or says why not; all of it in lines for people."""
    if row["status"] == OK:
        return all(warning.isprintable() for warning in row["warnings"])
    reason = row["reason"] or ""
    return bool(row["stage"] and reason) and reason.isprintable() and not UNEXPECTED.search(reason)


@pytest.mark.parametrize(("kind", "write"), [("features", write_videos), ("motions", write_motions)])
def test_every_input_has_its_row(
    tmp_path: Path, tiny_encoder: Encoder, count: Count, kind: Kind, write: Callable[[Path], None]
) -> None:
    whole, inputs, out = tmp_path / "whole", tmp_path / "inputs", tmp_path / "cache"
    whole.mkdir()
    inputs.mkdir()
    write(whole)
    write_damaged(whole, inputs, EACH)
    source = open_source(inputs)
    encoder = tiny_encoder if kind == "features" else None
    config = ExtractConfig(
        workers=2,
        limits=DecodeLimits(max_seconds=10, base_seconds=10),
        conversion=MotionConversion(body_model=body_model(tmp_path), up="y"),
    )
    report = extract(source, out, encoder, config)
    assert (report.inputs, report.kept, report.ok + report.quarantined) == (EACH, 0, EACH)
    rows = Cache.open(out).rows(kind)
    listed = source.videos if kind == "features" else source.motions
    assert sorted(rows) == sorted(item.key for item in listed)
    for row in rows.values():
        count(kind, OK if row["status"] == OK else f"quarantined ({row['stage']})")
    assert [(row["path"], row["stage"], row["reason"]) for row in rows.values() if not is_sound(row)] == []
    assert verify(out).problems == ()

    again = extract(source, out, encoder, config)
    assert (again.kept, again.ok, again.quarantined) == (EACH, 0, 0)
    assert Cache.open(out).rows(kind) == rows
