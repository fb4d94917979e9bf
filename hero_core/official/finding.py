"""Finding the models of an official ``checkpoints`` folder by what their files hold, whatever they are called."""

import pickle
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from safetensors import SafetensorError, safe_open

from hero_core.errors import InputError, WeightsError
from hero_core.official.evaluator import ENCODERS
from hero_core.official.masked import KEYS as MASKED_KEYS
from hero_core.official.residual import KEYS as RESIDUAL_KEYS
from hero_core.official.rvq import STATE_KEYS as RVQ_KEYS

Kind: TypeAlias = Literal["rvq", "masked", "residual", "evaluator", "tc_clip"]
Which: TypeAlias = Literal["best", "latest"]
KINDS: tuple[Kind, ...] = ("rvq", "masked", "residual", "evaluator", "tc_clip")
WEIGHTS_SUFFIXES = (".tar", ".pth", ".pt", ".safetensors")
MODEL_FOLDER = "model"
PREFERRED_STEMS: Mapping[Which, tuple[str, ...]] = {
    "best": ("net_best_fid", "finest", "latest"),
    "latest": ("latest", "net_best_fid", "finest"),
}
TC_CLIP_PREFIX = "image_encoder."
_UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, OSError, LookupError, ValueError)


@dataclass(frozen=True)
class Skipped:
    """A file that was not imported, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Candidate:
    """One model.

    Attributes:
        kind: what it is.
        path: its weights.
        epoch: how long it was trained, where the file says so.
    """

    kind: Kind
    path: Path
    epoch: int | None

    @property
    def folder(self) -> Path:
        """Where ``opt.txt`` and ``meta/`` are."""
        return self.path.parent.parent if self.path.parent.name == MODEL_FOLDER else self.path.parent

    @property
    def name(self) -> str:
        """The model's folder, or the file's stem outside the official layout ``NAME/model/FILE``."""
        return self.folder.name if self.path.parent.name == MODEL_FOLDER else self.path.stem


def find_candidates(src: Path, which: Which) -> tuple[list[Candidate], list[Skipped]]:
    """One candidate a model under ``src``, and the files that are none.

    Raises:
        InputError: ``src`` does not exist.
        WeightsError: a file of the official layout cannot be read, or a model folder holds several files of which
            none is called ``net_best_fid``, ``finest`` or ``latest``.
    """
    if not src.exists():
        raise InputError(f"{src}: no such file or folder")
    paths = (
        [src] if src.is_file() else sorted(path for path in src.rglob("*") if path.suffix in WEIGHTS_SUFFIXES)
    )
    candidates: list[Candidate] = []
    skipped: list[Skipped] = []
    for path in paths:
        try:
            found = _identify(path)
        except WeightsError as error:
            if path == src or path.parent.name == MODEL_FOLDER:
                raise
            found = Skipped(path, str(error).removeprefix(f"{path}: "))
        if isinstance(found, Candidate):
            candidates.append(found)
        else:
            skipped.append(found)
    chosen = _one_file_a_model(candidates, which)
    skipped += [
        Skipped(candidate.path, "another file of the same model was taken")
        for candidate in candidates
        if candidate not in chosen
    ]
    return chosen, skipped


def _identify(path: Path) -> Candidate | Skipped:
    if path.suffix == ".safetensors":
        names, epoch, tensor_names = {"model"}, None, _safetensors_names(path)
    else:
        content = _read_lazily(path)
        names = set(map(str, content))
        epoch = next((value for key in ("ep", "epoch") if isinstance(value := content.get(key), int)), None)
        model = content.get("model")
        tensor_names = map(str, model) if isinstance(model, Mapping) else ()
    if "model" in names and any(name.startswith(TC_CLIP_PREFIX) for name in tensor_names):
        return Candidate("tc_clip", path, epoch)
    if names.issuperset(ENCODERS):
        return Candidate("evaluator", path, epoch)
    by_key: dict[Kind, tuple[str, ...]] = {"rvq": RVQ_KEYS, "masked": MASKED_KEYS, "residual": RESIDUAL_KEYS}
    for kind, keys in by_key.items():
        if not names.isdisjoint(keys):
            return Candidate(kind, path, epoch)
    shown = ", ".join(sorted(names)[:4])
    return Skipped(path, f"none of HERO's models; it holds {shown or 'nothing'}")


def _read_lazily(path: Path) -> Mapping[object, object]:
    """The file's content, tensors still on disk."""
    if not zipfile.is_zipfile(path):
        raise WeightsError(f"{path}: not a PyTorch weights file, or damaged")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except _UNREADABLE as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{path}: cannot be read safely, or damaged: {reason}") from None
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not a model")
    return content


def _safetensors_names(path: Path) -> Iterable[str]:
    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file: {error}") from None


def _one_file_a_model(candidates: list[Candidate], which: Which) -> list[Candidate]:
    models: dict[tuple[Kind, Path], list[Candidate]] = {}
    for candidate in candidates:
        in_layout = candidate.path.parent.name == MODEL_FOLDER
        models.setdefault((candidate.kind, candidate.folder if in_layout else candidate.path), []).append(
            candidate
        )
    return [_preferred(files, which) for files in models.values()]


def _preferred(files: list[Candidate], which: Which) -> Candidate:
    by_stem = {candidate.path.stem: candidate for candidate in files}
    for stem in PREFERRED_STEMS[which]:
        if stem in by_stem:
            return by_stem[stem]
    if len(files) > 1:
        listed = ", ".join(candidate.path.name for candidate in files)
        raise WeightsError(f"{files[0].path.parent}: which of {listed}? Give the file itself as the source")
    return files[0]
