"""Where the weights come from that are evaluated, and whether they may be evaluated on this data."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hero_core.checkpoints import DESCRIPTION_FILE, TENSORS_FILE, library_versions
from hero_core.errors import FingerprintError, WeightsError
from hero_core.files import read_json, sha256_of_file
from hero_core.runs import Which
from trainer.data import DATA_KEY
from trainer.eval.held_out import HeldOutData


@dataclass(frozen=True)
class Provenance:
    """What was evaluated, for the record.

    Attributes:
        run: the run folder, and its parts' weights.
        evaluator: the weights that the embeddings come from.
        device: where everything was computed.
        versions: of what decides the numbers.
        remarks: what a reader of the numbers must know.
    """

    run: Mapping[str, Any]
    evaluator: Mapping[str, Any]
    device: str
    versions: Mapping[str, str]
    remarks: tuple[str, ...]


def check_provenance(
    run: Path, which: Which, evaluator: Path, data: HeldOutData, device: torch.device
) -> Provenance:
    """Describe the weights, and compare what they were trained on with ``data``.

    Args:
        run: the run folder.
        which: the transformers' checkpoint.
        evaluator: the evaluator's checkpoint folder.
        data: what they are to be evaluated on.
        device: where.

    Raises:
        WeightsError: a checkpoint is missing.
        FingerprintError: the generator was trained on other data, perhaps on these very clips.
    """
    folders = {
        "rvq": run / "rvq" / "best",
        "masked": run / "masked" / which,
        "residual": run / "residual" / which,
    }
    parts = {name: _weights(folder) for name, folder in folders.items()}
    embedding = _weights(evaluator)
    remarks = []
    for name, part in parts.items():
        if part[DATA_KEY] is None:
            remarks.append(f"{name}: imported weights, which do not say what data they were trained on")
        elif part[DATA_KEY] != data.fingerprint:
            raise FingerprintError(
                f"{folders[name]}: trained on data {part[DATA_KEY]}, but {data.folder} is {data.fingerprint}; "
                "evaluate with the data folder of the training, or train on this one"
            )
    if embedding[DATA_KEY] is not None:
        remarks.append(
            "the evaluator was trained by hero-train: compare only with numbers of the same evaluator"
        )
        if embedding[DATA_KEY] != data.fingerprint:
            remarks.append(f"the evaluator was trained on other data ({embedding[DATA_KEY]})")
    remarks += _selection_remarks(run)
    return Provenance(
        run={"folder": str(run), "checkpoint": which, **parts},
        evaluator={"folder": str(evaluator), **embedding},
        device=_device_name(device),
        versions=library_versions() | {"python": platform.python_version()},
        remarks=tuple(remarks),
    )


def _weights(folder: Path) -> dict[str, Any]:
    if not (folder / DESCRIPTION_FILE).is_file() or not (folder / TENSORS_FILE).is_file():
        raise WeightsError(
            f"{folder}: no checkpoint here; train it with hero-train, or bring weights with hero-train import-official"
        )
    metadata = read_json(folder / DESCRIPTION_FILE).get("metadata", {})
    kept = ("seed", "step", "epoch", "best", "imported_from", "source_sha256")
    return {
        "sha256": sha256_of_file(folder / TENSORS_FILE),
        DATA_KEY: metadata.get(DATA_KEY),
        **{name: metadata[name] for name in kept if name in metadata},
    }


def _selection_remarks(run: Path) -> list[str]:
    """Checkpoints that were chosen on the test split make test numbers too good."""
    chosen_on_test = [
        name
        for name in ("rvq", "masked", "residual")
        if (run / name / "run.json").is_file()
        and read_json(run / name / "run.json").get("selection") == "official-test"
    ]
    if not chosen_on_test:
        return []
    return [f"{', '.join(chosen_on_test)}: checkpoint chosen on the test split, as the official release does"]


def _device_name(device: torch.device) -> str:
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type
