"""Official checkpoints to a run folder of ours: find, choose, convert strictly, write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from hero_core.checkpoints import library_versions
from hero_core.errors import InputError
from hero_core.files import atomic_path, read_json, sha256_of_file, write_json
from hero_core.models.tc_clip import TcClip
from hero_core.official.choosing import choose
from hero_core.official.converting import Converted, convert_all
from hero_core.official.finding import Candidate, Kind, Skipped, Which, find_candidates

SCHEMA = "official-import/1"
PROVENANCE_FILE = "run.json"


@dataclass(frozen=True)
class Imported:
    """One converted model.

    Attributes:
        kind: what it is.
        source: the official weights.
        destination: our checkpoint folder; of the video encoder, its weights file.
        notes: official behaviour that travels along as settings, and what was decided on the way.
    """

    kind: Kind
    source: Path
    destination: Path
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ImportReport:
    """What was imported and what was not."""

    imported: tuple[Imported, ...]
    skipped: tuple[Skipped, ...]

    def lines(self) -> list[str]:
        """For people."""
        lines: list[str] = []
        for model in self.imported:
            lines.append(f"{model.kind}: {model.source} -> {model.destination}")
            lines += [f"  {note}" for note in model.notes]
        return lines + [f"skipped {file.path}: {file.reason}" for file in self.skipped]


def import_official(
    src: Path, dst: Path, names: Mapping[str, str] | None = None, which: Which = "best"
) -> ImportReport:
    """Convert official checkpoints to a run folder of ours.

    Models are found by what their files hold. Nothing is written unless everything could be converted.

    Args:
        src: the official ``checkpoints`` folder, one of its data set folders, one model's folder, or one file.
        dst: gets ``{rvq,masked,residual,evaluator}/best``, ``tc_clip/model.safetensors`` and ``run.json``, which
            says where everything came from.
        names: which model to take where several of a kind are found, e.g. ``{"residual": "rtrans_name"}``.
        which: of a model's files, prefer ``net_best_fid.tar`` ("best") or ``latest.tar`` ("latest").

    Raises:
        InputError: ``src`` holds none of the models, a file beside the weights is missing, a name was not found,
            or ``dst`` holds such a model already.
        WeightsError: several models of a kind and no name, a file is damaged, its tensors are not exactly those
            of the model, or models do not belong together.
        ConfigError: stored options have impossible values.
    """
    names = names or {}
    candidates, skipped = find_candidates(src, which)
    chosen = choose(candidates, names)
    if not chosen:
        reasons = "; ".join(f"{file.path.name}: {file.reason}" for file in skipped)
        raise InputError(f"{src}: none of HERO's models found{f' ({reasons})' if reasons else ''}")
    _refuse_to_overwrite(dst, chosen)
    skipped += [
        Skipped(candidate.path, f"another {candidate.kind} model was chosen, {chosen[candidate.kind].name}")
        for candidate in candidates
        if candidate not in chosen.values()
    ]
    converted = convert_all(chosen, which, any_tokenizer="rvq" in names)
    hashes = {model.source.kind: sha256_of_file(model.source.path) for model in converted}
    imported = tuple(_write(model, hashes[model.source.kind], dst) for model in converted)
    _write_provenance(src, dst, converted, hashes, skipped)
    return ImportReport(imported, tuple(skipped))


def _destination(kind: Kind, dst: Path) -> Path:
    return dst / "tc_clip" / "model.safetensors" if kind == "tc_clip" else dst / kind / "best"


def _refuse_to_overwrite(dst: Path, chosen: Mapping[Kind, Candidate]) -> None:
    for kind in chosen:
        if _destination(kind, dst).exists():
            raise InputError(f"{_destination(kind, dst)}: exists already; import into another folder")


def _write(converted: Converted, sha256: str, dst: Path) -> Imported:
    source, model = converted.source, converted.model
    destination = _destination(source.kind, dst)
    if isinstance(model, TcClip):
        with atomic_path(destination) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, temporary)
    else:
        origin = {"imported_from": str(source.path), "source_sha256": sha256, "epoch": source.epoch}
        model.save(destination, {**origin, **converted.metadata})
    return Imported(source.kind, source.path, destination, converted.notes)


def _write_provenance(
    src: Path,
    dst: Path,
    converted: Sequence[Converted],
    hashes: Mapping[Kind, str],
    skipped: Sequence[Skipped],
) -> None:
    path = dst / PROVENANCE_FILE
    earlier = read_json(path).get("models", {}) if path.exists() else {}
    models = {
        model.source.kind: {
            "name": model.source.name,
            "file": str(model.source.path),
            "sha256": hashes[model.source.kind],
            "epoch": model.source.epoch,
            "notes": list(model.notes),
        }
        for model in converted
    }
    write_json(
        path,
        {
            "schema": SCHEMA,
            "source": str(src),
            "models": {**earlier, **models},
            "skipped": [{"file": str(file.path), "reason": file.reason} for file in skipped],
            "versions": library_versions(),
        },
    )
