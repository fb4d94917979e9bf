"""What the commands of ``hero-pipeline`` say and remember."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hero_core.cli import EXIT_QUARANTINED
from hero_core.errors import ConfigError, InputError
from hero_core.training_set import TrainingSet
from pipeline.cli import app
from tests.pipeline.conftest import make_release, make_source, make_video, save_motion, standing_motion

VIMO = Path(__file__).resolve().parents[2] / "manifests" / "vimo.toml"


def invoke(words: Sequence[object], status: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture
def motions(tmp_path: Path) -> Path:
    """A folder of motions: three sound ones, four too long ones, one that is none."""
    for index in range(7):
        frames = 40 if index < 3 else 300 + index
        save_motion(tmp_path / "motions" / f"{index}.npy", standing_motion(frames, index))
    (tmp_path / "motions" / "text.npy").write_text("not an array")
    return tmp_path / "motions"


def test_extract_says_what_is_odd_and_what_is_lost(motions: Path, tmp_path: Path) -> None:
    output = invoke(["extract", motions, tmp_path / "cache", "--workers", 1], EXIT_QUARANTINED)
    assert "8 inputs: 7 extracted, 0 kept from before, 1 in quarantine" in output
    assert re.search("^sandbox: (on|off), ", output, re.MULTILINE)
    (quarantined,) = [line for line in output.splitlines() if "quarantined 1 x" in line]
    assert "text.npy" in quarantined
    (warning,) = [line for line in output.splitlines() if "warning 4 x" in line]
    assert "cropped" in warning
    assert all(f"{index}.npy" in warning for index in (3, 4, 5))
    assert warning.endswith(", ...")


def test_motions_alone_from_folder_to_training_set(motions: Path, tmp_path: Path) -> None:
    (motions / "text.npy").unlink()
    invoke(["extract", motions, tmp_path / "cache", "--workers", 1])
    invoke(["build-pairs", motions, "--features", tmp_path / "cache", "--out", tmp_path / "set"])
    assert TrainingSet(tmp_path / "set").identity is None
    assert "all as the manifest says" in invoke(["verify", tmp_path / "set"])


def test_verify_finds_damage_and_repair_mends_it(motions: Path, tmp_path: Path) -> None:
    (motions / "text.npy").unlink()
    cache = tmp_path / "cache"
    invoke(["extract", motions, cache, "--workers", 1])
    assert "nothing is damaged" in invoke(["repair", cache])
    shard = cache / "shards" / "motions-00000.tar"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    said = invoke(["verify", cache], status=1)
    assert "motions-00000.tar" in said
    assert f"hero-pipeline repair {cache}" in said
    assert "7 rows pointed into damaged or missing shards" in invoke(["repair", cache, "--dry-run"])
    assert shard.is_file()
    assert "0 rows kept; now run: hero-pipeline extract" in invoke(["repair", cache])
    assert not shard.exists()
    assert "7 extracted" in invoke(["extract", motions, cache, "--workers", 1])
    assert "all as the manifest says" in invoke(["verify", cache])


def test_extract_remembers_columns_and_roots_for_build_pairs(tmp_path: Path) -> None:
    root = make_source(tmp_path / "s", videos=4)
    text = (root / "pairs.csv").read_text()
    (root / "pairs.csv").write_text(text.replace("video,motion,", "clip,dance,", 1))
    elsewhere = tmp_path / "elsewhere" / "videos"
    elsewhere.mkdir(parents=True)
    (root / "videos" / "00.mp4").rename(elsewhere / "00.mp4")
    with pytest.raises(InputError, match="--column video=clip"):
        invoke(["extract", root, tmp_path / "cache"])
    named = ["--column", "video=clip", "--column", "motion=dance", "--root", tmp_path / "elsewhere"]
    invoke(["extract", root, tmp_path / "cache", "--workers", 1, *named])
    invoke(["build-pairs", root, "--features", tmp_path / "cache", "--out", tmp_path / "set"])
    assert len(TrainingSet(tmp_path / "set").rows) == 4


def test_a_part_of_the_motions_is_extracted_and_foretold(motions: Path, tmp_path: Path) -> None:
    words = ["extract", motions, tmp_path / "cache", "--workers", 1]
    said = invoke([*words, "--dry-run"])
    assert "would do 8 of 8 motions, 0 stay in quarantine; how long is not known" in said
    assert not (tmp_path / "cache").exists()
    said = invoke([*words, "--limit", 2])
    assert "2 inputs: 2 extracted" in said
    (times,) = [line for line in said.splitlines() if line.startswith("  time: ")]
    assert [" ".join(words.split()[:-2]) for words in times.removeprefix("  time: ").split(", ")] == [
        "waiting for converted motions",
        "writing",
    ]
    assert re.search(r"  bottleneck: (waiting for converted motions|writing), \d+% of it; what helps: ", said)
    assert "1 inputs: 1 extracted" in invoke([*words, "--only", "4.npy"])
    said = invoke([*words, "--dry-run"])
    assert "would do 5 of 8 motions, 0 stay in quarantine; about " in said
    assert said.rstrip().endswith(" s each, as before in this cache")
    counts = []
    for part in ("1/2", "2/2"):
        shard = ["extract", motions, tmp_path / part.replace("/", "of"), "--workers", 1, "--shard", part]
        result = CliRunner().invoke(app, [str(word) for word in shard], catch_exceptions=False)
        assert result.exit_code in (0, EXIT_QUARANTINED)
        counts.append(int(next(line for line in result.output.splitlines() if "inputs: " in line).split()[0]))
    assert sum(counts) == 8


def commands_of(description: Path, values: Mapping[str, object]) -> list[list[str]]:
    """Commands in the comments of a data set's description, with ``values`` in place of the words in capitals."""
    lines = [line.removeprefix("#").split() for line in description.read_text().splitlines()]
    commands = [words[1:] for words in lines if words[:1] == ["hero-pipeline"]]
    return [[str(values.get(word, word)) for word in words] for words in commands]


