"""Outputs that cannot be written: one line, nothing torn, and the run goes on where it was."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_core.cache import PLAN_FILE, Cache
from hero_core.cli import EXIT_ERROR
from hero_core.errors import InputError, OutputError
from hero_core.lock import LOCK_FILE
from pipeline.config import ExtractConfig, PairsConfig
from pipeline.dry_run import dry_run
from pipeline.extract import extract
from pipeline.pairs import build_pairs
from pipeline.sources import open_source
from tests.hero_core.test_lock import held_by_another_process
from tests.pipeline.conftest import save_motion, standing_motion
from tests.pipeline.test_extract import hashes

resource = pytest.importorskip("resource")
REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = ExtractConfig(motions_per_shard=2, workers=1)
FILE_BYTES = 150_000  # between the sizes of the first shards and of the last one

LIMITED = """
import resource, signal, sys
from pipeline.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that a write fails, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
main()
"""


@pytest.fixture
def motions(tmp_path: Path) -> Path:
    """Four short motions and two long ones, which make a larger shard."""
    for index, frames in enumerate((30, 31, 32, 33, 190, 191)):
        save_motion(tmp_path / "motions" / f"{index}.npy", standing_motion(frames, index))
    return tmp_path / "motions"


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may be longer than ``FILE_BYTES``."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def limited(words: list[object]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", LIMITED, str(FILE_BYTES), *map(str, words)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shards", ["tar", "h5"])
def test_the_command_says_one_line_and_ends_with_2(motions: Path, tmp_path: Path, shards: str) -> None:
    out = tmp_path / "out"
    result = limited(["extract", motions, out, "--workers", 1, "--shards", shards])
    shard = out / "shards" / f"motions-00000.{shards}"
    assert result.returncode == EXIT_ERROR
    assert result.stderr.splitlines() == [
        f"error: {shard}: cannot be written: File too large; allow larger files there (ulimit -f, or another "
        "file system), and run the same command again"
    ]
    there = [path for path in out.rglob("*") if path.name != PLAN_FILE]
    assert not any(path.suffix in {".tar", ".h5", ".parquet", ".partial"} for path in there)


@pytest.mark.parametrize("shards", ["tar", "h5"])
def test_what_was_done_is_kept_and_the_rest_becomes_the_same_bytes(
    motions: Path, tmp_path: Path, small_files: None, shards: str
) -> None:
    source, out = open_source(motions), tmp_path / "out"
    config = CONFIG.model_copy(update={"shard_format": shards})
    with pytest.raises(OutputError, match=rf"motions-00002\.{shards}: cannot be written"):
        extract(source, out, None, config)
    assert len(Cache.open(out).rows("motions")) == 4
    assert not any(name.endswith(".partial") for name in hashes(out))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)
    report = extract(source, out, None, config)
    assert (report.kept, report.ok) == (4, 2)
    extract(source, tmp_path / "whole", None, config)
    assert hashes(out) == hashes(tmp_path / "whole")


def test_a_training_set_is_whole_or_not_there(motions: Path, tmp_path: Path) -> None:
    source, cache = open_source(motions), tmp_path / "cache"
    extract(source, cache, None, CONFIG)
    result = limited(["build-pairs", motions, "--features", cache, "--out", tmp_path / "set"])
    assert result.returncode == EXIT_ERROR
    (line,) = result.stderr.splitlines()
    assert "cannot be written: File too large" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "motions"]
    build_pairs(source, cache, tmp_path / "set", PairsConfig())


def test_a_folder_that_may_not_be_written_is_said(motions: Path, tmp_path: Path) -> None:
    source, out = open_source(motions), tmp_path / "out"
    extract(source, out, None, CONFIG)
    for folder in (out, out / "shards", out / "manifest"):
        folder.chmod(0o555)
    try:
        if os.access(out, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(OutputError, match=r"cannot be written: Permission denied; make it writable"):
            extract(source, out, None, CONFIG)
        with pytest.raises(OutputError, match=r"cannot be written: Permission denied; make it writable"):
            extract(source, out / "below", None, CONFIG)
    finally:
        for folder in (out, out / "shards", out / "manifest"):
            folder.chmod(0o755)


def test_a_file_in_place_of_the_folder_is_said(motions: Path, tmp_path: Path) -> None:
    source, out = open_source(motions), tmp_path / "out"
    out.write_text("mine")
    for place in (out, out / "below"):
        with pytest.raises(OutputError, match="a file stands where a folder is needed; name another folder"):
            extract(source, place, None, CONFIG)
    with pytest.raises(InputError, match="out: not a folder"):
        dry_run(source, out, None, CONFIG)
    assert out.read_text() == "mine"


def test_a_cache_and_a_training_set_have_one_writer(motions: Path, tmp_path: Path) -> None:
    source, cache, out = open_source(motions), tmp_path / "cache", tmp_path / "set"
    with (
        held_by_another_process(cache, cache / LOCK_FILE) as first,
        pytest.raises(OutputError, match=f"cache: process {first.pid} on .* is writing here"),
    ):
        extract(source, cache, None, CONFIG)
    extract(source, cache, None, CONFIG)  # that one was killed before it had begun, and its lock with it
    extract(source, tmp_path / "alone", None, CONFIG)
    assert hashes(cache) == hashes(tmp_path / "alone")
    with (
        held_by_another_process(out, tmp_path / f".set{LOCK_FILE}") as first,
        pytest.raises(OutputError, match=f"set: process {first.pid} on .* is writing here"),
    ):
        build_pairs(source, cache, out, PairsConfig())
    build_pairs(source, cache, out, PairsConfig())
    assert not list(tmp_path.glob(".*"))


def test_what_a_kill_left_before_the_first_file_is_no_other_folder(motions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in (LOCK_FILE, ".cache.json.77.partial"):
        (out / name).write_text("half")
    extract(open_source(motions), out, None, CONFIG)
    assert sorted(path.name for path in out.iterdir()) == [
        "cache.json",
        "manifest",
        "plan.parquet",
        "quarantine.csv",
        "shards",
    ]
