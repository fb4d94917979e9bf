"""Extraction, killed in every way at random points and gone on with, becomes what it becomes without.

``HERO_KILLS`` says how often, all formats together.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hero_core.cache import KINDS, OK, Cache
from hero_core.manifest import CACHE, read_table
from hero_core.mirror import Place
from pipeline.merge import merge
from pipeline.sources import Source, open_source
from tests.pipeline.conftest import make_source
from tests.pipeline.engines.test_local import needs_proc, session_of, wait_for
from tests.pipeline.extractions import INTERRUPTED
from tests.pipeline.test_extract import hashes

REPOSITORY = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("HERO_KILLS", "12"))
VIDEOS = 10
LONGEST_PAUSE_SECONDS = 0.05  # after a report, so that what comes next is under way

pytestmark = [needs_proc, pytest.mark.timeout(60 + 15 * KILLS)]


class Extractions:
    """Runs one extraction after another, and does something to each."""

    def __init__(self, source: Path) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "tests.pipeline.extractions"]
        self._program = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPOSITORY)
        self._source = source
        self.last = 0

    def run(
        self,
        out: Path,
        shards: str,
        after: int | None = None,
        harm: Callable[[int], None] = print,
        **settings: str,
    ) -> int:
        """Extract, do ``harm`` to the process once ``after`` inputs are done, and return how it ended."""
        assert self._program.stdin is not None
        request = {"source": str(self._source), "out": str(out), "shards": shards} | settings
        self._program.stdin.write(json.dumps(request) + "\n")
        self._program.stdin.flush()
        said = dict[str, int]()
        while "ended" not in said:
            word, number = self._line()
            said[word] = number
            if after is not None and {"process", "done"} <= said.keys() and said["done"] >= after:
                harm(said["process"])
                after = None
        self.last = said["process"]
        return said["ended"]

    def end(self) -> None:
        """End the program."""
        self._program.communicate()

    def _line(self) -> tuple[str, int]:
        assert self._program.stdout is not None
        word, number = self._program.stdout.readline().split()
        return word, int(number)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound videos and motions, one video that is none, and one that is listed and missing."""
    root = make_source(tmp_path_factory.mktemp("killed") / "s", VIDEOS)
    (root / "videos" / "03.mp4").write_bytes(b"no video")
    (root / "videos" / "07.mp4").unlink()
    return root


@pytest.fixture(scope="module")
def extractions(source: Path) -> Iterator[Extractions]:
    extractions = Extractions(source)
    yield extractions
    extractions.end()


def kill_all(process: int) -> None:
    os.killpg(process, signal.SIGKILL)


def kill_parent(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def kill_another(process: int) -> None:
    """One of the workers, or the process that forks them, or the one that looks after those."""
    others = [other for other in session_of(process) if other != process]
    if others:
        os.kill(random.choice(others), signal.SIGKILL)


def terminate(process: int) -> None:
    os.kill(process, signal.SIGTERM)


def interrupt(process: int) -> None:
    os.killpg(process, signal.SIGINT)


ENDS = {
    kill_all: -signal.SIGKILL,
    kill_parent: -signal.SIGKILL,
    kill_another: 0,
    terminate: -signal.SIGTERM,
    interrupt: INTERRUPTED,
}


@pytest.mark.parametrize("shards", ["tar", "h5"])
def test_killed_at_random_points(shards: str, source: Path, extractions: Extractions, tmp_path: Path) -> None:
    drawn, opened, ways = random.Random(shards), open_source(source), list(ENDS)
    inputs = len(opened.videos) + len(opened.motions)
    assert extractions.run(tmp_path / "whole", shards) == 0
    whole = hashes(tmp_path / "whole")
    out, harmed = tmp_path / "out", 0
    for number in range(KILLS // 2):
        way, pause = ways[number % len(ways)], drawn.choice((0, drawn.uniform(0, LONGEST_PAUSE_SECONDS)))

        def harm(process: int, way: Callable[[int], None] = way, pause: float = pause) -> None:
            time.sleep(pause)
            if process in session_of(process):
                way(process)

        ended = extractions.run(out, shards, drawn.randrange(inputs), harm)
        assert ended in (0, ENDS[way])
        wait_for(lambda: not session_of(extractions.last))
        harmed += ended != 0
        if ended == 0:  # the death of a worker ends nothing; or it was done before
            assert hashes(out) == whole
            require_each_once(out, opened)
            out = tmp_path / f"out-{number}"
    assert extractions.run(out, shards) == 0
    assert hashes(out) == whole
    require_each_once(out, opened)
    assert harmed > 0


def test_parts_that_are_killed_merge_to_the_whole(
    source: Path, extractions: Extractions, tmp_path: Path
) -> None:
    drawn, killed = random.Random(0), 0
    assert extractions.run(tmp_path / "whole", "tar") == 0
    parts = [tmp_path / f"part-{number}" for number in (1, 2)]
    for number, out in enumerate(parts, 1):
        for _ in range(2):
            part = f"{number}/2"
            killed += extractions.run(out, "tar", drawn.randrange(6), kill_all, part=part) != 0
            wait_for(lambda: not session_of(extractions.last))
        assert extractions.run(out, "tar", part=f"{number}/2") == 0
    merge([Place(out) for out in parts], Place(tmp_path / "merged"))
    assert killed > 0
    assert hashes(tmp_path / "merged") == hashes(tmp_path / "whole")


def require_each_once(out: Path, source: Source) -> None:
    """Every input has one row, and all but the two are ok."""
    cache = Cache.open(out)
    rows = [row for kind in KINDS for part in cache.parts(kind) for row in read_table(part, CACHE)]
    assert Counter(row["key"] for row in rows) == Counter(
        each.key for each in (*source.videos, *source.motions)
    )
    assert sorted(row["path"] for row in rows if row["status"] != OK) == ["videos/03.mp4", "videos/07.mp4"]
