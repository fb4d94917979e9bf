"""Keys are safe and unique; listed paths stay inside the roots, wherever those are."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_core.errors import InputError
from hero_core.records import check_key
from pipeline.sources import open_source
from pipeline.sources.paths import Roots, key_for

Touch = Callable[..., None]


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300))
def test_every_path_gets_a_safe_key(relative: str) -> None:
    key = key_for(relative)
    check_key(key)
    assert len(key) <= 150


@given(st.lists(st.text("ab_-./ ", min_size=1, max_size=5), min_size=2, max_size=30, unique=True))
def test_paths_do_not_share_keys(paths: list[str]) -> None:
    assert len({key_for(path) for path in paths}) == len(paths)


def test_plain_paths_keep_readable_keys() -> None:
    assert key_for("videos/fi_001.mp4") == "videos__fi_001-mp4"
    assert key_for("a.mp4") != key_for("a-mp4")
    assert key_for("a/b.mp4") != key_for("a__b.mp4")
    assert key_for("vidéo 人間.mp4").startswith("vid-o----mp4-")


def test_an_absolute_path_inside_a_root_is_the_same_file_as_the_relative_one(tmp_path: Path) -> None:
    roots = Roots(tmp_path / "lists", [tmp_path])
    assert roots.locate(f"{tmp_path}/lists/v/a.mp4", "") == roots.locate("v/a.mp4", "")
    assert roots.locate(f"{tmp_path}/disk/a.mp4", "") == ("disk/a.mp4", tmp_path / "disk/a.mp4")


def test_a_linked_root_may_be_spelled_either_way(tmp_path: Path, touch: Touch) -> None:
    touch(tmp_path / "disk/a.mp4")
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    roots = Roots(tmp_path / "data")
    assert roots.locate(f"{tmp_path}/disk/a.mp4", "") == roots.locate(f"{tmp_path}/data/a.mp4", "")


def test_a_relative_path_is_looked_up_in_the_roots_in_order(tmp_path: Path, touch: Touch) -> None:
    own, second, third = (tmp_path / name for name in ("own", "second", "third"))
    touch(own / "a", second / "b", third / "a", third / "b", third / "c")
    roots = Roots(own, [second, third])
    assert [roots.locate(name, "")[1].parent.name for name in "abcd"] == ["own", "second", "third", "own"]


@pytest.mark.parametrize("text", ["../a", "/etc/a", "x\\..\\..\\a", "C:\\a", "\\\\disk\\share\\a", "a\0"])
def test_paths_that_leave_all_roots_are_refused_with_advice(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="pairs.csv:7: .* leads out of .*name the folder .* with --root DIR"):
        Roots(tmp_path, [Path("/usr")]).locate(text, "pairs.csv:7")


def test_an_empty_path_and_an_absent_root(tmp_path: Path) -> None:
    for text in ("", ".", str(tmp_path)):
        with pytest.raises(InputError, match="train.txt:1: an empty path"):
            Roots(tmp_path).locate(text, "train.txt:1")
    with pytest.raises(InputError, match="--root .*absent: no such folder"):
        Roots(tmp_path, [tmp_path / "absent"])


def listed(table: Path, *roots: Path) -> tuple[list[tuple[str, Path]], tuple[str, ...]]:
    source = open_source(table, roots=roots)
    files = [(video.key, video.path) for video in source.videos]
    return files + [(motion.key, motion.path) for motion in source.motions], source.notes


def test_keys_do_not_depend_on_the_disk(tmp_path: Path, touch: Touch) -> None:
    lists, one, two = (tmp_path / name for name in ("lists", "one", "two"))
    lists.mkdir()
    touch(one / "v/a.mp4", two / "m/a.npy")
    (lists / "relative.csv").write_text("video,motion\nv/a.mp4,m/a.npy\n")
    (lists / "absolute.csv").write_text(f"video,motion\n{one}/v/a.mp4,{two}/m/a.npy\n")
    expected = [("v__a-mp4", one / "v/a.mp4"), ("m__a-npy", two / "m/a.npy")]
    assert listed(lists / "relative.csv", one, two) == (expected, ())
    assert listed(lists / "absolute.csv", one, two) == (expected, ())
    assert listed(lists / "relative.csv", two, one) == (expected, ())


def test_two_roots_with_the_same_relative_path(tmp_path: Path, touch: Touch) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    touch(one / "a.mp4", two / "a.mp4", two / "b.mp4")
    (tmp_path / "pairs.csv").write_text("video,motion\na.mp4,\nb.mp4,\n")
    files, notes = listed(tmp_path / "pairs.csv", one, two)
    assert files == [("a-mp4", one / "a.mp4"), ("b-mp4", two / "b.mp4")]
    assert notes == (f"1 listed files lie in more than one root; of a.mp4, {one / 'a.mp4'} is read",)
    assert listed(one, two) == (files, notes)  # without a list, roots are read together
    assert listed(one, one) == ([files[0]], ())


def test_one_key_for_files_on_two_disks_is_refused(tmp_path: Path, touch: Touch) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    touch(one / "a.mp4", two / "a.mp4")
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "pairs.csv").write_text(f"video,motion\n{one}/a.mp4,\n{two}/a.mp4,\n")
    with pytest.raises(InputError, match=r"pairs.csv:3: a.mp4 differs from an earlier row in path"):
        open_source(lists, roots=[one, two])
