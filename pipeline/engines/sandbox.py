"""Holds a worker process to its work: Landlock and seccomp of Linux let it read its input, compute and answer.

Landlock can only take more and more away, and from one thread and what that starts. So the process as a whole may
write nothing, open no socket and start no program, and each input is read in a thread of its own that can open this
file besides the libraries. Threads share memory: the narrower limit holds for files that name other files, as playlists
do. Code that a file has smuggled into the process can read what its user can, and still cannot take it anywhere.
"""

import ctypes
import errno
import os
import site
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Thread
from typing import TypeVar

try:
    import landlock
    import pyseccomp
except ImportError:
    _missing: str | None = "not installed: pip install 'hero-motion[sandbox]'"
except (RuntimeError, OSError, TypeError):  # how pyseccomp says so, by system
    _missing = "this system has no libseccomp"
else:
    _missing = None

_REFUSED = (
    # sockets and other ways to reach programs; results return by a pair of sockets that is there already
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4"),
    *("shmget", "shmat", "msgget", "msgsnd", "semget", "mq_open"),
    # programs, and what other processes hold
    *("execve", "execveat", "fork", "vfork", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_open", "pidfd_getfd", "pidfd_send_signal"),
    # what of a file may be changed without opening it, which Landlock leaves alone
    *("chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "truncate"),
    *("utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr"),
    *("removexattr", "lremovexattr", "fremovexattr"),
    # parts of the kernel that reading needs none of, and that would lead around all this
    *("io_uring_setup", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key"),
    *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "fsopen", "open_tree", "move_mount"),
)
_LIBRARY_FOLDERS = (
    *(Path(prefix, name) for prefix in (sys.prefix, sys.base_prefix) for name in ("lib", "lib64")),
    *map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")),
    *map(Path, (*site.getsitepackages(), site.getusersitepackages())),
    *(Path(__file__).parents[2] / package for package in ("hero_core", "pipeline")),
)
"""From which more may be imported while an input is read."""
_LIBRARY_FILES = tuple(map(Path, ("/etc/ld.so.cache", "/dev/null", "/dev/urandom")))

_CLONE_THREAD = 0x00010000
_M_ARENA_MAX = -8

ResultT = TypeVar("ResultT")


def why_not() -> str | None:
    """Why workers of this machine have no sandbox; None where they have one."""
    if _missing is not None:
        return _missing
    try:
        landlock.landlock_abi_version()
    except OSError as error:
        return f"this kernel has no Landlock ({error.strerror})"
    return None


def statement() -> str:
    """One line for people: whether the workers of this machine have a sandbox."""
    if why := why_not():
        return f"off, {why}"
    return "on, what reads an input can open no other, write nothing, open no socket and start no program"


def enter() -> None:
    """Let this process and its threads write nothing, open no socket and start no program from now on.

    Raises:
        OSError: the system refuses, although :func:`why_not` had no reason.
    """
    _share_one_heap()
    _restrict(landlock.FSAccess.all() & ~_reading())
    refused = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refuse = pyseccomp.ERRNO(errno.EPERM)
    for name in _REFUSED:
        with suppress(OSError):  # a call that this system does not have
            refused.add_rule(refuse, name)
    others = pyseccomp.Arg(0, pyseccomp.NE, os.getpid())
    refused.add_rule(refuse, "kill", others)
    refused.add_rule(refuse, "tgkill", others)
    refused.add_rule(refuse, "prlimit64", pyseccomp.Arg(0, pyseccomp.NE, 0))
    refused.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _CLONE_THREAD, 0))
    refused.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")  # its flags cannot be seen; clone is taken then
    refused.load()


def with_files_alone(files: Iterable[Path], call: Callable[[], ResultT]) -> ResultT:
    """``call()``, in a thread that can read these files and the libraries, and no other file.

    Raises:
        MemoryError: there is none left for a thread.
    """
    future: Future[ResultT] = Future()

    def alone() -> None:
        try:
            _restrict(_reading(), _library_folders(), [*_LIBRARY_FILES, *files])
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001  handed over, not swallowed
            future.set_exception(error)

    thread = Thread(target=alone, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        raise MemoryError from None
    return future.result()


def _share_one_heap() -> None:
    """Let all threads allocate where the first one does; else each new one takes its memory from the system anew."""
    with suppress(AttributeError):  # a C library other than glibc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _reading() -> "landlock.FSAccess":
    return landlock.FSAccess.READ_FILE | landlock.FSAccess.READ_DIR


@cache
def _library_folders() -> list[Path]:
    """Those that there are, none inside another: each costs time with every input."""
    there = {folder.resolve() for folder in _LIBRARY_FOLDERS if folder.is_dir()}
    return [folder for folder in there if there.isdisjoint(folder.parents)]


def _restrict(what: "landlock.FSAccess", folders: Iterable[Path] = (), files: Iterable[Path] = ()) -> None:
    """Refuse this thread ``what``, but for reading in these folders and these files; links are followed."""
    rules = landlock.Ruleset(what)
    try:
        rules.allow(*folders, rules=_reading())
        for file in files:
            with suppress(OSError):  # it is not there; who reads it says why
                rules.allow(file, rules=landlock.FSAccess.READ_FILE)
        rules.apply()
    finally:
        os.close(rules._fd)  # which the package leaves open
