"""Folders with train.txt, val.txt, test.txt: the official release and HumanML3D."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hero_core.errors import InputError
from pipeline.sources import SourcePair, open_source
from pipeline.sources.lists import split_line


def test_official_lists_keep_their_split(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(
        "videos/a.mp4 vector_263/m.npy\n\n  videos/a.mp4\tvector_263/n.npy  \r\n"
    )
    (tmp_path / "test.txt").write_text("\ufeffvideos/b.mp4 vector_263/m.npy")
    source = open_source(tmp_path)
    assert source.kind == "official lists"
    assert [video.relative for video in source.videos] == ["videos/a.mp4", "videos/b.mp4"]
    assert [motion.relative for motion in source.motions] == ["vector_263/m.npy", "vector_263/n.npy"]
    assert source.pairs == (
        SourcePair("videos__a-mp4", "vector_263__m-npy", "train", None),
        SourcePair("videos__a-mp4", "vector_263__n-npy", "train", None),
        SourcePair("videos__b-mp4", "vector_263__m-npy", "test", None),
    )
    assert source.videos[0].path == tmp_path / "videos/a.mp4"
    assert source.motions[0].path == tmp_path / "vector_263/m.npy"
    assert source.notes == ()


def test_missing_files_stay_listed(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("gone.mp4 gone.npy\n")
    source = open_source(tmp_path)
    assert (source.videos[0].relative, source.motions[0].relative) == ("gone.mp4", "gone.npy")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a.mp4 m.npy", ("a.mp4", "m.npy")),
        ("my clip 1.mp4 motions/m 1.npy", ("my clip 1.mp4", "motions/m 1.npy")),
        ("A B.WEBM   m.bvh", ("A B.WEBM", "m.bvh")),
        ("no_suffix m", ("no_suffix", "m")),
    ],
)
def test_lines_are_divided_by_their_suffixes(line: str, expected: tuple[str, str]) -> None:
    assert split_line(line, "train.txt:1") == expected


@pytest.mark.parametrize("line", ["a.mp4", "a b c", "a.mp4 m.npy n.npy b.npy x", "a.mp4 b.mp4 m.npy n.npy"])
def test_other_lines_are_refused_by_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "train.txt").write_text(f"ok.mp4 ok.npy\n{line}\n")
    with pytest.raises(InputError, match=r"train\.txt:2: expected 'video motion'"):
        open_source(tmp_path)


def test_categories_come_from_the_folders(tmp_path: Path) -> None:
    lines = [
        "videos/Human_Human/shaking hands/1.mp4 m.npy",
        "videos/human-human/2.mp4 m.npy",
        "videos/x/y/3.mp4 m.npy",
        f"{tmp_path}/videos/hugging/4.mp4 m.npy",
        "videos/5.mp4 m.npy",
    ]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    (tmp_path / "dataset.toml").write_text('name = "n"\nstatement = "s"\nbroad = ["human-human"]\n')
    categories = {Path(v.relative).stem: (v.broad, v.subcategory) for v in open_source(tmp_path).videos}
    assert categories == {
        "1": ("human-human", "shaking hands"),
        "2": ("human-human", "unknown"),
        "3": ("x", "y"),
        "4": ("unknown", "hugging"),
        "5": ("unknown", "unknown"),
    }


def humanml3d(root: Path, touch: Callable[..., None]) -> Path:
    vectors = root / "new_joint_vecs"
    touch(*(vectors / f"{name}.npy" for name in ("000000", "M000000", "000001", "000007")))
    touch(root / "new_joints/000000.npy", root / "texts/000000.txt", root / "all.txt")
    (root / "train.txt").write_text("000000\nM000000\n")
    (root / "val.txt").write_text("000001\n")
    (root / "test.txt").write_text("000002\n")
    return root


def test_a_humanml3d_folder_is_motions_of_their_own(tmp_path: Path, touch: Callable[..., None]) -> None:
    source = open_source(humanml3d(tmp_path, touch))
    assert (source.kind, source.videos) == ("HumanML3D folder", ())
    assert {(pair.motion_key, pair.split) for pair in source.pairs} == {
        ("new_joint_vecs__000000-npy", "train"),
        ("new_joint_vecs__M000000-npy", "train"),
        ("new_joint_vecs__000001-npy", "val"),
        ("new_joint_vecs__000002-npy", "test"),  # its file is missing; whoever opens it says so
    }
    assert all(pair.video_key is None and pair.truth is None for pair in source.pairs)
    assert [motion.path.parent for motion in source.motions] == [tmp_path / "new_joint_vecs"] * 4
    assert source.notes == ("1 motions of new_joint_vecs stand in no list and are passed over",)


def test_statistics_that_a_folder_with_lists_ships_are_found(
    tmp_path: Path, touch: Callable[..., None]
) -> None:
    root = humanml3d(tmp_path / "humanml3d", touch)
    assert open_source(root).statistics is None
    touch(root / "Mean.npy", root / "Std.npy")
    source = open_source(root)
    assert source.statistics == root
    assert len(source.motions) == 4
    release = tmp_path / "release"
    touch(release / "Std.npy")
    (release / "train.txt").write_text("a.mp4 m.npy\n")
    assert open_source(release).statistics == release  # Mean.npy is missing; whoever reads it says so


def test_a_humanml3d_folder_on_two_disks(tmp_path: Path, touch: Callable[..., None]) -> None:
    touch(tmp_path / "other/new_joint_vecs/000002.npy")
    source = open_source(humanml3d(tmp_path / "own", touch), roots=[tmp_path / "other"])
    paths = {motion.path.stem: motion.path.relative_to(tmp_path).parts[0] for motion in source.motions}
    assert paths == {"000000": "own", "M000000": "own", "000001": "own", "000002": "other"}


def test_a_humanml3d_folder_that_cannot_be_read(tmp_path: Path, touch: Callable[..., None]) -> None:
    root = humanml3d(tmp_path, touch)
    (root / "test.txt").write_text("000001\n")
    with pytest.raises(InputError, match=r"test.txt:1: new_joint_vecs/000001.npy is listed again"):
        open_source(root)
    (root / "test.txt").write_text("videos/a.mp4 000001.npy\n")
    with pytest.raises(InputError, match=r"test.txt:1: expected the name of one motion"):
        open_source(root)
    for split in ("train", "val", "test"):
        (root / f"{split}.txt").unlink()
    with pytest.raises(InputError, match=f"name {root / 'new_joint_vecs'} as the source"):
        open_source(root)
    assert len(open_source(root / "new_joint_vecs").motions) == 4
