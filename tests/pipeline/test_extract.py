"""Extraction: the same bytes whatever happens, and an end for every input."""

import csv
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hero_core.cache import OK, Cache
from hero_core.errors import ConfigError, FingerprintError, HeroError, InputError
from hero_core.motion.format import FPS
from hero_core.storage import sha256_of_file
from pipeline.config import ExtractConfig
from pipeline.encoders import Encoder, random_tc_clip
from pipeline.engines.local import ItemLimits
from pipeline.extract import extract
from pipeline.report import ExtractReport
from pipeline.sources import open_source
from tests.pipeline.conftest import TINY, make_source, make_video, save_motion, standing_motion
from tests.pipeline.misbehaving import convert_or_misbehave, decode_or_misbehave

MakeFolder = Callable[[int], Path]
CONFIG = ExtractConfig(clips_per_shard=3, workers=1)


def run(root: Path, out: Path, encoder: Encoder, config: ExtractConfig = CONFIG) -> ExtractReport:
    return extract(open_source(root), out, encoder, config)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256_of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def features(out: Path) -> dict[str, np.ndarray]:
    cache = Cache.open(out)
    rows = cache.rows("features")
    return {key: np.array(cache.features(row).frames) for key, row in rows.items() if row["status"] == OK}


def test_records_are_what_the_encoder_says(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    report = run(video_folder(4), tmp_path / "out", tiny_encoder)
    assert (report.inputs, report.ok, report.quarantined, report.kept) == (4, 4, 0, 0)
    cache = Cache.open(tmp_path / "out")
    for row in cache.rows("features").values():
        record = cache.features(row)
        assert record.frames.shape == (16, TINY.out_dim)
        np.testing.assert_allclose(record.global_feature, record.frames.mean(axis=0), atol=1e-6)
        assert (row["frames"], row["fps"]) == (24, 12)
        assert record.timestamps_seconds == pytest.approx([(int(1.5 * i + 0.75)) / 12 for i in range(16)])


def test_tar_and_hdf5_hold_the_same_bits(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    root = video_folder(4)
    for suffix in ("tar", "h5"):
        run(root, tmp_path / suffix, tiny_encoder, CONFIG.model_copy(update={"shard_format": suffix}))
    tar, hdf5 = features(tmp_path / "tar"), features(tmp_path / "h5")
    assert tar.keys() == hdf5.keys()
    assert all(tar[key].tobytes() == hdf5[key].tobytes() for key in tar)


@pytest.mark.parametrize("suffix", ["tar", "h5"])
def test_twice_gives_the_same_bytes(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder, suffix: str
) -> None:
    config = CONFIG.model_copy(update={"shard_format": suffix})
    root = video_folder(4)
    run(root, tmp_path / "a", tiny_encoder, config)
    run(root, tmp_path / "b", tiny_encoder, config.model_copy(update={"workers": 2}))
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    report = run(root, tmp_path / "a", tiny_encoder, config)
    assert (report.ok, report.kept) == (0, 4)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


@pytest.mark.parametrize("suffix", ["tar", "h5"])
@pytest.mark.parametrize("killed_after", [1, 4, 5])
def test_killed_and_resumed_gives_the_bytes_of_an_unbroken_run(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder, suffix: str, killed_after: int
) -> None:
    class Killed(BaseException):
        pass

    def kill(done: int, total: int, note: str = "") -> None:
        if done == killed_after:
            raise Killed

    config = CONFIG.model_copy(update={"shard_format": suffix})
    source = open_source(video_folder(7))
    extract(source, tmp_path / "whole", tiny_encoder, config)
    with pytest.raises(Killed):
        extract(source, tmp_path / "broken", tiny_encoder, config, kill)
    report = extract(source, tmp_path / "broken", tiny_encoder, config)
    assert report.kept == killed_after // 3 * 3
    assert report.done == 7
    assert hashes(tmp_path / "whole") == hashes(tmp_path / "broken")


@pytest.mark.parametrize("settings", [{}, {"retry_quarantined": True}, {"rehash": True}])
@pytest.mark.parametrize("killed_when", ["first", "second", "both"])
def test_a_cache_that_grew_has_the_same_bytes_wherever_its_runs_were_killed(
    video_folder: MakeFolder,
    tmp_path: Path,
    tiny_encoder: Encoder,
    killed_when: str,
    settings: dict[str, bool],
) -> None:
    """The second run finds what is new, changed, moved, copied, touched and bad."""

    class Killed(BaseException):
        pass

    def kill(done: int, total: int, note: str = "") -> None:
        if note and done >= total - 2:
            raise Killed

    def killed(config: ExtractConfig) -> None:
        with pytest.raises(Killed):
            extract(open_source(root), tmp_path / "killed", tiny_encoder, config, kill)

    root, config = video_folder(7), CONFIG.model_copy(update=settings)
    folder = root / "human-human" / "wave"
    (folder / "bad.mp4").write_bytes(b"no video")
    if killed_when != "second":
        killed(CONFIG)
    for out in ("whole", "killed"):
        run(root, tmp_path / out, tiny_encoder)
    assert hashes(tmp_path / "whole") == hashes(tmp_path / "killed")
    for index, name in enumerate(("new_0", "new_1", "clip_06")):
        make_video(folder / f"{name}.mp4", 50 + index)
    (folder / "clip_04.mp4").rename(folder / "moved.mp4")
    (folder / "copy.mp4").write_bytes((folder / "new_0.mp4").read_bytes())
    (folder / "clip_00.mp4").touch()
    if killed_when != "first":
        killed(config)
    for out in ("whole", "killed"):
        run(root, tmp_path / out, tiny_encoder, config)
    assert hashes(tmp_path / "whole") == hashes(tmp_path / "killed")


def test_a_run_that_is_gone_on_with_over_a_grown_source_finishes_its_plan_first(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    def stop(done: int, total: int, note: str = "") -> None:
        if done == 4:
            raise KeyboardInterrupt

    root = video_folder(7)
    run(root, tmp_path / "whole", tiny_encoder)
    with pytest.raises(KeyboardInterrupt):
        extract(open_source(root), tmp_path / "stopped", tiny_encoder, CONFIG, stop)
    make_video(root / "human-human" / "push" / "a_new_one.mp4", 50)
    for out in ("whole", "stopped"):
        report = run(root, tmp_path / out, tiny_encoder)
        assert report.done == report.inputs == 8
    assert hashes(tmp_path / "whole") == hashes(tmp_path / "stopped")


def test_two_shards_of_a_plan_know_nothing_of_each_other(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    root = video_folder(4)
    (root / "human-human" / "wave" / "copy.mp4").write_bytes(
        (root / "human-human" / "push" / "clip_01.mp4").read_bytes()
    )
    run(root, tmp_path / "out", tiny_encoder)
    rows = Cache.open(tmp_path / "out").rows("features")
    alike = [row for row in rows.values() if Path(row["path"]).stem in ("clip_01", "copy")]
    assert len({row["record"] for row in alike}) == 1
    assert len({row["shard"] for row in alike}) == 2


def test_leftovers_of_a_kill_between_shard_and_manifest_are_made_good(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    root = video_folder(4)
    run(root, tmp_path / "whole", tiny_encoder)
    run(root, tmp_path / "broken", tiny_encoder)
    (tmp_path / "broken" / "manifest" / "features-00001.parquet").unlink()
    (tmp_path / "broken" / "shards" / ".features-00001.tar.77.partial").write_text("half")
    run(root, tmp_path / "broken", tiny_encoder)
    assert hashes(tmp_path / "whole") == hashes(tmp_path / "broken")


def test_a_clip_does_not_depend_on_its_neighbours(tmp_path: Path, tiny_encoder: Encoder) -> None:
    config = CONFIG.model_copy(update={"batch_clips": 3})
    for name, seeds in (("a", (1, 2, 3)), ("b", (9, 2, 8)), ("c", (9, 2))):
        for position, seed in enumerate(seeds):
            make_video(tmp_path / name / f"{position}.mp4", seed)
        run(tmp_path / name, tmp_path / f"{name}-out", tiny_encoder, config)
    a, b, c = (features(tmp_path / f"{name}-out")["1-mp4"] for name in "abc")
    assert a.tobytes() == b.tobytes() == c.tobytes()


def test_new_videos_are_added_and_changed_ones_made_again(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    root = video_folder(2)
    run(root, tmp_path / "out", tiny_encoder)
    before = features(tmp_path / "out")
    make_video(root / "human-human" / "wave" / "new.mp4", 50)
    make_video(root / "human-human" / "wave" / "clip_00.mp4", 60)
    report = run(root, tmp_path / "out", tiny_encoder)
    assert (report.ok, report.kept) == (2, 1)
    after = features(tmp_path / "out")
    changed = [key for key in before if before[key].tobytes() != after[key].tobytes()]
    assert len(after) == 3
    assert [("clip_00" in key) for key in changed] == [True]


def test_bad_inputs_become_rows_and_can_be_retried(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    root = video_folder(3)
    bad = root / "human-human" / "wave" / "bad.mp4"
    bad.write_bytes(b"")
    report = run(root, tmp_path / "out", tiny_encoder)
    assert (report.ok, report.quarantined) == (3, 1)
    with (tmp_path / "out" / "quarantine.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["path"], row["stage"]) for row in rows] == [("human-human/wave/bad.mp4", "open")]
    assert "empty" in rows[0]["reason"]
    assert run(root, tmp_path / "out", tiny_encoder).kept_quarantined == 1
    retry = CONFIG.model_copy(update={"retry_quarantined": True})
    assert run(root, tmp_path / "out", tiny_encoder, retry).quarantined == 1
    make_video(bad, 7)
    assert run(root, tmp_path / "out", tiny_encoder).ok == 1
    assert (tmp_path / "out" / "quarantine.csv").read_text() == "path,stage,reason\n"


def test_a_time_that_64_bits_cannot_hold_is_a_time(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    root = video_folder(2)
    for path in root.rglob("*_01.mp4"):
        os.utime(path, ns=(2**64, 2**64))  # in the year 2554, as far as the file system goes
    assert run(root, tmp_path / "out", tiny_encoder).ok == 2
    assert run(root, tmp_path / "out", tiny_encoder).kept == 2


def test_a_cache_made_in_another_way_is_refused(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    root = video_folder(1)
    run(root, tmp_path / "out", tiny_encoder)
    other = random_tc_clip(6, torch.device("cpu"), torch.float32, TINY)
    with pytest.raises(FingerprintError, match=r"weights_sha256.*another folder"):
        run(root, tmp_path / "out", other)
    with pytest.raises(FingerprintError, match="storage_dtype: float32 != float16"):
        run(root, tmp_path / "out", tiny_encoder, CONFIG.model_copy(update={"storage_dtype": "float16"}))


def test_a_folder_of_something_else_is_refused(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    with pytest.raises(InputError, match="not a cache"):
        run(video_folder(1), tmp_path, tiny_encoder)


def test_half_precision_storage(video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = video_folder(2)
    run(root, tmp_path / "half", tiny_encoder, CONFIG.model_copy(update={"storage_dtype": "float16"}))
    run(root, tmp_path / "full", tiny_encoder)
    full = features(tmp_path / "full")
    for key, half in features(tmp_path / "half").items():
        assert half.dtype == np.float16
        np.testing.assert_array_equal(half, full[key].astype(np.float16))


def test_motions_are_cached_beside_videos(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_source(tmp_path / "s", videos=3, motions_per_video=2)
    report = run(root, tmp_path / "out", tiny_encoder)
    assert (report.inputs, report.ok) == (9, 9)
    cache = Cache.open(tmp_path / "out")
    rows = cache.rows("motions")
    assert len(rows) == 6
    for row in rows.values():
        motion = cache.motion(row)
        assert motion.vectors.shape == (row["frames"], 263)
        assert row["fps"] == FPS
    assert run(root, tmp_path / "out", tiny_encoder).kept == 9


def test_a_source_of_motions_alone_needs_no_encoder(tmp_path: Path, tiny_encoder: Encoder) -> None:
    for index in range(5):
        save_motion(tmp_path / "motions" / f"{index}.npy", standing_motion(30 + index, index))
    source = open_source(tmp_path / "motions")
    assert extract(source, tmp_path / "out", None, CONFIG).ok == 5
    assert Cache.open(tmp_path / "out").identity is None
    with pytest.raises(ConfigError, match="need an encoder"):
        extract(open_source(make_source(tmp_path / "s", videos=1)), tmp_path / "out", None, CONFIG)
    # videos may be added later, and the motions stay
    run(tmp_path / "s", tmp_path / "out", tiny_encoder)
    cache = Cache.open(tmp_path / "out")
    assert cache.identity is not None
    assert len(cache.rows("motions")) == 6


def test_other_conversion_settings_convert_the_motions_again_and_nothing_else(
    tmp_path: Path, tiny_encoder: Encoder
) -> None:
    root = make_source(tmp_path / "s", videos=2)
    run(root, tmp_path / "out", tiny_encoder)
    slow = CONFIG.conversion.model_copy(update={"motion_fps": 10.0})
    report = run(root, tmp_path / "out", tiny_encoder, CONFIG.model_copy(update={"conversion": slow}))
    assert (report.ok, report.kept) == (2, 2)


def test_equal_content_is_made_once_and_a_moved_file_is_not_made_again(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    root = video_folder(3)
    first, second = (root / "human-human" / name for name in ("wave/clip_00.mp4", "push/clip_01.mp4"))
    copy = first.with_name("copy.mp4")
    copy.write_bytes(first.read_bytes())
    run(root, tmp_path / "out", tiny_encoder)
    rows = Cache.open(tmp_path / "out").rows("features")
    assert len({row["record"] for row in rows.values()}) == 3
    second.rename(second.with_name("moved.mp4"))
    calls: list[int] = []
    counting = Counting(tiny_encoder, calls)
    assert extract(open_source(root), tmp_path / "out", counting, CONFIG).ok == 1  # type: ignore[arg-type]
    assert calls == []
    after = Cache.open(tmp_path / "out").rows("features")
    moved, before = (
        next(row for path, row in ((r["path"], r) for r in found.values()) if name in path)
        for found, name in ((after, "moved"), (rows, "clip_01"))
    )
    assert (moved["record"], moved["shard"]) == (before["record"], before["shard"])


class Counting:
    """An encoder that counts its calls."""

    def __init__(self, encoder: Encoder, calls: list[int]) -> None:
        self._encoder, self._calls = encoder, calls

    def __getattr__(self, name: str) -> object:
        return getattr(self._encoder, name)

    def encode(self, clips: np.ndarray) -> np.ndarray:
        self._calls.append(len(clips))
        return self._encoder.encode(clips)


def in_this_process(
    function: Callable[[Any], Any], items: Sequence[Any], workers: int, limits: ItemLimits, around: object
) -> Iterator[Any]:
    """In place of processes, where a test watches what is read."""
    yield from map(function, items)


def test_a_settled_file_is_not_read_again_unless_rehash_says_so(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = video_folder(2)
    video = next(root.rglob("*.mp4"))
    run(root, tmp_path / "out", tiny_encoder)
    read: list[Path] = []

    def watched(path: Path) -> str:
        read.append(path)
        return sha256_of_file(path)

    monkeypatch.setattr("pipeline.workers.sha256_of_file", watched)
    monkeypatch.setattr("pipeline.engines.work.ordered_map", in_this_process)
    assert run(root, tmp_path / "out", tiny_encoder).kept == 2
    assert read == []
    rehash = CONFIG.model_copy(update={"rehash": True})
    report = run(root, tmp_path / "out", tiny_encoder, rehash)
    assert (len(read), report.done) == (2, 2)
    before = features(tmp_path / "out")
    video.touch()  # another time, the same content: read once more, made no second time
    read.clear()
    with monkeypatch.context() as patched:
        patched.delattr("pipeline.workers.decode_clip")  # nothing is decoded
        run(root, tmp_path / "out", tiny_encoder)
        run(root, tmp_path / "out", tiny_encoder)
    assert read == [video]
    assert {k: v.tobytes() for k, v in features(tmp_path / "out").items()} == {
        k: v.tobytes() for k, v in before.items()
    }


def test_provenance_differs_with_a_remark_and_identity_with_a_refusal(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = video_folder(1)
    run(root, tmp_path / "out", tiny_encoder)
    assert run(root, tmp_path / "out", tiny_encoder).notes == []
    monkeypatch.setattr("torch.__version__", "2.99.0")
    report = run(root, tmp_path / "out", tiny_encoder)
    assert ["torch" in remark and "2.99.0" in remark for remark in report.notes] == [True]
    with pytest.raises(FingerprintError, match="decoding"):
        run(root, tmp_path / "out", tiny_encoder, CONFIG.model_copy(update={"rotate": True}))


def test_remarks_on_inputs_are_counted_with_their_first_files(tmp_path: Path) -> None:
    for index in range(5):
        save_motion(tmp_path / "motions" / f"{index}.npy", standing_motion(300 + index, index))
    report = extract(open_source(tmp_path / "motions"), tmp_path / "out", None, CONFIG)
    (remark,) = report.warnings.values()
    assert (remark.count, remark.files) == (5, ["0.npy", "1.npy", "2.npy"])
    assert "299 to 200" in remark.text


def test_an_old_cache_is_refused_with_what_to_do(tmp_path: Path, tiny_encoder: Encoder) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "extract.json").write_text("{}")
    with pytest.raises(HeroError, match="make it anew in another folder: hero-pipeline extract"):
        Cache.open(tmp_path / "old")


REASONS = {
    "crashes.mp4": "killed by signal 11",
    "hangs.mp4": "over 1 s",
    "swells.mp4": "over 1024 MiB",
    "mistaken.mp4": "IndexError: no such frame",
}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_breaks_its_process_costs_one_row(
    video_folder: MakeFolder,
    tmp_path: Path,
    tiny_encoder: Encoder,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    root = video_folder(5)
    run(root, tmp_path / "sound", tiny_encoder)
    for index, name in enumerate(REASONS):
        make_video(root / "human-human" / "wave" / name, 80 + index)
    monkeypatch.setattr("pipeline.recipes.decode_video", decode_or_misbehave)
    monkeypatch.setattr(ExtractConfig, "kill_seconds", 1.0)
    config = CONFIG.model_copy(update={"workers": workers, "worker_mebibytes": 1024})
    report = run(root, tmp_path / "out", tiny_encoder, config)
    assert (report.ok, report.quarantined, report.done) == (5, 4, 9)
    with (tmp_path / "out" / "quarantine.csv").open() as file:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert rows.keys() == REASONS.keys()
    for name, reason in REASONS.items():
        assert rows[name]["stage"] == "decode"
        assert rows[name]["reason"].startswith(reason)
    sound, beside_broken = features(tmp_path / "sound"), features(tmp_path / "out")
    assert {key: array.tobytes() for key, array in sound.items()} == {
        key: array.tobytes() for key, array in beside_broken.items()
    }
    assert run(root, tmp_path / "out", tiny_encoder, config).kept == 9  # a broken file is left alone, too


def test_a_motion_that_breaks_its_process_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sound", "crashes"):
        save_motion(tmp_path / "motions" / f"{name}.npy", standing_motion(30, 1))
    monkeypatch.setattr("pipeline.recipes.convert_motion", convert_or_misbehave)
    report = extract(open_source(tmp_path / "motions"), tmp_path / "out", None, CONFIG)
    (remark,) = report.reasons.values()
    assert (report.ok, remark.text, remark.files) == (1, "motion: killed by signal 11", ["crashes.npy"])


def test_what_is_no_plain_file_is_a_row_and_never_waited_for(
    video_folder: MakeFolder, tmp_path: Path, tiny_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = video_folder(1)
    folder = root / "human-human" / "wave"
    os.mkfifo(folder / "pipe.mp4")
    (folder / "dangling.mp4").symlink_to(folder / "gone")
    (folder / "looping.mp4").symlink_to(folder / "looping.mp4")
    (folder / "device.mp4").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening, monkeypatch.context() as patch:
        patch.chdir(folder)
        listening.bind("socket.mp4")  # an address is short
    for again in (False, True):
        report = run(
            root, tmp_path / "out", tiny_encoder, CONFIG.model_copy(update={"retry_quarantined": again})
        )
        assert (report.kept + report.ok, report.quarantined) == (1, 5)
    with (tmp_path / "out" / "quarantine.csv").open() as file:
        reasons = {Path(row["path"]).stem: (row["stage"], row["reason"]) for row in csv.DictReader(file)}
    assert reasons == {
        "pipe": ("open", "not a file but a named pipe"),
        "dangling": ("open", "a link to a missing file"),
        "looping": ("open", "Too many levels of symbolic links"),
        "device": ("open", "not a file but a device"),
        "socket": ("open", "not a file but a socket"),
    }


def test_a_file_that_may_not_be_read_is_a_row_also_later(tmp_path: Path, tiny_encoder: Encoder) -> None:
    root = make_source(tmp_path / "s", videos=4)
    closed, later = (root / "videos" / name for name in ("00.mp4", "01.mp4"))
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        pytest.skip("this user may read everything")
    report = run(root, tmp_path / "out", tiny_encoder)
    assert (report.ok, report.quarantined) == (7, 1)
    report = run(
        root, tmp_path / "out", tiny_encoder
    )  # tried again: rights change without a trace in the file
    assert (report.kept, report.quarantined) == (7, 1)
    later.chmod(0)
    report = run(root, tmp_path / "out", tiny_encoder, CONFIG.model_copy(update={"rehash": True}))
    assert (report.quarantined, [remark.text for remark in report.reasons.values()]) == (
        2,
        ["open: Permission denied"],
    )
    (root / "videos").chmod(0)
    try:
        report = run(root, tmp_path / "out", tiny_encoder)
    finally:
        (root / "videos").chmod(0o755)
    assert (report.kept, report.kept_quarantined, report.quarantined) == (6, 2, 2)
