"""The recorded weights of the five models, in files as they are published, to runs and on to training."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.models.base import generator_class
from hero_core.models.checkpoint import load_network
from hero_core.official.import_run import import_official
from hero_core.official.imported import TRAINED_ON_TEXTS
from hero_core.official.tensors import rename_transformer
from hero_core.runs import checkpoint_path
from hero_core.storage import read_json
from hero_core.training_set import TrainingSet
from tests.parity.baselines.official import state_of, write_model
from tests.trainer.conftest import write_training_set
from trainer.config import load_train_config
from trainer.request import Request
from trainer.runs import train_part

Open = Callable[[str], Any]
PARTS = {
    "momask": {"masked": TRAINED_ON_TEXTS, "residual": TRAINED_ON_TEXTS},
    "bamm": {"autoregressive": TRAINED_ON_TEXTS},
    "t2mgpt": {"vq": "statistics", "gpt": TRAINED_ON_TEXTS},
    "mdm": {"denoiser": TRAINED_ON_TEXTS},
    "mld": {"vae": "statistics"},
}
"""By generator the parts that come of its files, and how a note of each begins."""


def recorded(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix("state__"): tensor for name, tensor in arrays.items() if name.startswith("state__")
    }


def write_published(kind: str, folder: Any, place: Path) -> None:
    """The files of one model, and statistics beside them where they do not belong to its layout."""
    if kind == "momask":
        for name, key in (("masked", "t2m_transformer"), ("residual_share_weight", "res_transformer")):
            write_model(place / name, key, state_of(folder.arrays(f"{name}_weights")), folder.facts)
        for options in place.glob("*/opt.txt"):  # named, but not among the fixtures
            options.write_text(options.read_text().replace("unit_length", "vq_name: rvq\nunit_length"))
        return
    if kind == "bamm":
        write_model(place / "bamm", "t2m_transformer", state_of(folder.arrays("weights")), folder.facts)
        options = place / "bamm" / "opt.txt"
        options.write_text(
            options.read_text().replace("unit_length", "trans: official\nvq_name: rvq\nunit_length")
        )
        return
    place.mkdir(exist_ok=True)
    np.save(place / "Mean.npy", np.zeros(263, np.float32))
    np.save(place / "Std.npy", np.full(263, 2, np.float32))
    if kind == "t2mgpt":
        for name, key in (("vq", "net"), ("gpt", "trans")):
            torch.save({key: recorded(folder.arrays(f"{name}_weights"))}, place / f"{name}.pth")
    elif kind == "mdm":
        sizes = folder.facts["hyperparameters"]
        arguments = {name: sizes[name] for name in ("latent_dim", "cond_mask_prob", "noise_schedule")}
        arguments |= {"layers": sizes["num_layers"], "diffusion_steps": sizes["diffusion_steps"][0]}
        (place / "args.json").write_text(json.dumps(arguments))
        torch.save(recorded(folder.arrays("weights")), place / "model000475000.pt")
    else:
        state = {
            f"{part}.{name}": tensor
            for part in ("vae", "denoiser")
            for name, tensor in recorded(folder.arrays(f"{part}_weights")).items()
        }
        torch.save({"state_dict": state, "epoch": 3}, place / "published.ckpt")


@pytest.mark.parametrize("kind", PARTS)
def test_published_files_become_a_run(kind: str, open_folder: Open, tmp_path: Path) -> None:
    write_published(kind, open_folder(f"baselines/{kind}"), tmp_path / "published")
    report = import_official(tmp_path / "published", tmp_path / "run", generator=kind)
    assert {each.source.kind for each in report.imported} == PARTS[kind].keys()
    described = read_json(tmp_path / "run" / "run.json")
    assert described["generator"] == kind
    for part, note in PARTS[kind].items():
        network, origin = load_network(
            checkpoint_path(tmp_path / "run", part), generator_class(kind).parts[part]
        )
        assert getattr(network.config, "feature_dim", 512) == 512
        assert any(each.startswith(note) for each in described["imported"]["models"][part]["notes"])
        assert origin.metadata["imported_from"].startswith(str(tmp_path / "published"))
    assert bool(report.skipped) == (kind == "mld")  # whose denoiser is for texts


def test_momasks_masked_transformer_is_a_start_to_train_from(open_folder: Open, tmp_path: Path) -> None:
    folder = open_folder("baselines/momask")
    write_published("momask", folder, tmp_path / "published")
    import_official(tmp_path / "published", tmp_path / "imported", generator="momask")
    official, codes = state_of(folder.arrays("masked_weights")), folder.facts["hyperparameters"]["num_tokens"]
    data = TrainingSet(write_training_set(tmp_path / "data", feature_dim=512))
    sizes = {"width": 16, "code_dim": 16, "codebook_size": codes, "depth": 1}
    overrides = [f"rvq.model.{name}={size}" for name, size in sizes.items()]
    for part in ("rvq", "masked"):
        training = {"steps": 1, "batch_size": 4, "select_by": "loss", "lr": 1e-12}
        overrides += [f"{part}.training.{name}={value}" for name, value in training.items()]
    config = load_train_config("momask", "demo", None, overrides)
    request = Request(data, tmp_path / "run", config, torch.device("cpu"), {"preset": "demo"})
    train_part("rvq", request)
    start = tmp_path / "imported"
    train_part("masked", replace(request, finetune=start))
    path = checkpoint_path(tmp_path / "run", "masked", "last")
    after, _ = load_network(path, generator_class("momask").parts["masked"])
    assert (after.config.layers, after.config.latent_dim) == (
        2,
        32,
    )  # those of the fixture, not of the preset
    embedding = rename_transformer(official)["token_embedding.weight"]
    torch.testing.assert_close(after.state_dict()["token_embedding.weight"], embedding, rtol=0, atol=1e-6)
    described = read_json(tmp_path / "run" / "masked" / "run.json")
    assert described["initial_weights"]["path"] == str(checkpoint_path(start, "masked").resolve())
