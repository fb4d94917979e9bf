from pathlib import Path

from hero_core.errors import InputError
from hero_core.mirror import Mirror


class FolderStore:
    """A store that is a folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.gets = root, 0

    def put(self, path: Path, name: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(path.read_bytes())

    def get(self, name: str, path: Path) -> None:
        if not (self.root / name).exists():
            raise InputError(name)
        self.gets += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((self.root / name).read_bytes())

    def names(self, folder: str) -> list[str]:
        return sorted(
            path.relative_to(self.root).as_posix()
            for path in (self.root / folder).rglob("*")
            if path.is_file()
        )


def mirror_of(tmp_path: Path, most_bytes: int = 10**9) -> Mirror:
    return Mirror(FolderStore(tmp_path / "store"), tmp_path / "here", most_bytes)  # type: ignore[arg-type]


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_what_is_pushed_is_pulled_elsewhere(tmp_path) -> None:
    mirror = mirror_of(tmp_path)
    mirror.push(write(tmp_path / "here" / "manifest" / "a", b"a"))
    shard = write(tmp_path / "here" / "shards" / "b", b"b")
    mirror.push(shard, keep=False)
    assert not shard.exists()
    other = Mirror(mirror.store, tmp_path / "there", 10**9)
    write(tmp_path / "there" / "manifest" / "old", b"never sent")
    other.pull("manifest")
    assert [path.name for path in (tmp_path / "there" / "manifest").iterdir()] == ["a"]
    other.fetch(tmp_path / "there" / "shards" / "b")
    assert (tmp_path / "there" / "shards" / "b").read_bytes() == b"b"


def test_no_more_is_kept_than_there_is_room_for(tmp_path) -> None:
    mirror = mirror_of(tmp_path, most_bytes=25)
    paths = [tmp_path / "here" / name for name in "abc"]
    for path in paths:
        mirror.store.put(write(tmp_path / "x", b"0123456789"), path.name)
    for path in (paths[0], paths[1], paths[0], paths[2]):
        mirror.fetch(path)
    assert [path.exists() for path in paths] == [True, False, True]
    assert mirror.store.gets == 3
    mirror.fetch(paths[1])
    assert [path.exists() for path in paths] == [False, True, True]
