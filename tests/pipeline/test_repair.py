"""Repair drops what is damaged and nothing else, and extract makes it again."""

from pathlib import Path

import pytest

from hero_core.cache import Cache
from hero_core.errors import FingerprintError, InputError, ManifestError, OutputError
from hero_core.seal import seal_of_file
from pipeline.config import ExtractConfig
from pipeline.encoders import Encoder
from pipeline.extract import extract
from pipeline.repair import alone_with, plan_repair
from pipeline.sources import open_source
from pipeline.verify import verify
from tests.pipeline.conftest import EXTRACT, make_source

CONFIG: ExtractConfig = EXTRACT.model_copy(update={"clips_per_shard": 4, "motions_per_shard": 4})


@pytest.fixture
def cache(tmp_path: Path, tiny_encoder: Encoder) -> Path:
    """Twelve motions in three shards, twelve videos in three; a later row of the last one points into the first."""
    source = make_source(tmp_path / "s", videos=12)
    again(tmp_path, tiny_encoder)
    (source / "videos" / "11.mp4").write_bytes((source / "videos" / "00.mp4").read_bytes())
    again(tmp_path, tiny_encoder)
    return tmp_path / "features"


def again(root: Path, encoder: Encoder) -> int:
    return extract(open_source(root / "s"), root / "features", encoder, CONFIG).ok


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def flip(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(bytes(whole))


def another_version(plan: Path) -> None:
    """A sound table, but no plan that this version reads."""
    plan.write_bytes((plan.parent / "manifest" / "motions-00000.parquet").read_bytes())


def mended(folder: Path) -> list[str]:
    repair = plan_repair(folder)
    before = contents(folder)
    lines = list(repair.lines())
    assert contents(folder) == before  # a plan changes nothing
    repair.apply()
    assert not plan_repair(folder).needed
    return lines


def test_a_sound_cache_stays_as_it_is(cache: Path) -> None:
    repair = plan_repair(cache)
    assert (repair.needed, repair.kept, repair.lost, list(repair.lines())) == (False, 25, 0, [])


def test_a_damaged_shard_goes_with_the_rows_that_point_into_it(cache: Path, tiny_encoder: Encoder) -> None:
    before = contents(cache)
    flip(cache / "shards" / "features-00000.tar")
    lines = mended(cache)
    assert any("5 rows pointed into" in line for line in lines)
    after = contents(cache)
    changed = {name for name in before if after.get(name) != before[name]}
    assert changed == {
        "shards/features-00000.tar",
        "manifest/features-00000.parquet",
        "manifest/features-00003.parquet",  # its row was of a copy of the first video
    }
    assert verify(cache).problems == ()
    assert again(cache.parent, tiny_encoder) == 5
    assert verify(cache).problems == ()
    assert len(Cache.open(cache).rows("features")) == 12


def test_a_damaged_part_goes_with_its_shard(cache: Path, tiny_encoder: Encoder) -> None:
    whole = (cache / "manifest" / "motions-00001.parquet").read_bytes()
    flip(cache / "manifest" / "motions-00001.parquet")
    before = contents(cache)
    with pytest.raises(ManifestError, match=r"motions-00001\.parquet: damaged"):
        Cache.open(cache).rows("motions")
    mended(cache)
    lost = before.keys() - contents(cache).keys()
    assert lost == {"manifest/motions-00001.parquet", "shards/motions-00001.tar"}
    assert again(cache.parent, tiny_encoder) == 4
    assert verify(cache).problems == ()
    assert contents(cache) == before | {"manifest/motions-00001.parquet": whole}  # planned as it was


def test_a_damaged_plan_is_written_anew(cache: Path, tiny_encoder: Encoder) -> None:
    for damage in (flip, Path.unlink, another_version):
        damage(cache / "plan.parquet")
        assert [problem.path.name for problem in verify(cache).problems] == ["plan.parquet"]
        mended(cache)
        assert verify(cache).problems == ()
        assert again(cache.parent, tiny_encoder) == 0


def test_a_shard_that_sound_rows_need_stays(cache: Path, tiny_encoder: Encoder) -> None:
    """The rows of the first shard are lost, but a row of the last one points into it."""
    flip(cache / "manifest" / "features-00000.parquet")
    mended(cache)
    assert (cache / "shards" / "features-00000.tar").is_file()
    assert verify(cache).problems == ()
    assert again(cache.parent, tiny_encoder) == 4
    assert verify(cache).problems == ()


def test_missing_and_stray_shards(cache: Path, tiny_encoder: Encoder) -> None:
    (cache / "shards" / "motions-00002.tar").unlink()
    (cache / "shards" / "motions-00009.tar").write_bytes(b"of a killed run")
    (cache / "shards" / "notes.txt").write_text("mine")
    mended(cache)
    names = {path.name for path in (cache / "shards").iterdir()}
    assert not names & {"motions-00002.tar", "motions-00009.tar"}
    assert "notes.txt" in names
    assert again(cache.parent, tiny_encoder) == 4


def test_a_damaged_description_is_written_anew(cache: Path, tiny_encoder: Encoder) -> None:
    path = cache / "cache.json"
    for damage in (b"", path.read_bytes().replace(b"float32", b"float31")):
        path.write_bytes(damage)
        mended(cache)
        assert len(Cache.open(cache).rows("features")) == 12
        other = CONFIG.model_copy(update={"storage_dtype": "float16"})
        with pytest.raises(FingerprintError, match="made in another way"):
            extract(open_source(cache.parent / "s"), cache, tiny_encoder, other)
        assert again(cache.parent, tiny_encoder) == 0
        assert verify(cache).problems == ()


def test_what_an_earlier_version_wrote_is_sealed(cache: Path) -> None:
    parts = [*Cache.open(cache).parts("features"), cache / "cache.json"]
    for part in parts:
        part.write_bytes(part.read_bytes().replace(b"hero-seal:", b"hero-deal:"))
    assert len(Cache.open(cache).rows("features")) == 12
    assert len(verify(cache).problems) == len(parts)
    mended(cache)
    assert {seal_of_file(part) for part in parts} == {"whole"}
    assert verify(cache).problems == ()


def test_what_is_no_cache_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cache here"), alone_with(tmp_path / "misspelt"):
        pass
    assert not (tmp_path / "misspelt").exists()


def test_nobody_else_writes_meanwhile(cache: Path, tiny_encoder: Encoder) -> None:
    with alone_with(cache), pytest.raises(OutputError, match="is writing here"):
        again(cache.parent, tiny_encoder)
