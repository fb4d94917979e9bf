"""MoMask's, BAMM's, T2M-GPT's, MDM's and MLD's published files to run folders, tiny and made here."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hero_core.errors import ConfigError, InputError, WeightsError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.models.base import generator_class
from hero_core.models.checkpoint import load_network
from hero_core.models.generators.t2mgpt import GptConfig, GptTransformer, VqConfig, VqTokenizer
from hero_core.models.positions import sinusoidal_positions
from hero_core.official.import_run import import_official
from hero_core.official.imported import TRAINED_ON_TEXTS
from hero_core.runs import ENCODED_BY_KEY, checkpoint_path, load_run
from hero_core.storage import sha256_of_file
from tests.hero_core.official.conftest import (
    CODE_DIM,
    CODES,
    QUANTIZERS,
    SIZES,
    WriteModel,
    encoder_tensors,
    module_tensors,
    write_rvq_folder,
)
from tests.hero_core.official.test_mdm import ARGUMENTS
from tests.hero_core.official.test_mdm import published as mdm_tensors
from tests.hero_core.official.test_mld import published as mld_tensors

Tensors = dict[str, Tensor]

OPTIONS = {"max_motion_length": 196}
BAMM_OPTIONS = {**OPTIONS, "trans": "official"}
RESULTS = "checkpoints/vimo"  # where write_model writes


def momask_masked(codes: int = CODES) -> Tensors:
    torch.manual_seed(0)
    return encoder_tensors(codes) | module_tensors("token_emb", nn.Embedding(codes + 2, CODE_DIM))


def momask_residual() -> Tensors:
    torch.manual_seed(1)
    return encoder_tensors(CODE_DIM) | {
        **module_tensors("quant_emb", nn.Linear(QUANTIZERS, SIZES["latent_dim"])),
        "token_embed_weight_": torch.randn(1, CODES + 1, CODE_DIM),
        "output_proj_weight_": torch.randn(1, CODES + 1, CODE_DIM),
        "embed_proj_shared_weight": torch.randn(QUANTIZERS - 2, CODES + 1, CODE_DIM),
    }


def bamm_tensors() -> Tensors:
    return momask_masked(CODES + 1)  # one class more, and one embedding


def models_of(run: Path) -> dict[str, Any]:
    models: dict[str, Any] = json.loads((run / "run.json").read_text())["imported"]["models"]
    return models


@pytest.fixture
def momask(write_model: WriteModel, tmp_path: Path) -> Path:
    """MoMask's ``checkpoints/t2m``, with its length estimator."""
    write_rvq_folder(tmp_path / RESULTS / "rvq")
    write_model("t2m_nlayer2", "t2m_transformer", momask_masked(), OPTIONS, "latest.tar")
    write_model("tres_sw", "res_transformer", momask_residual(), OPTIONS)
    write_model("length_estimator", "estimator", {"output.0.weight": torch.zeros(3)}, None, "finest.tar")
    return tmp_path / RESULTS


@pytest.fixture
def bamm(write_model: WriteModel, momask: Path, tmp_path: Path) -> Path:
    """BAMM's ``log``, in which its transformer and MoMask's tokenizer are far from each other."""
    file = write_model("bamm", "t2m_transformer", bamm_tensors(), BAMM_OPTIONS, "latest.tar")
    shutil.copytree(momask / "rvq", tmp_path / "log" / "vq" / "t2m" / "rvq")
    (tmp_path / "log" / "t2m").mkdir()
    file.parent.parent.rename(tmp_path / "log" / "t2m" / "bamm")
    return tmp_path / "log"


def test_momasks_folder_becomes_a_run(momask: Path, tmp_path: Path) -> None:
    report = import_official(momask, tmp_path / "run", generator="momask")
    assert [each.source.kind for each in report.imported] == ["rvq", "masked", "residual"]
    assert [(each.path.name, each.reason) for each in report.skipped] == [
        ("finest.tar", "MoMask's length estimator: it tells lengths from texts, of which a video has none")
    ]
    loaded = load_run(tmp_path / "run")
    assert isinstance(loaded.generator, generator_class("momask"))
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    assert described["generator"] == "momask"
    models = described["imported"]["models"]
    source = momask / "t2m_nlayer2" / "model" / "latest.tar"
    assert models["masked"]["imported_from"] == str(source)
    assert models["masked"]["source_sha256"] == sha256_of_file(source)
    assert {kind: TRAINED_ON_TEXTS in model["notes"] for kind, model in models.items()} == {
        "rvq": False,
        "masked": True,
        "residual": True,
    }
    assert described["imported"]["skipped"][0]["file"].endswith("finest.tar")


