"""Whole official folders, made by the official code, imported as a user would."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hero_core.checkpoints import load_checkpoint
from hero_core.errors import HeroError, InputError, WeightsError
from hero_core.models.clip_weights import load_tc_clip
from hero_core.models.features import VideoFeatures
from hero_core.official.convert import ImportReport, import_official
from hero_core.runs import CODEC_KEY, codec_fingerprint, load_codec, load_evaluator, load_hero


def describe(parity_dir: Path, name: str) -> dict[str, Any]:
    folder = parity_dir / name
    path = next(
        path for path in (folder / f"{name}.json", folder / "residual_transformer.json") if path.exists()
    )
    description: dict[str, Any] = json.loads(path.read_text())
    return description


def model_name(parity_dir: Path, fixture: str) -> str:
    return Path(describe(parity_dir, fixture)["checkpoint_path"]).parent.parent.name


def dataset_folder(parity_dir: Path) -> Path:
    weights: str = describe(parity_dir, "mask_transformer")["checkpoint_path"]
    return (parity_dir / weights).parent.parent.parent


@pytest.fixture(scope="module")
def names(parity_dir: Path) -> dict[str, str]:
    """The transformers of the fixtures; there may be others beside them."""
    return {
        "masked": model_name(parity_dir, "mask_transformer"),
        "residual": model_name(parity_dir, "residual_transformer"),
    }


@pytest.fixture(scope="module")
def run(parity_dir: Path, names: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    dst = tmp_path_factory.mktemp("imported") / "run"
    import_official(dataset_folder(parity_dir), dst, names=names)
    return dst


def kinds(report: ImportReport) -> set[str]:
    return {model.kind for model in report.imported}


def test_several_models_of_a_kind_are_listed_and_nothing_is_written(parity_dir: Path, tmp_path: Path) -> None:
    residuals = [model_name(parity_dir, f"residual_transformer{suffix}") for suffix in ("", "_share_weight")]
    names = {"masked": model_name(parity_dir, "mask_transformer")}
    with pytest.raises(WeightsError) as caught:
        import_official(dataset_folder(parity_dir), tmp_path / "run", names=names)
    assert all(name in str(caught.value) for name in residuals)
    assert "residual=" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_data_set_folder_becomes_a_run_that_generates(parity_dir: Path, run: Path) -> None:
    hero = load_hero(run)
    config = hero.masked.config
    rng = torch.Generator().manual_seed(0)
    condition = VideoFeatures(torch.randn(2, 16, config.feature_dim), torch.randn(2, config.feature_dim))
    motion = hero.generate(condition, torch.tensor([20, 33]), rng)
    assert motion.shape == (2, 32, hero.codec.config.motion_dim)
    assert bool(torch.isfinite(motion).all())
    embedded = load_evaluator(run).embed(motion, torch.tensor([20, 32]))
    assert embedded.shape[0] == 2


def test_provenance_and_fingerprints(parity_dir: Path, run: Path, names: dict[str, str]) -> None:
    provenance = json.loads((run / "run.json").read_text())
    assert set(provenance["models"]) == {"rvq", "masked", "residual", "evaluator"}
    assert provenance["models"]["residual"]["name"] == names["residual"]
    skipped = {file["file"]: file["reason"] for file in provenance["skipped"]}
    other = model_name(parity_dir, "residual_transformer_share_weight")
    assert any(other in path and names["residual"] in reason for path, reason in skipped.items())
    fingerprint = codec_fingerprint(load_codec(run))
    for kind in ("masked", "residual"):
        metadata = load_checkpoint(run / kind / "best", kind).metadata
        assert metadata[CODEC_KEY] == fingerprint
        assert metadata["source_sha256"] == provenance["models"][kind]["sha256"]


def test_whole_checkpoints_folder_with_the_video_encoder(
    parity_dir: Path, names: dict[str, str], tmp_path: Path
) -> None:
    root = dataset_folder(parity_dir).parent
    tc_clip = parity_dir / next(
        description["checkpoint_path"]
        for path in sorted((parity_dir / "tcclip").glob("t*.json"))
        if "checkpoint_path" in (description := json.loads(path.read_text()))
    )
    report = import_official(root, tmp_path / "run", names={**names, "tc_clip": tc_clip.stem})
    assert kinds(report) == {"rvq", "masked", "residual", "evaluator", "tc_clip"}
    theirs = load_tc_clip(tc_clip).state_dict()
    ours = load_tc_clip(tmp_path / "run" / "tc_clip" / "model.safetensors").state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    assert all(str(model.destination) in "\n".join(report.lines()) for model in report.imported)


def test_one_model_folder_and_one_file_know_their_tokenizer(
    parity_dir: Path, run: Path, tmp_path: Path
) -> None:
    file = parity_dir / describe(parity_dir, "mask_transformer")["checkpoint_path"]
    expected = load_checkpoint(run / "masked" / "best", "masked")
    for number, src in enumerate((file, file.parent.parent)):
        report = import_official(src, tmp_path / str(number))
        assert kinds(report) == {"masked"}
        imported = load_checkpoint(tmp_path / str(number) / "masked" / "best", "masked")
        assert imported.metadata[CODEC_KEY] == expected.metadata[CODEC_KEY]
        assert imported.config == expected.config


def test_latest_file_can_be_preferred(parity_dir: Path, tmp_path: Path) -> None:
    description = describe(parity_dir, "mask_transformer")
    if "latest_checkpoint_path" not in description:
        pytest.skip("no latest.tar in this set of checkpoints")
    latest = parity_dir / description["latest_checkpoint_path"]
    report = import_official(latest.parent.parent, tmp_path / "run", which="latest")
    assert [model.source for model in report.imported] == [latest]
    assert {file.path.name for file in report.skipped} >= {Path(description["checkpoint_path"]).name}


def test_an_import_destroys_nothing(parity_dir: Path, run: Path) -> None:
    file = parity_dir / describe(parity_dir, "mask_transformer")["checkpoint_path"]
    with pytest.raises(InputError, match="exists already"):
        import_official(file, run)


def test_plain_clip_is_not_taken_for_the_video_encoder(parity_dir: Path, tmp_path: Path) -> None:
    clip = next(dataset_folder(parity_dir).parent.glob("clip/*.pt"), None)
    if clip is None:
        pytest.skip("no plain CLIP weights in this set of checkpoints")
    with pytest.raises(HeroError):
        import_official(clip, tmp_path / "run")
