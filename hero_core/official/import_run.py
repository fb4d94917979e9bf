"""Official checkpoints to a run folder of ours: find, choose, convert strictly, write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from hero_core.errors import InputError, WeightsError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.models.checkpoint import Snapshot, save_network
from hero_core.models.evaluator import MotionEvaluator
from hero_core.models.generators.hero import Hero, MaskedTransformer, ResidualTransformer
from hero_core.models.tc_clip.tower import TcClip
from hero_core.models.tc_clip.weights import load_tc_clip
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.convert import convert_evaluator, convert_masked, convert_residual, convert_rvq
from hero_core.official.find import (
    TRANSFORMERS,
    Candidate,
    Kind,
    Skipped,
    Which,
    choose,
    find_candidates,
    tokenizer_folder,
)
from hero_core.official.options import OPTIONS_FILE, read_options
from hero_core.runs import ENCODED_BY_KEY, RUN_FILE, checkpoint_path, describe_run, generator_of
from hero_core.storage import read_json, sha256_of_file, write_bytes

META_FOLDER = "meta"
_EVALUATOR_OPTION = "dim_movement_enc_hidden"  # only an evaluator's opt.txt has it, in a folder of its own

Model: TypeAlias = RvqTokenizer | MaskedTransformer | ResidualTransformer | MotionEvaluator | TcClip


@dataclass(frozen=True)
class Imported:
    """A model of ours, where it came from, what to tell people, and what to store with it."""

    source: Candidate
    model: Model
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def destination(self, run: Path) -> Path:
        """Where it goes."""
        return _destination(self.source.kind, run)


@dataclass(frozen=True)
class ImportReport:
    """What was imported into a run and what was not."""

    run: Path
    imported: tuple[Imported, ...]
    skipped: tuple[Skipped, ...]

    def lines(self) -> list[str]:
        """For people."""
        lines: list[str] = []
        for model in self.imported:
            lines.append(f"{model.source.kind}: {model.source.path} -> {model.destination(self.run)}")
            lines += [f"  {note}" for note in model.notes]
        return lines + [f"skipped {file.path}: {file.reason}" for file in self.skipped]


def import_official(
    src: Path, dst: Path, names: Mapping[str, str] | None = None, which: Which = "best"
) -> ImportReport:
    """Convert official checkpoints to a run folder of ours.

    Models are found by what their files hold. Nothing is written unless everything could be converted.

    Args:
        src: the official ``checkpoints`` folder, one of its data set folders, one model's folder, or one file.
        dst: gets ``{rvq,masked,residual,evaluator}/best.safetensors``, ``tc_clip/model.safetensors`` and
            ``run.json``, which says where everything came from.
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
    for kind in chosen:
        if (destination := _destination(kind, dst)).exists():
            raise InputError(f"{destination}: exists already; import into another folder")
    if generator_of(dst) not in (None, Hero.kind):
        raise InputError(f"{dst}: a run of another generator; import into another folder")
    skipped += [
        Skipped(candidate.path, f"another {candidate.kind} model was chosen, {chosen[candidate.kind].name}")
        for candidate in candidates
        if candidate not in chosen.values()
    ]
    imported = _convert(chosen, which, any_tokenizer="rvq" in names)
    _write(imported, skipped, src, dst)
    return ImportReport(dst, tuple(imported), tuple(skipped))


def _destination(kind: Kind, run: Path) -> Path:
    return run / kind / "model.safetensors" if kind == "tc_clip" else checkpoint_path(run, kind)


def _convert(chosen: Mapping[Kind, Candidate], which: Which, any_tokenizer: bool) -> list[Imported]:
    """All chosen models; with ``any_tokenizer`` also one that the transformers do not name."""
    imported: list[Imported] = []
    rvq, tokenizer = chosen.get("rvq"), None
    if rvq is not None:
        tokenizer = _tokenizer(rvq)
        notes = ("the codebooks' moving averages start even: official files lack them",)
        imported.append(Imported(rvq, tokenizer, notes))
    for kind in TRANSFORMERS:
        if transformer := chosen.get(kind):
            if rvq is not None and not any_tokenizer:
                _require_own_tokenizer(transformer, rvq)
            imported.append(_transformer(transformer, tokenizer or _find_tokenizer(transformer, which)))
    if evaluator := chosen.get("evaluator"):
        imported.append(_evaluator(evaluator, rvq))
    if tc_clip := chosen.get("tc_clip"):
        imported.append(Imported(tc_clip, load_tc_clip(tc_clip.path)))
    return imported


def _tokenizer(rvq: Candidate) -> RvqTokenizer:
    return convert_rvq(rvq.path, rvq.options_path, _statistics(rvq.folder / META_FOLDER))