def test_one_file_of_momask(momask: Path, tmp_path: Path) -> None:
    file = momask / "t2m_nlayer2" / "model" / "latest.tar"
    report = import_official(file, tmp_path / "run", generator="momask")
    assert [each.source.kind for each in report.imported] == ["masked"]
    with pytest.raises(InputError, match="none of MoMask's models found .*length estimator"):
        import_official(momask / "length_estimator", tmp_path / "other", generator="momask")


def test_bamms_tree_becomes_a_run_with_momasks_residual_transformer(
    bamm: Path, momask: Path, tmp_path: Path
) -> None:
    report = import_official(bamm, tmp_path / "run", generator="bamm")
    assert [each.source.kind for each in report.imported] == ["rvq", "autoregressive"]
    import_official(momask / "tres_sw", tmp_path / "run", generator="bamm")
    loaded = load_run(tmp_path / "run")
    assert isinstance(loaded.generator, generator_class("bamm"))
    assert TRAINED_ON_TEXTS in models_of(tmp_path / "run")["autoregressive"]["notes"]


def test_bamm_takes_what_it_shares_with_momask_from_momasks_folder(
    bamm: Path, momask: Path, write_model: WriteModel, tmp_path: Path
) -> None:
    published = momask_masked(codes=512)  # a size that MoMask's transformer is known by
    write_model("t2m_nlayer2", "t2m_transformer", published, OPTIONS, "latest.tar")
    report = import_official(momask, tmp_path / "run", generator="bamm")
    assert [each.source.kind for each in report.imported] == ["rvq", "residual"]
    reasons = {each.path.parent.parent.name: each.reason for each in report.skipped}
    assert reasons["t2m_nlayer2"] == (
        "MoMask's masked transformer, not of BAMM; it is imported with --generator momask"
    )
    import_official(bamm / "t2m", tmp_path / "run", generator="bamm")
    run = load_run(tmp_path / "run")
    expected = sha256_of_tensors(run.generator.tokenizer.state_dict())
    assert run.origins["autoregressive"].metadata[ENCODED_BY_KEY] == expected


@pytest.mark.parametrize(
    ("name", "generator", "complaint"),
    [
        ("t2m_nlayer2", "hero", r"MoMask's masked transformer, not of HERO; .* --generator momask$"),
        ("tres_sw", "hero", r"not of HERO; .* --generator momask or --generator bamm$"),
        ("t2m_nlayer2", "t2mgpt", "MoMask's masked transformer, not of T2M-GPT"),
        ("bamm", "momask", r"BAMM's transformer, not of MoMask; .* --generator bamm$"),
        ("hero", "momask", r"HERO's masked transformer, not of MoMask; .* --generator hero$"),
        ("hero_residual", "bamm", r"HERO's residual transformer, not of BAMM; .* --generator hero$"),
    ],
)
def test_another_generators_transformer_is_refused_with_the_one_that_takes_it(
    momask: Path,
    bamm: Path,
    write_model: WriteModel,
    masked_tensors: Tensors,
    residual_tensors: Tensors,
    tmp_path: Path,
    name: str,
    generator: str,
    complaint: str,
) -> None:
    write_model("hero", "t2m_transformer", masked_tensors)
    write_model("hero_residual", "res_transformer", residual_tensors)
    src = bamm / "t2m" / "bamm" if name == "bamm" else momask / name
    with pytest.raises(WeightsError, match=complaint):
        import_official(src, tmp_path / "run", generator=generator)
    assert not (tmp_path / "run").exists()


