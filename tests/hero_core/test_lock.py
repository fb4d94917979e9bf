"""One writer at a time, told who the other one is; no lock outlives its owner."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hero_core import lock as locks
from hero_core.errors import OutputError
from hero_core.lock import LOCK_FILE, only_writer

REPOSITORY = Path(__file__).resolve().parents[2]
HOLDER = """
import sys
from pathlib import Path
from hero_core.lock import only_writer
with only_writer(Path(sys.argv[1]), Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another_process(folder: Path, lock: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process of its own that writes ``folder``."""
    command = [sys.executable, "-c", HOLDER, str(folder), str(lock)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    lock = tmp_path / "out" / LOCK_FILE
    with held_by_another_process(tmp_path / "out", lock) as first:
        who = f"process {first.pid} on {re.escape(socket.gethostname())}"
        for _ in range(2):
            with (
                pytest.raises(OutputError, match=f"out: {who} is writing here"),
                only_writer(lock.parent, lock),
            ):
                pass
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert lock.exists()
        with only_writer(lock.parent, lock) as remark:  # its lock went with it
            assert remark is None
            assert lock.read_text() == f"process {os.getpid()} on {socket.gethostname()}"
    assert not lock.exists()


def test_it_ends_with_its_owner_s_work(tmp_path: Path) -> None:
    lock = tmp_path / LOCK_FILE
    with held_by_another_process(tmp_path, lock) as first:
        first.communicate("")
        assert first.returncode == 0
    assert not lock.exists()
    with pytest.raises(RuntimeError), only_writer(tmp_path, lock):
        raise RuntimeError
    assert not lock.exists()


def test_where_there_are_no_locks_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with only_writer(tmp_path, tmp_path / LOCK_FILE) as remark:
        assert remark is not None
        assert "knows no locks" in remark
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    lock = tmp_path / "file" / LOCK_FILE
    with pytest.raises(OutputError, match="cannot be written"), only_writer(lock.parent, lock):
        pass
