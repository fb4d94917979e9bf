"""The same bytes from a Ray cluster, also when its processes and machines die."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from hero_core.errors import ConfigError
from hero_core.storage import sha256_of_file
from pipeline import recipes
from pipeline.cli import app
from pipeline.config import ExtractConfig
from pipeline.encoders import Encoder
from pipeline.engines.work import Engine, Finished
from pipeline.extract import extract
from pipeline.report import ExtractReport
from pipeline.sources import open_source
from pipeline.workers import Input, Outcome, decode_video
from tests.pipeline.conftest import make_source, make_video, save_motion, standing_motion
from tests.pipeline.misbehaving import decode_or_misbehave

pytest.importorskip("ray.data", reason="Ray is not installed: pip install 'hero-motion[ray]'")

MakeFolder = Callable[[int], Path]
REPOSITORY = Path(__file__).resolve().parents[3]
CONFIG = ExtractConfig(clips_per_shard=3, batch_clips=2, workers=1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Of one machine, to which others can be added that are this one, too."""
    from ray.cluster_utils import Cluster

    soon_missed = {"health_check_period_ms": 500, "health_check_failure_threshold": 3}
    head = {"num_cpus": 2, "include_dashboard": False, "_system_config": soon_missed}
    started = Cluster(initialize_head=True, head_node_args=head)
    yield started
    started.shutdown()


@pytest.fixture(scope="module")
def engine(cluster: Any) -> Iterator[Engine]:
    """On that cluster."""
    from pipeline.engines.ray import ray_engine

    with ray_engine(cluster.address, workers=1) as joined:
        yield joined


def run(root: Path, out: Path, encoder: Encoder, engine: Engine | None = None) -> ExtractReport:
    return extract(open_source(root), out, encoder, CONFIG, **({"engine": engine} if engine else {}))


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256_of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_bytes_as_on_one_machine(
    tmp_path: Path, tiny_encoder: Encoder, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_source(tmp_path / "s", videos=8)
    videos = root / "videos"
    (videos / "05.mp4").write_bytes((videos / "01.mp4").read_bytes())
    (videos / "02.mp4").write_bytes(b"no video")
    (root / "motions" / "03_0.npy").write_bytes(b"no motion")
    for number, name in ((4, "crashes"), (7, "mistaken")):
        (videos / f"{number:02d}.mp4").rename(videos / f"{name}.mp4")
        (root / "pairs.csv").write_text(
            (root / "pairs.csv").read_text().replace(f"{number:02d}.mp4", f"{name}.mp4")
        )
    monkeypatch.setattr(recipes, "decode_video", decode_or_misbehave)
    run(root, tmp_path / "local", tiny_encoder)
    report = run(root, tmp_path / "ray", tiny_encoder, engine)
    assert (report.ok, report.quarantined) == (12, 4)
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "local")
    make_video(videos / "02.mp4", 50)
    (videos / "00.mp4").touch()  # read again, and thrown away
    for out, given in (("local", None), ("ray", engine)):
        assert run(root, tmp_path / out, tiny_encoder, given).ok == 2
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


_encode = recipes._encode


def _first(marker: Path) -> bool:
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@pytest.mark.usefixtures("no_sandbox")  # in which nothing that reads a file could kill its parent
def test_processes_of_ray_that_are_killed_change_no_byte(
    video_folder: MakeFolder,
    tmp_path: Path,
    tiny_encoder: Encoder,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = video_folder(7)
    run(root, tmp_path / "local", tiny_encoder)
    markers = [tmp_path / "task", tmp_path / "actor"]
    monkeypatch.setattr(recipes, "decode_video", partial(decode_and_kill_once, marker=markers[0]))
    monkeypatch.setattr(recipes, "_encode", partial(encode_and_die_once, marker=markers[1]))
    assert run(root, tmp_path / "ray", tiny_encoder, engine).ok == 7
    assert all(marker.exists() for marker in markers)
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


def test_a_machine_that_goes_changes_no_byte(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder, cluster: Any, engine: Engine
) -> None:
    second = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()

    def remove(done: int, total: int, note: str = "") -> None:
        if done >= 2 and second in cluster.list_all_nodes():
            cluster.remove_node(second, allow_graceful=False)

    source = open_source(video_folder(12))
    extract(source, tmp_path / "local", tiny_encoder, CONFIG)
    assert extract(source, tmp_path / "ray", tiny_encoder, CONFIG, remove, engine).ok == 12
    assert second not in cluster.list_all_nodes()
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "local")


def test_the_command_starts_a_cluster_of_its_own_and_stays_quiet(tmp_path: Path) -> None:
    for index in range(3):
        save_motion(tmp_path / "motions" / f"{index}.npy", standing_motion(30, index))
    words = ["extract", tmp_path / "motions", tmp_path / "out", "--engine", "ray", "--workers", "1"]
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert "3 inputs: 3 extracted" in done.stdout
    assert "waiting for Ray" in done.stdout
    assert done.stderr == ""


def test_without_ray_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "pipeline.engines.ray", raising=False)
    make_source(tmp_path / "s", videos=1)
    words = ["extract", str(tmp_path / "s"), str(tmp_path / "out"), "--engine", "ray"]
    with pytest.raises(ConfigError, match=r"pip install 'hero-motion\[ray\]'"):
        CliRunner().invoke(app, words, catch_exceptions=False)


def test_a_source_in_an_object_store_is_refused() -> None:
    from pipeline.engines.ray import _run

    recipe = SimpleNamespace(stored=SimpleNamespace(address="s3://bucket/videos"))
    with pytest.raises(ConfigError, match="read no s3://bucket/videos"):
        next(_run(SimpleNamespace(recipe=recipe, batches=[["item"]])))  # type: ignore[arg-type]
