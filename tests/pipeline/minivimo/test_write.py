"""The folder: layout, the same bytes for the same seed, nothing half-written, nobody else's files touched."""

import csv
import tomllib
from pathlib import Path

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.minivimo.judge import judge
from pipeline.decode.video import read_frames
from pipeline.minivimo import sample_clip, write, write_minivimo

CLIPS = 4


def contents(folder: Path) -> dict[str, bytes]:
    """Every file's bytes by its path."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def rows_of(folder: Path) -> list[dict[str, str]]:
    """pairs.csv."""
    with (folder / "pairs.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MiniViMo, written by one process."""
    out = tmp_path_factory.mktemp("data") / "minivimo"
    write_minivimo(out, clips=CLIPS, seed=3, workers=1)
    return out


def test_layout_and_truth(folder: Path) -> None:
    rows = rows_of(folder)
    assert len(rows) == 4 * CLIPS
    assert "split" not in rows[0]
    for row in rows:
        assert row["video"].startswith(f"videos/{row['broad']}/{row['subcategory']}/clip_")
        joints = np.load(folder / row["motion"], allow_pickle=False)
        assert joints.dtype == np.float32
        assert float(row["motion_fps"]) == 20.0
        verdict = judge(joints)
        assert (verdict.reaction, verdict.side) == (row["truth_reaction"], row["truth_side"])
        assert verdict.onset_seconds == pytest.approx(float(row["truth_onset_seconds"]), abs=0.25)


def test_videos_play_as_planned(folder: Path) -> None:
    plan = sample_clip(3, 0)
    times, frames = zip(*read_frames(folder / rows_of(folder)[0]["video"]), strict=True)
    assert len(frames) == plan.frame_count
    assert frames[0].shape == (plan.height, plan.width, 3)
    assert times[-1] == pytest.approx((plan.frame_count - 1) / plan.fps, abs=0.01)


def test_it_says_what_it_is(folder: Path) -> None:
    description = tomllib.loads((folder / "dataset.toml").read_text(encoding="utf-8"))
    assert description["name"] == "MiniViMo"
    assert "not ViMo" in description["statement"]
    assert description["motion_fps"] == 20.0
    assert description["synchronous"]
    assert set(description["broad"]) == {"human-human", "animal-human", "scene-human"}


def test_same_seed_same_bytes_whatever_the_workers(folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_minivimo(tmp_path / "again", clips=CLIPS, seed=3, workers=2, report=lambda *at: seen.append(at))
    assert seen == [(done, CLIPS) for done in range(1, CLIPS + 1)]
    assert contents(tmp_path / "again") == contents(folder)


def test_an_interrupted_run_has_no_table_and_no_half_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "data"
    with monkeypatch.context() as patch:
        patch.setattr(write, "write_mp4", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_minivimo(out, clips=CLIPS, seed=3, workers=1)
    assert not (out / "pairs.csv").exists()
    assert list(contents(out)) == ["dataset.toml"]
    write_minivimo(out, clips=CLIPS, seed=3, workers=1)
    assert contents(out) == contents(folder)


def test_a_smaller_run_into_the_same_folder_leaves_nothing_over(folder: Path, tmp_path: Path) -> None:
    write_minivimo(tmp_path / "one", clips=2, seed=3, motions_per_clip=1, workers=1)
    write_minivimo(tmp_path / "one", clips=1, seed=3, motions_per_clip=1, workers=1)
    assert len(rows_of(tmp_path / "one")) == 1
    names = [name for name in contents(tmp_path / "one") if "clip_" in name]
    assert len(names) == 2
    assert all(contents(folder)[name] == contents(tmp_path / "one")[name] for name in names)


def test_refuses_a_folder_of_someone_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="not empty"):
        write_minivimo(tmp_path, clips=1)
    assert list(contents(tmp_path)) == ["thesis.txt"]


def test_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        write_minivimo(tmp_path / "file", clips=1)


@pytest.mark.parametrize("counts", [{"clips": 0}, {"motions_per_clip": 0}])
def test_refuses_to_write_nothing(tmp_path: Path, counts: dict[str, int]) -> None:
    with pytest.raises(InputError, match="at least one"):
        write_minivimo(tmp_path / "data", **counts)  # type: ignore[arg-type]
