"""Parts of a source: named, first, or one of several that are disjoint and together all."""

import pytest

from hero_core.errors import ConfigError, InputError
from pipeline.selection import Part, select
from pipeline.sources import Source, open_source
from tests.pipeline.conftest import make_source


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return open_source(make_source(tmp_path_factory.mktemp("s"), videos=6, motions_per_video=2))


def keys(source: Source) -> set[str]:
    return {each.key for each in (*source.videos, *source.motions)}


def test_nothing_said_is_all(source: Source) -> None:
    assert select(source) == source


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_shard_is_in_one_part_and_parts_are_equal(count: int) -> None:
    parts = [Part(number, count) for number in range(1, count + 1)]
    assert all(sum(part.holds(shard) for part in parts) == 1 for shard in range(100))
    assert {sum(part.holds(shard) for shard in range(100)) for part in parts} == {100 // count}
    assert parts[0].holds(0)


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
