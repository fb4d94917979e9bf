"""T2M-GPT, MDM and MLD: files without a layout. What the files do not hold is found beside them, or named."""

from collections.abc import Mapping
from pathlib import Path

from hero_core.choices import PUBLISHED
from hero_core.errors import InputError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.models.checkpoint import load_network
from hero_core.models.generators.t2mgpt import VqTokenizer
from hero_core.models.weights import load_weights_file
from hero_core.motion.statistics import STATISTICS_FILES, MotionStatistics
from hero_core.official.find import Candidate, Skipped
from hero_core.official.identify import DENOISER_REFUSED, Kind
from hero_core.official.imported import TRAINED_ON_TEXTS, Imported, require_sizes
from hero_core.official.mdm import ARGUMENTS_FILE, convert_mdm_denoiser
from hero_core.official.mld import CHECKPOINT_KEYS, DENOISER_PREFIX, convert_mld_vae
from hero_core.official.t2mgpt import convert_t2mgpt_gpt, convert_t2mgpt_vq
from hero_core.runs import ENCODED_BY_KEY, checkpoint_path

_PAIRS = (("mean.npy", "std.npy"), STATISTICS_FILES)
_HUMANML3D = "the Mean.npy and Std.npy that HumanML3D ships"
_WANTED: Mapping[str, str] = {
    "t2mgpt": "the mean.npy and std.npy of its evaluator, VQVAEV3_CB1024_CMT_H1024_NRES3/meta",
    "mdm": _HUMANML3D,
    "mld": _HUMANML3D,
}
"""By generator, what its published weights normalise motions by."""


def convert_alone(
    generator: str, chosen: Mapping[Kind, Candidate], meta: Path | None, run: Path
) -> tuple[list[Imported], list[Skipped]]:
    """All chosen models, converted, and what was left out of their files.

    Args:
        generator: whose they are.
        chosen: by kind.
        meta: folder with the mean and the deviation that they normalise motions by; else they lie beside the weights.
        run: where they are to go.

    Raises:
        WeightsError: a file is damaged, its tensors are not exactly those of the model, or models do not belong
            together.
        InputError: the statistics or the arguments are missing.
        ConfigError: stored settings have impossible values.
    """
    if generator == "t2mgpt":
        return _t2mgpt(chosen, meta, run), []
    if generator == "mdm":
        return [_mdm(chosen["denoiser"], meta)], []
    vae = chosen["vae"]
    return [_mld(vae, meta)], _left_out_of(vae.path)


def find_statistics(generator: str, weights: Path, meta: Path | None) -> tuple[MotionStatistics, str]:
    """What a model normalises motions by, and a note of where it was found.

    Raises:
        InputError: nowhere; says which files they are.
    """
    folders = [meta] if meta is not None else [weights.parent, weights.parent / "meta"]
    for folder in folders:
        for mean, std in _PAIRS:
            if (folder / mean).is_file() and (folder / std).is_file():
                return MotionStatistics.read(folder / mean, folder / std), f"statistics of {folder}"
    raise InputError(
        f"{weights}: no mean.npy and std.npy (or Mean.npy and Std.npy) in {' or '.join(map(str, folders))}. "
        f"{PUBLISHED[generator]} normalises motions by {_WANTED[generator]}: name their folder with --meta FOLDER"
    )


def _t2mgpt(chosen: Mapping[Kind, Candidate], meta: Path | None, run: Path) -> list[Imported]:
    imported: list[Imported] = []
    tokenizer: VqTokenizer | None = None
    if vq := chosen.get("vq"):
        statistics, origin = find_statistics("t2mgpt", vq.path, meta)
        tokenizer = convert_t2mgpt_vq(vq.path, statistics)
        averages = "the codebook's moving averages start even: official files lack them"
        imported.append(Imported(vq, tokenizer, (origin, averages)))
    elif (path := checkpoint_path(run, "vq")).is_file():
        tokenizer = load_network(path, VqTokenizer)[0]
    if gpt := chosen.get("gpt"):
        imported.append(_gpt(gpt, tokenizer))
    return imported


def _gpt(source: Candidate, tokenizer: VqTokenizer | None) -> Imported:
    model = convert_t2mgpt_gpt(source.path)
    if tokenizer is None:
        missing = "its tokenizer was not found: import that too before generating"
        return Imported(source, model, (TRAINED_ON_TEXTS, missing))
    require_sizes(model, tokenizer, ["codebook_size"], source.path)
    taken = "its file does not say which tokenizer it was trained with: the one of this run is taken for it"
    encoded_by = sha256_of_tensors(tokenizer.state_dict())
    return Imported(source, model, (TRAINED_ON_TEXTS, taken), {ENCODED_BY_KEY: encoded_by})


def _mdm(source: Candidate, meta: Path | None) -> Imported:
    statistics, origin = find_statistics("mdm", source.path, meta)
    model = convert_mdm_denoiser(source.path, source.path.with_name(ARGUMENTS_FILE), statistics)
    return Imported(source, model, (TRAINED_ON_TEXTS, origin))


def _mld(source: Candidate, meta: Path | None) -> Imported:
    statistics, origin = find_statistics("mld", source.path, meta)
    return Imported(source, convert_mld_vae(source.path, statistics), (origin,))


def _left_out_of(checkpoint: Path) -> list[Skipped]:
    content = load_weights_file(checkpoint, lazy=True)
    names = [name for key in CHECKPOINT_KEYS for name in content.get(key, ())]
    refused = any(name.startswith(DENOISER_PREFIX) for name in names)
    return [Skipped(checkpoint, DENOISER_REFUSED)] if refused else []
