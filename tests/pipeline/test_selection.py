"""Parts of a source: named, first, or one of several that are disjoint and together all."""

from pathlib import Path

import pytest

from hero_core.cache import Cache
from hero_core.errors import ConfigError, InputError
from pipeline.config import ExtractConfig
from pipeline.extract import extract
from pipeline.selection import Part, select
from pipeline.sources import Source, open_source
from tests.pipeline.conftest import make_source, save_motion, standing_motion


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return open_source(make_source(tmp_path_factory.mktemp("s"), videos=6, motions_per_video=2))


def keys(source: Source) -> set[str]:
    return {each.key for each in (*source.videos, *source.motions)}


def test_nothing_said_is_all(source: Source) -> None:
    assert select(source) == source


@pytest.mark.parametrize("count", [1, 2, 5])
def test_parts_are_disjoint_and_together_all(source: Source, count: int) -> None:
    parts = [keys(select(source, part=Part(number, count))) for number in range(1, count + 1)]
    assert sum(map(len, parts)) == len(keys(source))
    assert set.union(*parts) == keys(source)


def test_parts_are_about_equal_and_stay_where_they_are() -> None:
    held = [
        sum(Part(number, 4).holds(f"videos__{index}-mp4") for index in range(4000)) for number in (1, 2, 3, 4)
    ]
    assert all(900 < count < 1100 for count in held)
    assert [Part(number, 4).holds("videos__7-mp4") for number in (1, 2, 3, 4)] == [True, False, False, False]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_a_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write it as I/N"):
        Part.parse(text)
    assert Part.parse("2/3") == Part(2, 3)


def test_inputs_are_named_by_key_or_path(source: Source) -> None:
    video, motion = source.videos[1], source.motions[3]
    assert keys(select(source, only=[video.key, motion.relative])) == {video.key, motion.key}
    with pytest.raises(
        InputError, match="no input has the key or path gone.mp4; one that is there: videos/00.mp4"
    ):
        select(source, only=["gone.mp4"])


def test_the_first_few_of_each_kind(source: Source) -> None:
    few = select(source, limit=2)
    assert (few.videos, few.motions) == (source.videos[:2], source.motions[:2])
    assert few.pairs == source.pairs


def test_every_part_is_a_cache_of_its_own(tmp_path: Path) -> None:
    for index in range(8):
        save_motion(tmp_path / "motions" / f"{index}.npy", standing_motion(30 + index, index))
    source, config = open_source(tmp_path / "motions"), ExtractConfig(workers=1)
    extract(source, tmp_path / "whole", None, config)
    whole = Cache.open(tmp_path / "whole").rows("motions")
    together: dict[str, str] = {}
    for number in (1, 2, 3):
        out = tmp_path / f"part-{number}"
        report = extract(select(source, part=Part(number, 3)), out, None, config)
        assert report.done == report.inputs
        rows = Cache.open(out).rows("motions")
        assert not together.keys() & rows.keys()
        together |= {key: row["record"] for key, row in rows.items()}
    assert together == {key: row["record"] for key, row in whole.items()}