def test_without_options_the_codebook_tells_bamms_from_momasks(
    momask: Path, write_model: WriteModel, tmp_path: Path
) -> None:
    (momask / "t2m_nlayer2").rename(tmp_path / "apart")
    write_model("unsure", "t2m_transformer", bamm_tensors(), OPTIONS)
    with pytest.raises(WeightsError, match="codebook_size 9, not 8; .*which --generator bamm imports"):
        import_official(momask / "unsure", tmp_path / "run", generator="momask")
    assert import_official(momask / "unsure", tmp_path / "bamm", generator="bamm").imported
    write_model("unsure", "t2m_transformer", momask_masked(), OPTIONS)
    with pytest.raises(WeightsError, match="codebook_size 7, not 8; .*which --generator momask imports"):
        import_official(momask / "unsure", tmp_path / "run", generator="bamm")


@pytest.mark.parametrize(("codes", "own", "other"), [(512, "momask", "bamm"), (513, "bamm", "momask")])
def test_without_options_and_tokenizer_the_published_sizes_tell(
    write_model: WriteModel, tmp_path: Path, codes: int, own: str, other: str
) -> None:
    path = write_model("unsure", "t2m_transformer", momask_masked(codes), OPTIONS)
    with pytest.raises(WeightsError, match=f"--generator {own}$"):
        import_official(path, tmp_path / "run", generator=other)
    report = import_official(path, tmp_path / "run", generator=own)
    assert report.imported[0].model.config.codebook_size == 512
    assert any("its tokenizer was not found" in line for line in report.lines())


def test_a_transformer_of_nobody_is_refused(write_model: WriteModel, tmp_path: Path) -> None:
    path = write_model("who", "t2m_transformer", {"layers.0.weight": torch.zeros(2)})
    with pytest.raises(WeightsError, match=r"no tensor seqTransDecoder\.\* or seqTransEncoder\.\*"):
        import_official(path, tmp_path / "run", generator="momask")