def _statistics(meta: Path) -> MotionStatistics:
    return MotionStatistics.read(meta / "mean.npy", meta / "std.npy")


def _require_own_tokenizer(transformer: Candidate, rvq: Candidate) -> None:
    wanted = tokenizer_folder(transformer)
    if rvq.folder.resolve() != wanted:
        raise WeightsError(
            f"{transformer.path}: was trained with the tokenizer {wanted.name}, but {rvq.name} was found; "
            f"choose rvq={rvq.name} by name to take it all the same"
        )


def _find_tokenizer(transformer: Candidate, which: Which) -> RvqTokenizer | None:
    """The tokenizer of a transformer that is imported without it."""
    folder = tokenizer_folder(transformer)
    if not folder.is_dir():
        return None
    found = [candidate for candidate in find_candidates(folder, which)[0] if candidate.kind == "rvq"]
    return _tokenizer(found[0]) if len(found) == 1 else None


def _transformer(source: Candidate, tokenizer: RvqTokenizer | None) -> Imported:
    model: MaskedTransformer | ResidualTransformer
    notes = ["guidance_keeps_frames=true: guidance drops the condition token only"]
    if source.kind == "masked":
        model = convert_masked(source.path, source.options_path)
        notes.append("mask_over_padded=true: training counts masked tokens over the padded length")
    else:
        model = convert_residual(source.path, source.options_path)
        notes.append("allow_pad_class=true: the padding class may be drawn inside a motion")
        if not model.config.share_weights:
            notes.append(
                "the official doubling of the output projection is in the weights; an unused bias row is not"
            )
    if tokenizer is None:
        return Imported(
            source, model, (*notes, "its tokenizer was not found: import that too before generating")
        )
    _check_sizes(model, tokenizer, source.path)
    encoded_by = sha256_of_tensors(tokenizer.state_dict())
    return Imported(source, model, tuple(notes), {ENCODED_BY_KEY: encoded_by})


def _check_sizes(model: MaskedTransformer | ResidualTransformer, tokenizer: RvqTokenizer, path: Path) -> None:
    names = ["codebook_size", "code_dim"]
    names += ["quantizers"] if isinstance(model, ResidualTransformer) else []
    differing = [
        f"{name} {mine}, not {theirs}"
        for name in names
        if (mine := getattr(model.config, name)) != (theirs := getattr(tokenizer.config, name))
    ]
    if differing:
        raise WeightsError(f"{path}: does not fit its tokenizer: {', '.join(differing)}")


def _evaluator(source: Candidate, rvq: Candidate | None) -> Imported:
    """Take the statistics that normalise motions before the official evaluation of generators: the tokenizer's."""
    opt_txt = _evaluator_options(source)
    folders = [folder / META_FOLDER for folder in (rvq and rvq.folder, opt_txt and opt_txt.parent) if folder]
    meta = next((folder for folder in folders if (folder / "mean.npy").is_file()), None)
    if meta is None:
        raise InputError(
            f"{source.path}: no {META_FOLDER}/mean.npy and std.npy beside the evaluator or its tokenizer; "
            "import the data set folder that holds both"
        )
    model = convert_evaluator(source.path, opt_txt, _statistics(meta))
    return Imported(source, model, (f"statistics of {meta}",))


def _evaluator_options(source: Candidate) -> Path | None:
    for path in [source.options_path, *sorted(source.folder.parent.glob(f"*/{OPTIONS_FILE}"))]:
        if path.is_file() and _EVALUATOR_OPTION in read_options(path):
            return path
    return None


def _write(imported: Sequence[Imported], skipped: Sequence[Skipped], src: Path, dst: Path) -> None:
    earlier = read_json(dst / RUN_FILE).get("imported", {}) if (dst / RUN_FILE).is_file() else {}
    models: dict[str, object] = dict(earlier.get("models", {}))
    for one in imported:
        source, destination = one.source, one.destination(dst)
        origin = {
            "imported_from": str(source.path),
            "source_sha256": sha256_of_file(source.path),
            "epoch": source.epoch,
            **one.metadata,
        }
        if isinstance(one.model, TcClip):
            write_bytes(destination, Snapshot.of(one.model.state_dict(), origin).to_bytes())
        else:
            save_network(destination, one.model, origin)
        models[source.kind] = {"name": source.name, **origin, "notes": list(one.notes)}
    left_out = [{"file": str(file.path), "reason": file.reason} for file in skipped]
    describe_run(dst, Hero.kind, imported={"source": str(src), "models": models, "skipped": left_out})
