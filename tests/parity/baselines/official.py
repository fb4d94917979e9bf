"""Files in the layout of MoMask and BAMM, written from the recorded weights."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hero_core.models.positions import sinusoidal_positions
from hero_core.official.tensors import POSITIONS
from tests.hero_core.official.conftest import write_options

LOGITS_TOLERANCE = 2e-4
GUIDED_TOLERANCE = 1e-3
LOSS_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
WEIGHTS_TOLERANCE = 1e-5
_POSITIONS_STORED = 5000


def state_of(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of ``weights.npz``, with the position codes that are left out there; checks them by some rows."""
    state = _with_prefix(arrays, "state__")
    some = arrays["pe_first_rows"].flatten(1)
    positions = sinusoidal_positions(_POSITIONS_STORED, some.shape[-1])
    torch.testing.assert_close(positions[: len(some)], some, atol=1e-5, rtol=0)
    return state | {POSITIONS: positions[:, None]}


def gradients_of(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The recorded gradients, by official key."""
    return _with_prefix(arrays, "grad__")


def write_model(folder: Path, key: str, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
    """Write ``{opt.txt,model/latest.tar}`` of a model of these sizes; gives the latter."""
    sizes = facts["hyperparameters"]
    options = {
        "latent_dim": sizes["latent_dim"],
        "ff_size": sizes["ff_size"],
        "n_layers": sizes["num_layers"],
        "n_heads": sizes["num_heads"],
        "dropout": sizes["dropout"],
        "cond_drop_prob": sizes["cond_drop_prob"],
        "max_motion_length": 196,
        "unit_length": 4,
    }
    (folder / "model").mkdir(parents=True)
    write_options(folder / "opt.txt", options)
    torch.save({key: dict(state), "ep": 1, "total_it": 2}, folder / "model" / "latest.tar")
    return folder / "model" / "latest.tar"


def train(
    model: torch.nn.Module, losses: list[float], loss_of: Any, groups: list[dict[str, Any]] | None = None
) -> None:
    """The official optimiser's steps; every loss has to be the recorded one."""
    optimiser = torch.optim.AdamW(groups or model.parameters(), lr=2e-4, betas=(0.9, 0.99), weight_decay=1e-5)
    for step, expected in enumerate(losses):
        loss = loss_of(step)
        assert loss.item() == pytest.approx(expected, abs=LOSS_TOLERANCE), f"step {step}"
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _with_prefix(arrays: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        re.sub("__", ".", name.removeprefix(prefix)): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
