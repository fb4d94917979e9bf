from pathlib import Path

from hero_core.view.played import LARGEST_BYTES, played_video


def test_what_browsers_play_from_this_folder_alone(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"moving pictures")
    (folder / "b.avi").write_bytes(b"moving pictures")
    (folder / "large.mp4").write_bytes(bytes(LARGEST_BYTES + 1))
    (tmp_path / "outside.mp4").write_bytes(b"private")
    (folder / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    found = played_video(folder, "a.mp4")
    assert found is not None
    assert (found.name, found.data, found.mime) == ("a.mp4", b"moving pictures", "video/mp4")
    for name in ("b.avi", "large.mp4", "link.mp4", "../outside.mp4", "missing.mp4"):
        assert played_video(folder, name) is None
