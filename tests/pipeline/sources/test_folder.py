"""Folders without lists: of videos, or of motions."""

from collections.abc import Callable
from pathlib import Path

from pipeline.sources import Source, SourcePair, open_source

Touch = Callable[..., None]


def relatives(source: Source) -> list[str]:
    return [video.relative for video in source.videos]


def test_a_tree_of_videos(tmp_path: Path, touch: Touch) -> None:
    touch(
        tmp_path / "human-human/hug/a.mp4",
        tmp_path / "human-human/hug/B.MKV",
        tmp_path / "animal-human/dog/a.webm",
        tmp_path / "animal-human/dog/notes.txt",
        tmp_path / ".hidden/x.mp4",
        tmp_path / "human-human/hug/._a.mp4",
    )
    source = open_source(tmp_path)
    assert (source.kind, source.motions, source.pairs) == ("video folder", (), ())
    assert {(v.relative, v.broad, v.subcategory, v.group) for v in source.videos} == {
        ("animal-human/dog/a.webm", "animal-human", "dog", "animal-human/dog/a.webm"),
        ("human-human/hug/B.MKV", "human-human", "hug", "human-human/hug/B.MKV"),
        ("human-human/hug/a.mp4", "human-human", "hug", "human-human/hug/a.mp4"),
    }
    assert [v.key for v in source.videos] == sorted(v.key for v in source.videos)
    assert source.notes == ()


def test_a_flat_folder_of_videos(tmp_path: Path, touch: Touch) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "b.avi")
    assert {(v.broad, v.subcategory) for v in open_source(tmp_path).videos} == {("unknown", "unknown")}


def test_linked_folders_are_followed_once(tmp_path: Path, touch: Touch) -> None:
    touch(tmp_path / "elsewhere/a.mp4")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/hug").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/again").symlink_to(tmp_path / "root")
    assert relatives(open_source(tmp_path / "root")) == ["hug/a.mp4"]


def test_a_root_inside_another_is_walked_once(tmp_path: Path, touch: Touch) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "inner/b.mp4")
    assert relatives(open_source(tmp_path, roots=[tmp_path / "inner"])) == ["a.mp4", "inner/b.mp4"]


def test_a_folder_of_motions(tmp_path: Path, touch: Touch) -> None:
    touch(tmp_path / "walk/1.bvh", tmp_path / "walk/2.BVH", tmp_path / "a.npy", tmp_path / "smpl/a.npz")
    touch(tmp_path / "walk/notes.txt", tmp_path / ".cache/b.npy")
    (tmp_path / "dataset.toml").write_text('name = "n"\nstatement = "s"\nmotion_fps = 30\n')
    source = open_source(tmp_path)
    assert (source.kind, source.videos, source.notes) == ("motion folder", (), ())
    assert [(m.key, m.relative, m.fps) for m in source.motions] == [
        ("a-npy", "a.npy", 30),
        ("smpl__a-npz", "smpl/a.npz", None),
        ("walk__1-bvh", "walk/1.bvh", None),
        ("walk__2-BVH", "walk/2.BVH", None),
    ]
    assert source.pairs == tuple(SourcePair(None, m.key, None, None) for m in source.motions)


def test_statistics_are_no_motions(tmp_path: Path, touch: Touch) -> None:
    touch(tmp_path / "Mean.npy", tmp_path / "Std.npy", tmp_path / "a.npy")
    source = open_source(tmp_path)
    assert [motion.relative for motion in source.motions] == ["a.npy"]
    assert source.notes[0].startswith("Mean.npy and Std.npy are not read")


def test_motions_among_videos_are_passed_over_and_counted(tmp_path: Path, touch: Touch) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "a.npy", tmp_path / "x/b.bvh")
    source = open_source(tmp_path)
    assert (source.kind, relatives(source), source.motions, source.pairs) == (
        "video folder",
        ["a.mp4"],
        (),
        (),
    )
    assert source.notes[0].startswith("2 motion files lie among the videos and are not read")
