"""Which published model a file holds, told by its entries and the names of their tensors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from torch import Tensor

from hero_core.errors import WeightsError
from hero_core.official.mdm import AVERAGED as MDM_KEYS
from hero_core.official.mld import CHECKPOINT_KEYS, DENOISER_PREFIX, VAE_PREFIX
from hero_core.official.momask import BAMM_OPTION, DECODER, ENCODER
from hero_core.official.options import read_options
from hero_core.official.tensors import ENCODERS, MASKED_KEYS, RESIDUAL_KEYS, RVQ_KEYS

Kind: TypeAlias = Literal[
    "rvq",
    "masked",
    "residual",
    "autoregressive",
    "vq",
    "gpt",
    "denoiser",
    "vae",
    "evaluator",
    "tc_clip",
    "length_estimator",
]

KINDS: Mapping[str, tuple[Kind, ...]] = {
    "hero": ("rvq", "masked", "residual", "evaluator", "tc_clip"),
    "momask": ("rvq", "masked", "residual", "evaluator", "tc_clip"),
    "bamm": ("rvq", "autoregressive", "residual", "evaluator", "tc_clip"),
    "t2mgpt": ("vq", "gpt"),
    "mdm": ("denoiser",),
    "mld": ("vae",),
}
"""What can be imported of each generator, by the part that it becomes."""

DENOISER_REFUSED = (
    "MLD's denoiser: its layers are made for the 768 numbers of a text, not for the feature of a video; "
    "it is trained anew"
)

_PUBLISHED_CODES = 512  # of the tokenizer that MoMask's published transformer and BAMM's were trained with
_CLASSES = "output_process.poseFinal.weight"
_IN_LAYOUT = ("hero", "momask", "bamm")
_TC_CLIP_PREFIX = "image_encoder."
_VQ_PREFIX, _GPT_PREFIX = "vqvae.", "trans_base."
_MDM_PREFIX = "embed_timestep."
_ESTIMATOR_KEY = "estimator"


@dataclass(frozen=True)
class Published:
    """A model that someone published.

    Attributes:
        kind: what it is, named as the part that it becomes.
        generators: those that it is a part of; none for one that nothing can be made of.
        words: what people call it; of one that nothing can be made of, also why.
    """

    kind: Kind
    generators: tuple[str, ...]
    words: str


RVQ = Published("rvq", _IN_LAYOUT, "the tokenizer of HERO, MoMask and BAMM")
EVALUATOR = Published("evaluator", _IN_LAYOUT, "the evaluator of HERO and MoMask")
TC_CLIP = Published("tc_clip", _IN_LAYOUT, "TC-CLIP")
HERO_MASKED = Published("masked", ("hero",), "HERO's masked transformer")
HERO_RESIDUAL = Published("residual", ("hero",), "HERO's residual transformer")
MOMASK_MASKED = Published("masked", ("momask",), "MoMask's masked transformer")
MOMASK_RESIDUAL = Published("residual", ("momask", "bamm"), "MoMask's residual transformer")
BAMM = Published("autoregressive", ("bamm",), "BAMM's transformer")
T2MGPT_VQ = Published("vq", ("t2mgpt",), "T2M-GPT's tokenizer")
T2MGPT_GPT = Published("gpt", ("t2mgpt",), "T2M-GPT's transformer")
MDM = Published("denoiser", ("mdm",), "MDM's denoiser")
MLD_VAE = Published("vae", ("mld",), "MLD's VAE")
MLD_DENOISER = Published("denoiser", (), DENOISER_REFUSED)
LENGTH_ESTIMATOR = Published(
    "length_estimator",
    (),
    "MoMask's length estimator: it tells lengths from texts, of which a video has none",
)


def identify(content: Mapping[str, Any], path: Path, opt_txt: Path, generator: str) -> Published | None:
    """What a file holds; None for none of the published models.

    Args:
        content: of the file.
        path: the file, for messages.
        opt_txt: where its options are, if it has any.
        generator: whose weights are looked for. It decides between MoMask's masked transformer and BAMM's where
            neither options nor sizes do.

    Raises:
        WeightsError: an entry of HERO, MoMask or BAMM that has the tensors of none of them.
        InputError: the options cannot be read.
    """
    if _begins(content if path.suffix == ".safetensors" else content.get("model"), _TC_CLIP_PREFIX):
        return TC_CLIP
    if content.keys() >= set(ENCODERS):
        return EVALUATOR
    if _ESTIMATOR_KEY in content:
        return LENGTH_ESTIMATOR
    if (tokenizer := _entry(content, RVQ_KEYS)) is not None:
        return T2MGPT_VQ if _begins(tokenizer, _VQ_PREFIX) else RVQ
    if (transformer := _entry(content, MASKED_KEYS)) is not None:
        if _begins(transformer, _GPT_PREFIX):
            return T2MGPT_GPT
        if BAMM_OPTION in (read_options(opt_txt) if opt_txt.is_file() else {}):
            return BAMM
        by_layers = {DECODER: HERO_MASKED, ENCODER: _momask_or_bamm(transformer, generator)}
        return _by_prefix(transformer, by_layers, path)
    if (transformer := _entry(content, RESIDUAL_KEYS)) is not None:
        return _by_prefix(transformer, {DECODER: HERO_RESIDUAL, ENCODER: MOMASK_RESIDUAL}, path)
    if (checkpoint := _entry(content, CHECKPOINT_KEYS)) is not None:
        by_part = {VAE_PREFIX: MLD_VAE, DENOISER_PREFIX: MLD_DENOISER}
        return next((model for prefix, model in by_part.items() if _begins(checkpoint, prefix)), None)
    state = _entry(content, MDM_KEYS) or content
    return MDM if _begins(state, _MDM_PREFIX) and _begins(state, ENCODER) else None


def _entry(content: Mapping[str, Any], keys: Iterable[str]) -> Any:
    return next((content[key] for key in keys if key in content), None)


def _begins(names: object, prefix: str) -> bool:
    return isinstance(names, Iterable) and any(str(name).startswith(prefix) for name in names)


def _by_prefix(names: object, models: Mapping[str, Published], path: Path) -> Published:
    for prefix, model in models.items():
        if _begins(names, prefix):
            return model
    raise WeightsError(
        f"{path}: a transformer with no tensor {' or '.join(f'{prefix}*' for prefix in models)}"
    )


def _momask_or_bamm(transformer: object, generator: str) -> Published:
    """BAMM's has one class more than there are codes, END."""
    head = transformer.get(_CLASSES) if isinstance(transformer, Mapping) else None
    classes = len(head) if isinstance(head, Tensor) and head.ndim else None
    if classes == _PUBLISHED_CODES or classes == _PUBLISHED_CODES + 1:
        return BAMM if classes > _PUBLISHED_CODES else MOMASK_MASKED
    return BAMM if generator == "bamm" else MOMASK_MASKED