def test_the_commands_of_the_vimo_description_work_on_a_release(tmp_path: Path) -> None:
    root = make_release(tmp_path / "vimo")
    for name, values in (("Mean.npy", np.zeros(263)), ("Std.npy", np.ones(263))):
        np.save(root / name, values)
    text = VIMO.read_text().replace("unseen_subcategories = []", 'unseen_subcategories = ["b"]')
    description = tmp_path / "vimo.toml"
    description.write_text(text)
    cache, out = tmp_path / "cache", tmp_path / "set"
    values = {"VIMO": root, "CACHE": cache, "SET": out, "manifests/vimo.toml": description}
    extract, keep, anew = commands_of(VIMO, values)
    invoke([*extract, "--workers", 1])
    said = invoke(keep)
    assert "Mean.npy and Std.npy: shipped: Mean.npy (sha256 " in said
    kept = TrainingSet(out)
    assert kept.description["protocol"] == "stated by the data set"
    assert kept.synchronous is False
    with pytest.raises(InputError, match="--resplit makes the split anew"):
        invoke([*(word for word in anew if word != "--resplit"), "--overwrite"])
    invoke([*anew, "--overwrite"])
    pairs = [row.pair for row in TrainingSet(out).rows]
    assert {pair.subcategory for pair in pairs if pair.split == "test"} == {"b"}
    assert {pair.subcategory for pair in pairs if pair.split != "test"} == {"a"}
    protocol = TrainingSet(out).description["protocol"]
    assert protocol == "seen / unseen, in place of the split that the data set states"
    named = [word for word in anew if word != "--unseen-protocol"]
    said = invoke([*named, "--unseen", "a", "--statistics", "computed", "--overwrite"])
    assert "Mean.npy and Std.npy: computed from 9 training motions" in said
    assert {row.pair.subcategory for row in TrainingSet(out).rows if row.pair.split == "test"} == {"a"}


def test_wrong_rates_and_units_are_mended_by_their_options(tmp_path: Path) -> None:
    for index in range(3):
        save_motion(tmp_path / "m" / f"{index}.npy", (100 * standing_motion(90, index)).astype(np.float32))
    output = invoke(["extract", tmp_path / "m", tmp_path / "cache", "--workers", 1], EXIT_QUARANTINED)
    assert "--unit cm" in output
    words = [
        "extract",
        tmp_path / "m",
        tmp_path / "cache",
        "--workers",
        1,
        "--unit",
        "cm",
        "--motion-fps",
        30,
    ]
    assert "3 inputs: 3 extracted" in invoke(words)


def test_version_and_help() -> None:
    assert "hero-motion" in invoke(["--version"])
    for command in ("extract", "build-pairs", "verify", "repair", "demo-data"):
        assert "--help" in invoke([command, "--help"])


def test_a_bad_column_option_says_its_form(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", 1)
    with pytest.raises(ConfigError, match="FIELD=COLUMN"):
        invoke(["extract", tmp_path, tmp_path / "out", "--column", "video"])


def test_export_writes_each_file_and_its_error(tmp_path: Path) -> None:
    np.save(tmp_path / "motion.npy", standing_motion(40, 0))
    out = [tmp_path / f"motion{suffix}" for suffix in (".glb", ".bvh", ".vrma", ".smpl.npz", ".csv")]
    output = invoke(["export", tmp_path / "motion.npy", *out, "--unit", "cm", "--rigid"])
    assert all(path.exists() for path in out)
    for path in out:
        (line,) = [line for line in output.splitlines() if str(path) in line]
        assert re.search(r"every joint within [\d.]+ mm", line)


def test_export_to_an_unknown_suffix_names_those_there_are(tmp_path: Path) -> None:
    np.save(tmp_path / "motion.npy", standing_motion(40, 0))
    with pytest.raises(InputError, match=r"\.glb"):
        invoke(["export", tmp_path / "motion.npy", tmp_path / "motion.fbx"])


def test_a_package_of_the_same_name_in_the_current_folder_is_not_ours(motions: Path, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("hero-pipeline")
    if not program.exists():
        pytest.skip("the commands are not installed beside this Python")
    other = tmp_path / "elsewhere" / "pipeline"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise ImportError('another project')")
    words = [program, "extract", motions, tmp_path / "cache", "--workers", "2"]
    done = subprocess.run(words, cwd=other.parent, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_QUARANTINED, done.stderr
    assert "7 extracted" in done.stdout
