"""Models in HERO's layout, ``NAME/{opt.txt,model/FILE,meta/}``, which MoMask and BAMM keep too."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from hero_core.choices import PublishedWhich
from hero_core.errors import InputError, WeightsError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.models.checkpoint import load_network
from hero_core.models.tc_clip.weights import load_tc_clip
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.bamm import convert_bamm
from hero_core.official.convert import convert_evaluator, convert_masked, convert_residual, convert_rvq
from hero_core.official.find import (
    TRANSFORMERS,
    Candidate,
    find_candidates,
    is_tokenizer_of,
    tokenizer_folder,
)
from hero_core.official.identify import Kind
from hero_core.official.imported import TRAINED_ON_TEXTS, Imported, require_sizes
from hero_core.official.momask import convert_momask_masked, convert_momask_residual
from hero_core.official.options import OPTIONS_FILE, read_options
from hero_core.runs import ENCODED_BY_KEY, checkpoint_path

META_FOLDER = "meta"
_EVALUATOR_OPTION = "dim_movement_enc_hidden"  # only an evaluator's opt.txt has it, in a folder of its own

Convert: TypeAlias = Callable[[Path, Path], Any]

CONVERTERS: Mapping[str, Mapping[Kind, Convert]] = {
    "hero": {"masked": convert_masked, "residual": convert_residual},
    "momask": {"masked": convert_momask_masked, "residual": convert_momask_residual},
    "bamm": {"autoregressive": convert_bamm, "residual": convert_momask_residual},
}
"""By generator and part, what makes a transformer of its weights and its ``opt.txt``."""

_NOT_MOMASKS = "one class more than there are codes means END: perhaps BAMM's, which --generator bamm imports"
_NOT_BAMMS = "there is no class for END: perhaps MoMask's, which --generator momask imports"


def convert_layout(
    generator: str, chosen: Mapping[Kind, Candidate], which: PublishedWhich, any_tokenizer: bool, run: Path
) -> list[Imported]:
    """All chosen models, converted.

    Args:
        generator: whose they are.
        chosen: by kind.
        which: of a tokenizer's files, should a transformer have to look for its own.
        any_tokenizer: also take one that the transformers do not name.
        run: where they are to go.

    Raises:
        WeightsError: a file is damaged, its tensors are not exactly those of the model, or models do not belong
            together.
        InputError: a file beside the weights is missing.
        ConfigError: stored options have impossible values.
    """
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
            own = tokenizer or _find_tokenizer(transformer, which)
            if own is None and generator == "bamm":  # MoMask's, which was perhaps imported before
                own = _tokenizer_of(run)
            imported.append(_transformer(generator, transformer, own))
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
    if not is_tokenizer_of(transformer, rvq):
        raise WeightsError(
            f"{transformer.path}: was trained with the tokenizer {tokenizer_folder(transformer).name}, but {rvq.name} "
            f"was found; choose rvq={rvq.name} by name to take it all the same"
        )


def _find_tokenizer(transformer: Candidate, which: PublishedWhich) -> RvqTokenizer | None:
    """The tokenizer of a transformer that is imported without it."""
    folder = tokenizer_folder(transformer)
    if not folder.is_dir():
        return None
    found = [candidate for candidate in find_candidates(folder, which)[0] if candidate.kind == "rvq"]
    return _tokenizer(found[0]) if len(found) == 1 else None


def _tokenizer_of(run: Path) -> RvqTokenizer | None:
    path = checkpoint_path(run, "rvq")
    return load_network(path, RvqTokenizer)[0] if path.is_file() else None


def _transformer(generator: str, source: Candidate, tokenizer: RvqTokenizer | None) -> Imported:
    model = CONVERTERS[generator][source.kind](source.path, source.options_path)
    notes = _notes(generator, source.kind, model.config)
    if tokenizer is None:
        return Imported(
            source, model, (*notes, "its tokenizer was not found: import that too before generating")
        )
    _check_sizes(source, model, tokenizer)
    encoded_by = sha256_of_tensors(tokenizer.state_dict())
    return Imported(source, model, notes, {ENCODED_BY_KEY: encoded_by})


def _notes(generator: str, kind: Kind, config: Any) -> tuple[str, ...]:
    notes = []
    if generator == "hero":
        notes.append("guidance_keeps_frames=true: guidance drops the condition token only")
    else:
        notes.append(TRAINED_ON_TEXTS)
    if kind == "masked":
        notes.append("mask_over_padded=true: training counts masked tokens over the padded length")
    if kind == "residual":
        notes.append("allow_pad_class=true: the padding class may be drawn inside a motion")
        if not config.share_weights:
            notes.append(
                "the official doubling of the output projection is in the weights; an unused bias row is not"
            )
    return tuple(notes)


def _check_sizes(source: Candidate, model: Any, tokenizer: RvqTokenizer) -> None:
    """Where neither names nor options tell MoMask's transformer from BAMM's, the tokenizer's codebook does."""
    # BAMM's code_dim is of an embedding of its own
    names = ["codebook_size"] if source.kind == "autoregressive" else ["codebook_size", "code_dim"]
    names += ["quantizers"] if source.kind == "residual" else []
    more, hint = model.config.codebook_size - tokenizer.config.codebook_size, None
    if source.model.generators == ("momask",) and more == 1:
        hint = _NOT_MOMASKS
    if source.kind == "autoregressive" and more == -1:
        hint = _NOT_BAMMS
    require_sizes(model, tokenizer, names, source.path, hint)


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
