import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.checkpoints import load_checkpoint
from hero_core.errors import InputError, WeightsError
from hero_core.models.codec import MotionCodec
from hero_core.models.rvq import RvqConfig
from hero_core.official.convert import import_official
from hero_core.runs import CODEC_KEY, codec_fingerprint, load_hero

Tensors = dict[str, Tensor]
WriteModel = Callable[..., Path]

AVERAGES = ("code_sum", "code_count", "initialised")
RVQ_OPTIONS = {
    "width": 8,
    "code_dim": 12,
    "nb_code": 8,
    "num_quantizers": 4,
    "depth": 1,
    "down_t": 2,
    "dilation_growth_rate": 3,
    "output_emb_width": 12,
}


@pytest.fixture
def write_rvq(write_model: WriteModel) -> Callable[[str], Path]:
    def write(name: str) -> Path:
        config = RvqConfig(width=8, code_dim=12, codebook_size=8, quantizers=4, depth=1)
        codec = MotionCodec(config, torch.zeros(263), torch.ones(263))
        official = {
            name: tensor for name, tensor in codec.vae.state_dict().items() if not name.endswith(AVERAGES)
        }
        path = write_model(name, "vq_model", official, RVQ_OPTIONS)
        meta = path.parent.parent / "meta"
        meta.mkdir()
        np.save(meta / "mean.npy", np.zeros(263, np.float32))
        np.save(meta / "std.npy", np.ones(263, np.float32))
        return path

    return write


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
    assert [model.kind for model in report.imported] == ["rvq", "masked", "residual"]
    assert report.skipped == ()
    hero = load_hero(tmp_path / "run")
    assert hero.residual.config.quantizers == 4
    metadata = load_checkpoint(tmp_path / "run" / "masked" / "best", "masked").metadata
    assert metadata["epoch"] == 7
    assert metadata[CODEC_KEY] == codec_fingerprint(hero.codec)
    provenance = json.loads((tmp_path / "run" / "run.json").read_text())
    assert provenance["models"]["masked"]["sha256"] == metadata["source_sha256"]
    assert any("doubling" in line for line in report.lines())


def test_models_are_found_by_content(checkpoints: Path, tmp_path: Path) -> None:
    path = checkpoints / "vimo" / "mtrans" / "model" / "net_best_fid.tar"
    path.rename(path.with_name("renamed.pt"))
    report = import_official(checkpoints / "vimo", tmp_path / "run")
    assert {model.source.name for model in report.imported} == {"renamed.pt", "net_best_fid.tar"}


def test_the_best_file_is_preferred_and_the_others_are_named(
    checkpoints: Path, write_model: WriteModel, masked_tensors: Tensors, tmp_path: Path
) -> None:
    for file in ("latest.tar", "net_best_acc.tar"):
        write_model("mtrans", "t2m_transformer", masked_tensors, file=file)
    best = import_official(checkpoints / "vimo" / "mtrans", tmp_path / "best")
    latest = import_official(checkpoints / "vimo" / "mtrans", tmp_path / "latest", which="latest")
    assert best.imported[0].source.name == "net_best_fid.tar"
    assert {file.path.name for file in best.skipped} == {"latest.tar", "net_best_acc.tar"}
    assert latest.imported[0].source.name == "latest.tar"


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
    assert report.imported[0].source.parent.parent.name == "rvq"
    load_hero(tmp_path / "run")


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
    load_hero(tmp_path / "run")


def test_a_transformer_alone_finds_its_tokenizer_beside_it(checkpoints: Path, tmp_path: Path) -> None:
    import_official(checkpoints / "vimo" / "rvq", tmp_path / "run")
    for name in ("mtrans", "rtrans"):
        import_official(checkpoints / "vimo" / name / "model" / "net_best_fid.tar", tmp_path / "run")
    load_hero(tmp_path / "run")
    provenance = json.loads((tmp_path / "run" / "run.json").read_text())
    assert set(provenance["models"]) == {"rvq", "masked", "residual"}


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
    with pytest.raises(WeightsError, match="cannot be read safely"):
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
