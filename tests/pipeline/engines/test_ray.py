"""The same bytes from a Ray cluster, also when its processes and machines die."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hero_core.errors import ConfigError
from hero_core.storage import sha256_of_file
from pipeline import extract as extraction
from pipeline.cli import app
from pipeline.config import ExtractConfig
from pipeline.encoders import Encoder
from pipeline.engines.work import Engine, Finished
from pipeline.extract import ExtractReport, extract
from pipeline.sources import open_source
from pipeline.workers import Input, Outcome, decode_video
from tests.pipeline.conftest import make_source, make_video
from tests.pipeline.misbehaving import decode_or_misbehave

pytest.importorskip("ray.data", reason="Ray is not installed: pip install 'hero-motion[ray]'")

MakeFolder = Callable[[int], Path]
CONFIG = ExtractConfig(clips_per_shard=3, batch_clips=2, workers=1)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """On a cluster of this machine."""
    from pipeline.engines.ray import ray_engine

    with ray_engine(None, 2) as started:
        yield started


def run(root: Path, out: Path, encoder: Encoder, engine: Engine | None = None) -> ExtractReport:
    return extract(open_source(root), out, encoder, CONFIG, **({"engine": engine} if engine else {}))


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256_of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_bytes_as_on_one_machine(tmp_path: Path, tiny_encoder: Encoder, engine: Engine) -> None:
    root = make_source(tmp_path / "s", videos=7)
    (root / "videos" / "05.mp4").write_bytes((root / "videos" / "01.mp4").read_bytes())
    (root / "videos" / "02.mp4").write_bytes(b"no video")
    (root / "motions" / "03_0.npy").write_bytes(b"no motion")
    run(root, tmp_path / "local", tiny_encoder)
    report = run(root, tmp_path / "ray", tiny_encoder, engine)
    assert (report.ok, report.quarantined) == (12, 2)
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "local")
    assert run(root, tmp_path / "ray", tiny_encoder, engine).kept == 14
    make_video(root / "videos" / "02.mp4", 50)
    (root / "videos" / "00.mp4").touch()  # read again, and thrown away
    for out, given in (("local", None), ("ray", engine)):
        assert run(root, tmp_path / out, tiny_encoder, given).ok == 2
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "local")


def test_a_file_that_breaks_its_process_costs_one_row(
    video_folder: MakeFolder,
    tmp_path: Path,
    tiny_encoder: Encoder,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = video_folder(4)
    for index, name in enumerate(("crashes", "mistaken")):
        make_video(root / "human-human" / "wave" / f"{name}.mp4", 80 + index)
    monkeypatch.setattr("pipeline.extract.decode_video", decode_or_misbehave)
    run(root, tmp_path / "local", tiny_encoder)
    report = run(root, tmp_path / "ray", tiny_encoder, engine)
    assert (report.ok, report.quarantined) == (4, 2)
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "local")


def decode_and_kill_once(item: Input, marker: Path, **settings: Any) -> Outcome:
    """As :func:`decode_video`, but the first to meet clip 3 takes the process of its Ray task along."""
    task = parent_process()
    if item.path.stem == "clip_03" and task is not None and task.pid is not None and _first(marker):
        os.kill(task.pid, signal.SIGKILL)
    return decode_video(item, **settings)


def encode_and_die_once(outcomes: Sequence[Outcome], marker: Path, **settings: Any) -> Iterator[Finished]:
    """As the encoding of extract, but its process dies over its second batch, once."""
    if any(outcome.input.path.stem == "clip_03" for outcome in outcomes) and _first(marker):
        os.kill(os.getpid(), signal.SIGKILL)
    yield from _encode(outcomes, **settings)


_encode = extraction._encode


def _first(marker: Path) -> bool:
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "deadly"), [("decode_video", decode_and_kill_once), ("_encode", encode_and_die_once)]
)
def test_a_process_of_ray_that_is_killed_changes_no_byte(
    video_folder: MakeFolder,
    tmp_path: Path,
    tiny_encoder: Encoder,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    deadly: Callable[..., Any],
) -> None:
    root = video_folder(7)
    run(root, tmp_path / "local", tiny_encoder)
    marker = tmp_path / "killed"
    monkeypatch.setattr(extraction, name, partial(deadly, marker=marker))
    assert run(root, tmp_path / "ray", tiny_encoder, engine).ok == 7
    assert marker.exists()
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "local")


def test_a_run_that_is_stopped_goes_on(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder, engine: Engine
) -> None:
    def stop(done: int, total: int, note: str = "") -> None:
        if done == 5:
            raise KeyboardInterrupt

    source = open_source(video_folder(7))
    extract(source, tmp_path / "local", tiny_encoder, CONFIG)
    with pytest.raises(KeyboardInterrupt):
        extract(source, tmp_path / "ray", tiny_encoder, CONFIG, stop, engine)
    assert extract(source, tmp_path / "ray", tiny_encoder, CONFIG, engine=engine).kept == 3
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "local")


def test_without_ray_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "pipeline.engines.ray", raising=False)
    make_source(tmp_path / "s", videos=1)
    words = ["extract", str(tmp_path / "s"), str(tmp_path / "out"), "--engine", "ray"]
    with pytest.raises(ConfigError, match=r"pip install 'hero-motion\[ray\]'"):
        CliRunner().invoke(app, words, catch_exceptions=False)
