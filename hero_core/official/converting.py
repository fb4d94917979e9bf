"""The chosen official models as ours: each with what stands beside it, and checked against its tokenizer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from hero_core.errors import InputError, WeightsError
from hero_core.models.clip_weights import load_tc_clip
from hero_core.models.codec import MotionCodec
from hero_core.models.evaluator import MotionEvaluator
from hero_core.models.masked import MaskedTransformer
from hero_core.models.residual import ResidualTransformer
from hero_core.models.tc_clip import TcClip
from hero_core.official.choosing import OPTIONS_FILE, tokenizer_folder
from hero_core.official.evaluator import import_evaluator
from hero_core.official.finding import Candidate, Kind, Which, find_candidates
from hero_core.official.masked import import_masked
from hero_core.official.opt_txt import read_opt_txt
from hero_core.official.residual import import_residual
from hero_core.official.rvq import import_rvq
from hero_core.runs import CODEC_KEY, codec_fingerprint

META_FOLDER = "meta"
EVALUATOR_OPTION = (
    "dim_movement_enc_hidden"  # tells the evaluator's opt.txt, which is kept in a folder of its own
)

Model: TypeAlias = MotionCodec | MaskedTransformer | ResidualTransformer | MotionEvaluator | TcClip


@dataclass(frozen=True)
class Converted:
    """A model of ours, where it came from, what to tell people, and what to store with it."""

    source: Candidate
    model: Model
    notes: tuple[str, ...]
    metadata: Mapping[str, str]


def convert_all(chosen: Mapping[Kind, Candidate], which: Which, any_tokenizer: bool) -> list[Converted]:
    """Convert every chosen model, strictly.

    Args:
        chosen: by kind.
        which: the file to read of a tokenizer that is not among them.
        any_tokenizer: accept a chosen tokenizer that is not the one the transformers name.

    Raises:
        InputError: a file beside the weights is missing.
        WeightsError: weights do not fit, or a transformer belongs to another tokenizer.
    """
    converted: list[Converted] = []
    codec: MotionCodec | None = None
    if rvq := chosen.get("rvq"):
        codec = _read_codec(rvq)
        converted.append(Converted(rvq, codec, ("moving averages start even: official files lack them",), {}))
    for kind in ("masked", "residual"):
        if transformer := chosen.get(kind):
            if rvq is not None and not any_tokenizer:
                _require_own_tokenizer(transformer, rvq)
            converted.append(_convert_transformer(transformer, codec or _find_codec(transformer, which)))
    if evaluator := chosen.get("evaluator"):
        converted.append(_convert_evaluator(evaluator, rvq))
    if tc_clip := chosen.get("tc_clip"):
        converted.append(Converted(tc_clip, load_tc_clip(tc_clip.path), (), {}))
    return converted


def _read_codec(rvq: Candidate) -> MotionCodec:
    return import_rvq(rvq.path, rvq.folder / OPTIONS_FILE, rvq.folder / META_FOLDER)


def _require_own_tokenizer(transformer: Candidate, rvq: Candidate) -> None:
    wanted = tokenizer_folder(transformer)
    if rvq.folder.resolve() != wanted:
        raise WeightsError(
            f"{transformer.path}: was trained with the tokenizer {wanted.name}, but {rvq.name} was found; "
            f"choose rvq={rvq.name} by name to take it all the same"
        )


def _find_codec(transformer: Candidate, which: Which) -> MotionCodec | None:
    """The tokenizer of a transformer that is imported without it."""
    folder = tokenizer_folder(transformer)
    if not folder.is_dir():
        return None
    found = [candidate for candidate in find_candidates(folder, which)[0] if candidate.kind == "rvq"]
    return _read_codec(found[0]) if len(found) == 1 else None


def _convert_transformer(source: Candidate, codec: MotionCodec | None) -> Converted:
    opt_txt = source.folder / OPTIONS_FILE
    model: MaskedTransformer | ResidualTransformer
    notes = ["guidance_keeps_frames=true: guidance drops the condition token only"]
    if source.kind == "masked":
        model = import_masked(source.path, opt_txt)
        notes.append("mask_over_padded=true: training counts masked tokens over the padded length")
    else:
        model = import_residual(source.path, opt_txt)
        notes.append("allow_pad_class=true: the padding class may be drawn inside a motion")
        if not model.config.share_weights:
            notes.append(
                "the official doubling of the output projection is in the weights; an unused bias row is not"
            )
    if codec is None:
        notes.append("its tokenizer was not found: import that too before generating")
        return Converted(source, model, tuple(notes), {})
    _check_sizes(model, codec, source.path)
    return Converted(source, model, tuple(notes), {CODEC_KEY: codec_fingerprint(codec)})


def _check_sizes(model: MaskedTransformer | ResidualTransformer, codec: MotionCodec, path: Path) -> None:
    names = ["codebook_size", "code_dim"]
    names += ["quantizers"] if isinstance(model, ResidualTransformer) else []
    differing = [
        f"{name} {mine}, not {theirs}"
        for name in names
        if (mine := getattr(model.config, name)) != (theirs := getattr(codec.config, name))
    ]
    if differing:
        raise WeightsError(f"{path}: does not fit its tokenizer: {', '.join(differing)}")


def _convert_evaluator(source: Candidate, rvq: Candidate | None) -> Converted:
    """Take the statistics that normalise motions before the official evaluation of generators: the tokenizer's."""
    opt_txt = _evaluator_options(source)
    folders = [folder / META_FOLDER for folder in (rvq and rvq.folder, opt_txt and opt_txt.parent) if folder]
    meta = next((folder for folder in folders if (folder / "mean.npy").is_file()), None)
    if meta is None:
        raise InputError(
            f"{source.path}: no {META_FOLDER}/mean.npy and std.npy beside the evaluator or its tokenizer; "
            "import the data set folder that holds both"
        )
    model = import_evaluator(source.path, opt_txt, meta / "mean.npy", meta / "std.npy")
    return Converted(source, model, (f"statistics of {meta}",), {})


def _evaluator_options(source: Candidate) -> Path | None:
    own = source.folder / OPTIONS_FILE
    for path in [own, *sorted(source.folder.parent.glob(f"*/{OPTIONS_FILE}"))]:
        if path.is_file() and EVALUATOR_OPTION in read_opt_txt(path):
            return path
    return None