def test_unknown_generators_and_options_that_do_not_concern_one(momask: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no weights of 'regressor' .*those of hero, momask, bamm"):
        import_official(momask, tmp_path / "run", generator="regressor")
    with pytest.raises(ConfigError, match="--meta: MoMask keeps its statistics in meta/"):
        import_official(momask, tmp_path / "run", generator="momask", meta=tmp_path)
    with pytest.raises(InputError, match="the kinds are vq, gpt"):
        import_official(momask / "rvq", tmp_path / "run", {"masked": "x"}, generator="t2mgpt")
    import_official(momask / "rvq", tmp_path / "run", generator="momask")
    with pytest.raises(InputError, match="a run of another generator"):
        import_official(momask / "tres_sw", tmp_path / "run", generator="bamm")


def write_statistics(folder: Path, names: tuple[str, str] = ("Mean.npy", "Std.npy"), std: float = 2) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip(names, (0, std), strict=True):
        np.save(folder / name, np.full(263, value, np.float32))
    return folder


def vq_tensors() -> Tensors:
    """T2M-GPT's tokenizer under its published names."""
    network = VqTokenizer(VqConfig(width=8, code_dim=8, codebook_size=CODES, depth=1)).network
    ours = network.state_dict()
    codebook = ours["quantizer.layers.0.codebook"]
    theirs = {f"vqvae.{name}": tensor for name, tensor in ours.items() if not name.startswith("quantizer.")}
    return theirs | {"vqvae.quantizer.codebook": codebook}


def gpt_tensors(codes: int = CODES, width: int = 32) -> Tensors:
    """T2M-GPT's transformer under its published names: two stacks of one block."""
    state = {
        "trans_base.tok_emb.weight": torch.randn(codes + 2, width),
        "trans_base.pos_embedding.weight": torch.randn(11, width),
        "trans_base.pos_embed.embed": sinusoidal_positions(11, width)[:, None],
        **module_tensors("trans_base.cond_emb", nn.Linear(16, width)),
        **module_tensors("trans_head.ln_f", nn.LayerNorm(width)),
        "trans_head.head.weight": torch.randn(codes + 1, width),
    }
    for stack in ("trans_base", "trans_head"):
        block = f"{stack}.blocks.0"
        state[f"{block}.attn.mask"] = torch.ones(1, 1, 11, 11)
        for norm in ("ln1", "ln2"):
            state |= module_tensors(f"{block}.{norm}", nn.LayerNorm(width))
        for layer in ("key", "query", "value", "proj"):
            state |= module_tensors(f"{block}.attn.{layer}", nn.Linear(width, width))
        state |= module_tensors(f"{block}.mlp.0", nn.Linear(width, 4 * width))
        state |= module_tensors(f"{block}.mlp.2", nn.Linear(4 * width, width))
    return state


@pytest.fixture
def t2mgpt(tmp_path: Path) -> Path:
    """T2M-GPT's files as its training writes them: two of each model."""
    torch.manual_seed(2)
    folder = tmp_path / "pretrained"
    for name, key, tensors in (("VQVAE", "net", vq_tensors()), ("GPT", "trans", gpt_tensors())):
        (folder / name).mkdir(parents=True)
        torch.save({key: tensors}, folder / name / "net_last.pth")
        torch.save({key: tensors}, folder / name / "net_best_fid.pth")
    return folder


def test_t2mgpts_files_become_a_run(t2mgpt: Path, tmp_path: Path) -> None:
    meta = write_statistics(tmp_path / "meta", ("mean.npy", "std.npy"))
    report = import_official(t2mgpt, tmp_path / "run", generator="t2mgpt", meta=meta)
    assert [(each.source.kind, each.source.path.name) for each in report.imported] == [
        ("vq", "net_best_fid.pth"),
        ("gpt", "net_best_fid.pth"),
    ]
    assert len(report.skipped) == 2
    run = load_run(tmp_path / "run")
    assert isinstance(run.generator, generator_class("t2mgpt"))
    tokenizer, _ = load_network(checkpoint_path(tmp_path / "run", "vq"), VqTokenizer)
    assert tokenizer.normalisation.std.unique().tolist() == [2.0]
    models = models_of(tmp_path / "run")
    assert f"statistics of {meta}" in models["vq"]["notes"]
    assert TRAINED_ON_TEXTS in models["gpt"]["notes"]
    latest = import_official(t2mgpt, tmp_path / "latest", which="latest", generator="t2mgpt", meta=meta)
    assert {each.source.path.name for each in latest.imported} == {"net_last.pth"}


def test_t2mgpts_transformer_after_its_tokenizer_and_alone(t2mgpt: Path, tmp_path: Path) -> None:
    write_statistics(t2mgpt / "VQVAE" / "meta")  # found beside the file
    import_official(t2mgpt / "VQVAE", tmp_path / "run", generator="t2mgpt")
    report = import_official(t2mgpt / "GPT", tmp_path / "run", generator="t2mgpt")
    assert any("does not say which tokenizer" in line for line in report.lines())
    assert load_run(tmp_path / "run").generator.feature_dim == 16
    report = import_official(t2mgpt / "GPT", tmp_path / "alone", generator="t2mgpt")
    assert any("its tokenizer was not found" in line for line in report.lines())


def test_t2mgpts_transformer_for_other_codes_is_refused(t2mgpt: Path, tmp_path: Path) -> None:
    write_statistics(t2mgpt / "VQVAE")
    torch.save({"trans": gpt_tensors(codes=CODES + 1)}, t2mgpt / "GPT" / "net_best_fid.pth")
    with pytest.raises(WeightsError, match="does not fit its tokenizer: codebook_size 9, not 8"):
        import_official(t2mgpt, tmp_path / "run", generator="t2mgpt")


def test_statistics_that_are_missing_are_named(t2mgpt: Path, tmp_path: Path) -> None:
    wanted = (
        r"no mean\.npy and std\.npy .*T2M-GPT normalises .*VQVAEV3_CB1024_CMT_H1024_NRES3/meta.*--meta FOLDER"
    )
    with pytest.raises(InputError, match=wanted):
        import_official(t2mgpt, tmp_path / "run", generator="t2mgpt")
    half = write_statistics(tmp_path / "half")
    (half / "Std.npy").unlink()
    with pytest.raises(InputError, match=f"in {half}\\. T2M-GPT"):
        import_official(t2mgpt, tmp_path / "run", generator="t2mgpt", meta=half)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def mdm(tmp_path: Path) -> Path:
    folder = tmp_path / "save" / "humanml_trans_enc_512"
    folder.mkdir(parents=True)
    (folder / "args.json").write_text(json.dumps(ARGUMENTS))
    torch.save(mdm_tensors(), folder / "model000475000.pt")
    torch.save({"state": {}, "param_groups": []}, folder / "opt000475000.pt")
    return folder


@pytest.mark.parametrize("averaged", [False, True])
def test_mdms_folder_becomes_a_run(mdm: Path, tmp_path: Path, averaged: bool) -> None:
    if averaged:
        state = mdm_tensors()
        torch.save({"model": state, "model_avg": state}, mdm / "model000475000.pt")
    meta = write_statistics(tmp_path / "HumanML3D")
    report = import_official(mdm, tmp_path / "run", generator="mdm", meta=meta)
    (denoiser,) = report.imported
    assert (denoiser.source.kind, denoiser.source.name) == ("denoiser", "model000475000")
    assert [each.path.name for each in report.skipped] == ["opt000475000.pt"]
    run = load_run(tmp_path / "run")
    assert run.generator.denoiser.normalisation.std.unique().tolist() == [2.0]
    assert TRAINED_ON_TEXTS in models_of(tmp_path / "run")["denoiser"]["notes"]


def test_mdms_refusals(mdm: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"MDM normalises motions by the Mean\.npy and Std\.npy that HumanML3D"
    ):
        import_official(mdm, tmp_path / "run", generator="mdm")
    write_statistics(mdm)
    with pytest.raises(WeightsError, match="MDM's denoiser, not of MLD; it is imported with --generator mdm"):
        import_official(mdm, tmp_path / "run", generator="mld")
    torch.save(mdm_tensors(), mdm / "model000200000.pt")
    with pytest.raises(WeightsError, match="several denoiser models: .*denoiser=model000200000"):
        import_official(mdm, tmp_path / "run", generator="mdm")
    import_official(mdm, tmp_path / "run", {"denoiser": "model000475000"}, generator="mdm")
    (mdm / "args.json").unlink()
    with pytest.raises(InputError, match=r"args\.json: no such file"):
        import_official(mdm / "model000200000.pt", tmp_path / "other", generator="mdm")


def write_mld(folder: Path, vae: bool = True) -> Path:
    tensors = {f"vae.{name}": tensor for name, tensor in mld_tensors().items()} if vae else {}
    tensors["denoiser.query_pos.pe"] = torch.zeros(1)
    torch.save({"state_dict": tensors, "epoch": 7}, folder / "1222_mld_humanml3d_FID041.ckpt")
    return folder / "1222_mld_humanml3d_FID041.ckpt"


def test_mlds_vae_is_imported_and_its_denoiser_is_not(tmp_path: Path) -> None:
    path, meta = write_mld(tmp_path), write_statistics(tmp_path / "meta")
    report = import_official(path, tmp_path / "run", generator="mld")
    assert [each.source.kind for each in report.imported] == ["vae"]
    assert "768 numbers of a text" in report.skipped[0].reason
    vae = models_of(tmp_path / "run")["vae"]
    assert (vae["epoch"], vae["source_sha256"]) == (7, sha256_of_file(path))
    assert vae["notes"] == [f"statistics of {meta}"]
    with pytest.raises(WeightsError, match=r"denoiser.*missing"):
        load_run(tmp_path / "run")


def test_mlds_refusals(tmp_path: Path) -> None:
    path = write_mld(tmp_path)
    with pytest.raises(InputError, match=r"MLD normalises motions by the Mean\.npy"):
        import_official(path, tmp_path / "run", generator="mld")
    with pytest.raises(WeightsError, match="MLD's VAE, not of HERO; it is imported with --generator mld"):
        import_official(path, tmp_path / "run")
    with pytest.raises(InputError, match="none of MLD's models found .*768 numbers"):
        import_official(write_mld(tmp_path, vae=False), tmp_path / "run", generator="mld")


def test_classes_are_the_ones_of_the_generator(t2mgpt: Path, tmp_path: Path) -> None:
    meta = write_statistics(tmp_path / "meta")
    import_official(t2mgpt, tmp_path / "run", generator="t2mgpt", meta=meta)
    model, _ = load_network(checkpoint_path(tmp_path / "run", "gpt"), GptTransformer)
    assert isinstance(model.config, GptConfig)
    assert (model.config.layers, model.config.max_tokens, model.config.codebook_size) == (2, 10, CODES)
