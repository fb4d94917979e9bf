"""What a worker with a sandbox tries in vain, and that it does its work as one without."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.encoders import Encoder
from pipeline.engines import sandbox
from pipeline.engines.local import Broken, ItemLimits, ordered_map
from pipeline.extract import extract
from pipeline.sources import open_source
from tests.pipeline.conftest import EXTRACT, make_source

WHY_NOT = sandbox.why_not()
needs_sandbox = pytest.mark.skipif(WHY_NOT is not None, reason=f"no sandbox: {WHY_NOT}")


def files_of(item: tuple[str, Path]) -> list[Path]:
    return [item[1]]


LIMITS = ItemLimits(seconds=60, mebibytes=1024, files_of=files_of)


def neighbour(path: Path) -> Path:
    return path.with_name("other.txt")


def connect_by_ring(_: Path) -> None:
    """io_uring would open sockets past the filter."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(425, 1, ctypes.create_string_buffer(120)) < 0:  # io_uring_setup
        raise OSError(ctypes.get_errno(), "io_uring_setup")


ATTEMPTS: dict[str, Callable[[Path], object]] = {
    "read a system file": lambda path: Path("/etc/passwd").read_text(),
    "read what lies beside": lambda path: neighbour(path).read_text(),
    "read its environment": lambda path: Path("/proc/self/environ").read_bytes(),
    "list a folder": lambda path: os.listdir(path.parent),  # noqa: PTH208
    "overwrite its file": lambda path: path.write_text("mine"),
    "cut its file": lambda path: os.truncate(path, 0),
    "hide its file": lambda path: path.chmod(0),
    "date its file": lambda path: os.utime(path, (0, 0)),
    "rename its file": lambda path: path.rename(path.with_name("renamed")),
    "delete its file": lambda path: path.unlink(),
    "write a file": lambda path: path.with_name("new.txt").write_text("new"),
    "make a folder": lambda path: path.with_name("new").mkdir(),
    "make a link": lambda path: path.with_name("link").symlink_to("/etc/passwd"),
    "write shared memory": lambda path: Path("/dev/shm/hero-test").write_text("new"),
    "open a socket": lambda path: socket.socket(),
    "open a local socket": lambda path: socket.socket(socket.AF_UNIX),
    "set up a ring": connect_by_ring,
    "execute a program": lambda path: os.execv(sys.executable, [sys.executable, "-c", ""]),
    "start a program": lambda path: subprocess.run([sys.executable, "-c", ""], check=True),
    "fork": lambda path: os.fork(),
    "end its parent": lambda path: os.kill(os.getppid(), signal.SIGKILL),
}


def attempt(item: tuple[str, Path]) -> str:
    name, path = item
    if name == "read its file":
        return path.read_text()
    if name == "import":
        import colorsys

        return colorsys.__name__
    try:
        ATTEMPTS[name](path)
    except OSError as error:
        return type(error).__name__
    return "done"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The one file that an item may read."""
    (tmp_path / "item.txt").write_text("content")
    neighbour(tmp_path / "item.txt").write_text("another's")
    return tmp_path / "item.txt"


@needs_sandbox
def test_all_but_reading_its_file_is_refused(path: Path) -> None:
    names = list(ATTEMPTS)
    before = sorted(path.parent.iterdir())
    found = list(ordered_map(attempt, [(name, path) for name in names], 1, LIMITS))
    assert dict(zip(names, found, strict=True)) == dict.fromkeys(names, "PermissionError")
    assert sorted(path.parent.iterdir()) == before
    assert path.read_text() == "content"


@needs_sandbox
def test_each_item_reads_its_own_file_in_the_same_process(path: Path) -> None:
    link = path.with_name("link.txt")
    link.symlink_to(neighbour(path))
    items = [
        ("read its file", path),
        ("read what lies beside", path),
        ("read its file", neighbour(path)),
        ("read its file", link),
        ("import", path),
        ("read what lies beside", path),
    ]
    found = list(ordered_map(attempt, items, 1, LIMITS))
    assert found == ["content", "PermissionError", "another's", "another's", "colorsys", "PermissionError"]


def test_the_same_attempts_succeed_without(path: Path) -> None:
    """So the tests above see the sandbox, and not another obstacle."""
    items = [("read a system file", path), ("read what lies beside", path), ("open a socket", path)]
    assert list(ordered_map(attempt, items, 1, ItemLimits(60, 1024))) == ["done"] * 3


def leave(item: tuple[str, Path]) -> str:
    match item[0]:
        case "exit":
            sys.exit(3)
        case "swell":
            bytearray(2 * 1024**3)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "raise":
            raise ZeroDivisionError("by nothing")
    return item[0]


@needs_sandbox
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("exit", "ended with exit code 3"),
        ("swell", "over 1024 MiB"),
        ("crash", "killed by signal 11"),
        ("raise", "ZeroDivisionError: by nothing (test_sandbox.py:"),
    ],
)
def test_an_item_breaks_its_process_as_without(path: Path, what: str, reason: str) -> None:
    first, second, third = ordered_map(leave, [("a", path), (what, path), ("b", path)], 1, LIMITS)
    assert (first, third) == ("a", "b")
    assert isinstance(second, Broken)
    assert second.reason.startswith(reason)


@needs_sandbox
def test_the_same_bytes_as_without(
    tmp_path: Path, tiny_encoder: Encoder, request: pytest.FixtureRequest
) -> None:
    source = make_source(tmp_path / "s", videos=3)
    (source / "videos" / "01.mp4").write_bytes(b"no video")
    extract(open_source(source), tmp_path / "with", tiny_encoder, EXTRACT)
    request.getfixturevalue("no_sandbox")
    extract(open_source(source), tmp_path / "without", tiny_encoder, EXTRACT)
    assert contents(tmp_path / "with") == contents(tmp_path / "without")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_line_says_whether_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "why_not", lambda: None)
    assert sandbox.statement().startswith("on, ")
    monkeypatch.setattr(sandbox, "why_not", lambda: "this kernel has no Landlock (Function not implemented)")
    assert sandbox.statement() == "off, this kernel has no Landlock (Function not implemented)"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_missing", "not installed: pip install 'hero-motion[sandbox]'")
    assert sandbox.statement() == "off, not installed: pip install 'hero-motion[sandbox]'"
