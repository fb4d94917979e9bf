import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.errors import InputError, WeightsError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.models.checkpoint import load_network, read_header
from hero_core.models.evaluator import EvaluatorConfig, MotionEvaluator
from hero_core.models.generators.hero import Hero
from hero_core.models.tc_clip.tower import TcClip, TcClipConfig
from hero_core.models.tc_clip.weights import load_tc_clip
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.official.find import in_official_layout
from hero_core.official.import_run import import_official
from hero_core.runs import (
    ENCODED_BY_KEY,
    checkpoint_path,
    describe_run,
    find_checkpoint,
    load_evaluator,
    load_generator,
    load_run,
)
from tests.hero_core.official.conftest import write_rvq_folder

Tensors = dict[str, Tensor]
WriteModel = Callable[..., Path]


@pytest.fixture
def write_rvq(tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: write_rvq_folder(tmp_path / "checkpoints" / "vimo" / name)


@pytest.fixture
def checkpoints(
    write_model: WriteModel,
    write_rvq: Callable[[str], Path],
    masked_tensors: Tensors,
    residual_tensors: Tensors,
) -> Path:
    """A folder with one model of each of three kinds."""
    write_rvq("rvq")
    write_model("mtrans", "t2m_transformer", masked_tensors)
    return write_model("rtrans", "res_transformer", residual_tensors).parent.parent.parent.parent


def test_a_folder_becomes_a_run(checkpoints: Path, tmp_path: Path) -> None:
    report = import_official(checkpoints, tmp_path / "run")
    assert [model.source.kind for model in report.imported] == ["rvq", "masked", "residual"]
    assert report.skipped == ()
    loaded = load_run(tmp_path / "run")
    hero, metadata = loaded.generator, loaded.origins["masked"].metadata
    assert isinstance(hero, Hero)
    assert hero.residual.config.quantizers == 4
    assert metadata["epoch"] == 7
    assert metadata["imported_from"] == str(checkpoints / "vimo" / "mtrans" / "model" / "net_best_fid.tar")
    assert metadata[ENCODED_BY_KEY] == sha256_of_tensors(hero.tokenizer.state_dict())
    provenance = json.loads((tmp_path / "run" / "run.json").read_text())
    assert provenance["generator"] == "hero"
    assert provenance["imported"]["models"]["masked"]["source_sha256"] == metadata["source_sha256"]
    assert any("doubling" in line for line in report.lines())


@pytest.mark.parametrize("key", ["vq_model", "net"])
def test_a_tokenizer_alone_becomes_a_run(tmp_path: Path, key: str) -> None:
    """MoMask's published tokenizer, the start of the paper's, is a folder of this form; older files say ``net``."""
    folder = tmp_path / "checkpoints" / "t2m" / "rvq_name"
    weights = write_rvq_folder(folder, key)
    for number, source in enumerate((folder, folder.parent, folder / "model", weights)):
        run = tmp_path / str(number)
        assert [model.source.kind for model in import_official(source, run).imported] == ["rvq"]
        tokenizer, origin = load_network(find_checkpoint(run, "rvq"), RvqTokenizer)
        assert (tokenizer.config.quantizers, origin.metadata["imported_from"]) == (4, str(weights))


def test_official_weights_are_known_by_their_layout(checkpoints: Path, tmp_path: Path) -> None:
    model = checkpoints / "vimo" / "rvq"
    for path in (checkpoints, model.parent, model, model / "model", model / "model" / "net_best_fid.tar"):
        assert in_official_layout(path)
    import_official(checkpoints, tmp_path / "run")
    for path in (tmp_path / "run", checkpoint_path(tmp_path / "run", "rvq"), model / "meta", tmp_path / "no"):
        assert not in_official_layout(path)


def test_models_are_found_by_content(checkpoints: Path, tmp_path: Path) -> None:
    path = checkpoints / "vimo" / "mtrans" / "model" / "net_best_fid.tar"
    path.rename(path.with_name("renamed.pt"))
    report = import_official(checkpoints / "vimo", tmp_path / "run")
    assert {model.source.path.name for model in report.imported} == {"renamed.pt", "net_best_fid.tar"}


def test_the_best_file_is_preferred_and_the_others_are_named(
    checkpoints: Path, write_model: WriteModel, masked_tensors: Tensors, tmp_path: Path
) -> None:
    for file in ("latest.tar", "net_best_acc.tar"):
        write_model("mtrans", "t2m_transformer", masked_tensors, file=file)
    best = import_official(checkpoints / "vimo" / "mtrans", tmp_path / "best")
    latest = import_official(checkpoints / "vimo" / "mtrans", tmp_path / "latest", which="latest")
    assert best.imported[0].source.path.name == "net_best_fid.tar"
    assert {file.path.name for file in best.skipped} == {"latest.tar", "net_best_acc.tar"}
    assert latest.imported[0].source.path.name == "latest.tar"


def test_of_several_models_one_has_to_be_named(
    checkpoints: Path, write_model: WriteModel, residual_tensors: Tensors, tmp_path: Path
) -> None:
    write_model("rtrans_two", "res_transformer", residual_tensors)
    with pytest.raises(WeightsError, match=r"several residual models: rtrans .*rtrans_two .*residual=rtrans"):
        import_official(checkpoints, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    report = import_official(checkpoints, tmp_path / "run", names={"residual": "rtrans_two"})
    assert [file.path.parent.parent.name for file in report.skipped] == ["rtrans"]
    assert "rtrans_two" in report.skipped[0].reason


def test_names_must_exist(checkpoints: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no masked model is called 'nobody'; found mtrans"):
        import_official(checkpoints, tmp_path / "run", names={"masked": "nobody"})
    with pytest.raises(InputError, match="no kind of model is called resdual"):
        import_official(checkpoints, tmp_path / "run", names={"resdual": "rtrans"})
    with pytest.raises(InputError, match="found none"):
        import_official(checkpoints, tmp_path / "run", names={"evaluator": "text_mot_match"})


def test_of_several_tokenizers_the_transformers_own_is_taken(
    checkpoints: Path, write_rvq: Callable[[str], Path], tmp_path: Path
) -> None:
    write_rvq("another_rvq")
    report = import_official(checkpoints, tmp_path / "run")
    assert report.imported[0].source.name == "rvq"
    load_generator(tmp_path / "run")


def test_a_wrong_tokenizer_is_refused_unless_named(
    checkpoints: Path,
    write_rvq: Callable[[str], Path],
    write_model: WriteModel,
    masked_tensors: Tensors,
    tmp_path: Path,
) -> None:
    write_model("mtrans", "t2m_transformer", masked_tensors, {"vq_name": "lost"})
    with pytest.raises(WeightsError, match="tokenizer lost, but rvq was found"):
        import_official(checkpoints, tmp_path / "run")
    import_official(checkpoints, tmp_path / "run", names={"rvq": "rvq"})
    load_generator(tmp_path / "run")


def test_a_transformer_alone_finds_its_tokenizer_beside_it(checkpoints: Path, tmp_path: Path) -> None:
    import_official(checkpoints / "vimo" / "rvq", tmp_path / "run")
    for name in ("mtrans", "rtrans"):
        import_official(checkpoints / "vimo" / name / "model" / "net_best_fid.tar", tmp_path / "run")
    load_generator(tmp_path / "run")
    provenance = json.loads((tmp_path / "run" / "run.json").read_text())
    assert set(provenance["imported"]["models"]) == {"rvq", "masked", "residual"}


def test_sizes_of_another_tokenizer_are_refused(
    checkpoints: Path, write_model: WriteModel, masked_tensors: Tensors, tmp_path: Path
) -> None:
    masked_tensors["token_emb.weight"] = torch.zeros(18, 12)
    masked_tensors["output_process.poseFinal.weight"] = torch.zeros(16, 16)
    masked_tensors["output_process.poseFinal.bias"] = torch.zeros(16)
    write_model("mtrans", "t2m_transformer", masked_tensors)
    with pytest.raises(WeightsError, match="codebook_size 16, not 8"):
        import_official(checkpoints, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_other_files_are_skipped_with_a_reason(checkpoints: Path, tmp_path: Path) -> None:
    torch.save({"encoder": {}}, checkpoints / "something.pt")
    (checkpoints / "notes.tar").write_text("not weights")
    report = import_official(checkpoints, tmp_path / "run")
    reasons = {file.path.name: file.reason for file in report.skipped}
    assert reasons["something.pt"] == "none of HERO's models; it holds encoder"
    assert "not a PyTorch weights file" in reasons["notes.tar"]


def test_a_damaged_model_is_an_error_not_a_skip(checkpoints: Path, tmp_path: Path) -> None:
    path = checkpoints / "vimo" / "mtrans" / "model" / "net_best_fid.tar"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(WeightsError, match=r"net_best_fid\.tar.*damaged"):
        import_official(checkpoints, tmp_path / "run")


def test_pickled_code_is_never_run(checkpoints: Path, tmp_path: Path) -> None:
    path = checkpoints / "vimo" / "mtrans" / "model" / "net_best_fid.tar"
    torch.save({"t2m_transformer": {}, "config": Path("/")}, path)
    with pytest.raises(WeightsError, match="holds pickled objects"):
        import_official(checkpoints, tmp_path / "run")


def test_nothing_to_import(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="none of HERO's models"):
        import_official(tmp_path / "empty", tmp_path / "run")
    with pytest.raises(InputError, match="no such file"):
        import_official(tmp_path / "absent", tmp_path / "run")


def test_an_import_destroys_nothing(checkpoints: Path, tmp_path: Path) -> None:
    import_official(checkpoints, tmp_path / "run")
    with pytest.raises(InputError, match="exists already"):
        import_official(checkpoints, tmp_path / "run")
    assert load_generator(tmp_path / "run").max_length == 200


def test_a_run_of_another_generator_is_left_alone(checkpoints: Path, tmp_path: Path) -> None:
    describe_run(tmp_path / "run", "regressor")
    with pytest.raises(InputError, match="a run of another generator"):
        import_official(checkpoints, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


def test_an_evaluator_takes_the_statistics_of_its_tokenizer(checkpoints: Path, tmp_path: Path) -> None:
    config = EvaluatorConfig(movement_hidden=6, movement_dim=5, motion_hidden=7, embedding_dim=4)
    evaluator = MotionEvaluator(config)
    folder = checkpoints / "vimo" / "text_mot_match" / "model"
    folder.mkdir(parents=True)
    encoders = {
        name: getattr(evaluator, name).state_dict() for name in ("movement_encoder", "motion_encoder")
    }
    torch.save({**encoders, "text_encoder": {}, "epoch": 3}, folder / "finest.tar")
    with pytest.raises(InputError, match=r"no meta/mean\.npy and std\.npy beside the evaluator"):
        import_official(folder, tmp_path / "alone")
    np.save(checkpoints / "vimo" / "rvq" / "meta" / "std.npy", np.full(263, 2, np.float32))
    import_official(checkpoints, tmp_path / "run")
    imported, origin = load_evaluator(tmp_path / "run")
    assert imported.normalisation.std.unique().tolist() == [2.0]
    assert origin.metadata["epoch"] == 3


def test_the_video_encoder_arrives_as_it_was(tmp_path: Path) -> None:
    config = TcClipConfig(image_size=32, patch_size=8, width=64, layers=2, heads=1, out_dim=16, frames=3)
    state = TcClip(config).initialise(torch.Generator().manual_seed(0)).state_dict()
    torch.save(
        {"model": {f"image_encoder.{name}": tensor for name, tensor in state.items()}}, tmp_path / "tc.pth"
    )
    report = import_official(tmp_path / "tc.pth", tmp_path / "run")
    written = tmp_path / "run" / "tc_clip" / "model.safetensors"
    assert any(str(written) in line for line in report.lines())
    assert sha256_of_tensors(load_tc_clip(written).state_dict()) == sha256_of_tensors(state)


def test_a_checkpoint_says_where_it_comes_from(checkpoints: Path, tmp_path: Path) -> None:
    import_official(checkpoints, tmp_path / "run")
    for part in ("rvq", "masked", "residual"):
        metadata = read_header(checkpoint_path(tmp_path / "run", part))["metadata"]
        assert metadata.keys() >= {"imported_from", "source_sha256"}
