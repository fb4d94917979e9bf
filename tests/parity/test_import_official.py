"""Whole official folders, made by the official code, imported as a user would."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hero_core.errors import HeroError, InputError, WeightsError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.models.base import VideoFeatures
from hero_core.models.checkpoint import load_network, read_header
from hero_core.models.generators.hero import Hero
from hero_core.models.tc_clip.weights import load_tc_clip
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.official.find import Candidate, find_candidates, tokenizer_folder
from hero_core.official.identify import KINDS
from hero_core.official.import_run import import_official
from hero_core.official.imported import ImportReport
from hero_core.official.options import read_options
from hero_core.runs import ENCODED_BY_KEY, checkpoint_path, find_checkpoint, load_evaluator, load_run
from hero_core.storage import read_json
from hero_core.training_set import TrainingSet
from tests.trainer.conftest import write_training_set
from trainer.config import load_train_config
from trainer.request import Request
from trainer.runs import train_part


@pytest.fixture(scope="module")
def masked_file(open_folder: Callable[[str], Any]) -> Path:
    path: Path = open_folder("mask_transformer").file("checkpoint_path")
    return path


@pytest.fixture(scope="module")
def data_set(masked_file: Path) -> Path:
    """The folder of all models: ``DATA_SET/NAME/model/FILE``."""
    return masked_file.parent.parent.parent


@pytest.fixture(scope="module")
def found(data_set: Path) -> list[Candidate]:
    return find_candidates(data_set, "best")[0]


@pytest.fixture(scope="module")
def names(parity_dir: Path, open_folder: Callable[[str], Any]) -> dict[str, str]:
    """By kind, the models that belong together; there may be others beside them."""
    folders = [parity_dir / folder for folder in open_folder("e2e").facts["checkpoints"]]
    return {
        candidate.kind: candidate.name
        for folder in folders
        for candidate in find_candidates(folder, "best")[0]
    }


@pytest.fixture(scope="module")
def run(data_set: Path, names: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    dst = tmp_path_factory.mktemp("imported") / "run"
    import_official(data_set, dst, names=names)
    return dst


def kinds(report: ImportReport) -> set[str]:
    return {model.source.kind for model in report.imported}


def towers(parity_dir: Path, plain_clip: bool) -> list[Path]:
    """Weights of video encoders: TC-CLIP's own, or CLIP's."""
    facts = [read_json(path) for path in sorted((parity_dir / "tcclip").glob("*.json"))]
    return [parity_dir / fact["checkpoint_path"] for fact in facts if ("conversion" in fact) == plain_clip]


def test_several_models_of_a_kind_are_listed_and_nothing_is_written(
    data_set: Path, found: list[Candidate], names: dict[str, str], tmp_path: Path
) -> None:
    by_kind = {kind: [one.name for one in found if one.kind == kind] for kind in KINDS["hero"]}
    ambiguous = next((kind for kind, models in by_kind.items() if kind != "rvq" and len(models) > 1), None)
    if ambiguous is None:
        pytest.skip(f"{data_set}: one model of each kind only")
    with pytest.raises(WeightsError) as caught:
        import_official(data_set, tmp_path / "run", {k: name for k, name in names.items() if k != ambiguous})
    assert all(name in str(caught.value) for name in by_kind[ambiguous])
    assert f"{ambiguous}=" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_data_set_folder_becomes_a_run_that_generates(run: Path) -> None:
    hero = load_run(run).generator
    assert isinstance(hero, Hero)
    frames = torch.randn(2, 16, hero.feature_dim)
    condition = VideoFeatures(frames, frames.mean(dim=1), torch.arange(16).expand(2, -1) / 4)
    motion = hero.generate(condition, torch.tensor([20, 33]), torch.Generator().manual_seed(0)).motion
    assert motion.shape == (2, 32, hero.tokenizer.config.motion_dim)
    assert bool(torch.isfinite(motion).all())
    assert len(load_evaluator(run)[0].embed(motion, torch.tensor([20, 32]))) == 2


def test_provenance_and_fingerprints(run: Path, found: list[Candidate], names: dict[str, str]) -> None:
    imported = read_json(run / "run.json")["imported"]
    assert set(imported["models"]) == {"rvq", "masked", "residual", "evaluator"}
    assert {kind: imported["models"][kind]["name"] for kind in names} == names
    skipped = {file["file"]: file["reason"] for file in imported["skipped"]}
    for other in found:
        if other.kind in names and other.name != names[other.kind]:
            assert names[other.kind] in skipped[str(other.path)]
    loaded = load_run(run)
    fingerprint = sha256_of_tensors(loaded.generator.tokenizer.state_dict())
    for kind in ("masked", "residual"):
        metadata = loaded.origins[kind].metadata
        assert metadata[ENCODED_BY_KEY] == fingerprint
        assert metadata["source_sha256"] == imported["models"][kind]["source_sha256"]


def test_whole_checkpoints_folder_with_the_video_encoder(
    parity_dir: Path, data_set: Path, names: dict[str, str], tmp_path: Path
) -> None:
    tc_clip = towers(parity_dir, plain_clip=False)[0]
    report = import_official(data_set.parent, tmp_path / "run", names={**names, "tc_clip": str(tc_clip)})
    assert kinds(report) == {"rvq", "masked", "residual", "evaluator", "tc_clip"}
    written = tmp_path / "run" / "tc_clip" / "model.safetensors"
    theirs, ours = load_tc_clip(tc_clip), load_tc_clip(written)
    assert sha256_of_tensors(theirs.state_dict()) == sha256_of_tensors(ours.state_dict())
    written_paths = (written, *(checkpoint_path(tmp_path / "run", kind) for kind in names))
    assert all(str(path) in "\n".join(report.lines()) for path in written_paths)


def test_one_model_folder_and_one_file_know_their_tokenizer(
    masked_file: Path, found: list[Candidate], run: Path, tmp_path: Path
) -> None:
    (masked,) = (candidate for candidate in found if candidate.path == masked_file)
    if not tokenizer_folder(masked).is_dir():
        pytest.skip(f"{masked.options_path}: names a tokenizer that is not in this set of fixtures")
    expected = read_header(checkpoint_path(run, "masked"))["metadata"][ENCODED_BY_KEY]
    for number, src in enumerate((masked_file, masked.folder)):
        report = import_official(src, tmp_path / str(number))
        assert kinds(report) == {"masked"}
        imported = read_header(checkpoint_path(tmp_path / str(number), "masked"))
        assert imported["metadata"][ENCODED_BY_KEY] == expected


def test_a_tokenizer_in_momask_s_layout_is_the_start_of_a_fine_tuning(
    found: list[Candidate], tmp_path: Path
) -> None:
    """The folder that the fixture's own options name as its start, with the fixture's files in it."""
    rvq = next(candidate for candidate in found if candidate.kind == "rvq")
    named = read_options(rvq.options_path).get("finetune_model_dir") or f"checkpoints/t2m/{rvq.name}/model"
    folder = (tmp_path / str(named)).parent
    shutil.copytree(rvq.folder, folder)
    imported, tuned = tmp_path / "imported", tmp_path / "tuned"
    assert kinds(import_official(folder, imported)) == {"rvq"}
    data = TrainingSet(write_training_set(tmp_path / "data"))
    config = load_train_config(
        "hero", "official", None, ["rvq.training.steps=1", "rvq.training.batch_size=8"]
    )
    request = Request(data, tuned, config, torch.device("cpu"), {"preset": "official"}, finetune=imported)
    with pytest.raises(WeightsError, match=f"import-official {folder} "):
        train_part("rvq", replace(request, finetune=folder))
    train_part("rvq", request)
    before, after = (load_network(find_checkpoint(run, "rvq"), RvqTokenizer)[0] for run in (imported, tuned))
    assert {each: getattr(after.config, each) for each in RvqConfig.of_weights} == {
        each: getattr(before.config, each) for each in RvqConfig.of_weights
    }
    assert torch.equal(
        after.normalisation.std, torch.from_numpy(data.statistics().emphasised(config.feat_bias).std)
    )
    moved = after.network.encoder.state_dict()
    for name, tensor in before.network.encoder.state_dict().items():
        torch.testing.assert_close(moved[name], tensor, rtol=0, atol=1e-3)  # one small step away


def test_latest_file_can_be_preferred(open_folder: Callable[[str], Any], tmp_path: Path) -> None:
    folder = open_folder("mask_transformer")
    latest = folder.file("latest_checkpoint_path")
    report = import_official(latest.parent.parent, tmp_path / "run", which="latest")
    assert [model.source.path for model in report.imported] == [latest]
    assert {file.path for file in report.skipped} >= {folder.file("checkpoint_path")}


def test_an_import_destroys_nothing(masked_file: Path, run: Path) -> None:
    with pytest.raises(InputError, match="exists already"):
        import_official(masked_file, run)


def test_plain_clip_is_not_taken_for_the_video_encoder(parity_dir: Path, tmp_path: Path) -> None:
    plain = towers(parity_dir, plain_clip=True)
    if not plain:
        pytest.skip("no plain CLIP weights in this set of fixtures")
    with pytest.raises(HeroError, match="none of HERO's models"):
        import_official(plain[0], tmp_path / "run")
