"""Finding the models of an official ``checkpoints`` folder by what their files hold, and choosing among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hero_core.choices import PUBLISHED, PublishedWhich
from hero_core.errors import InputError, WeightsError
from hero_core.models.weights import load_weights_file
from hero_core.official.identify import KINDS, Kind, Published, identify
from hero_core.official.options import OPTIONS_FILE, read_options, require_option

TRANSFORMERS: tuple[Kind, ...] = ("masked", "autoregressive", "residual")
PICKLED_SUFFIXES = (".tar", ".pth", ".pt", ".ckpt")
WEIGHTS_SUFFIXES = (*PICKLED_SUFFIXES, ".safetensors")
MODEL_FOLDER = "model"
PREFERRED_STEMS: Mapping[PublishedWhich, tuple[str, ...]] = {
    "best": ("net_best_fid", "finest", "latest", "net_last"),
    "latest": ("latest", "net_last", "net_best_fid", "finest"),
}
_SHARED: tuple[Kind, ...] = ("rvq", "evaluator", "tc_clip")  # which do not tell whose folder it is


@dataclass(frozen=True)
class Skipped:
    """A file that was not imported, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Candidate:
    """One model.

    Attributes:
        model: what it is.
        path: its weights.
        epoch: how long it was trained, where the file says so.
    """

    model: Published
    path: Path
    epoch: int | None

    @property
    def kind(self) -> Kind:
        """The part that it becomes."""
        return self.model.kind

    @property
    def in_layout(self) -> bool:
        """Whether it lies in the official layout, ``NAME/model/FILE``."""
        return self.path.parent.name == MODEL_FOLDER

    @property
    def folder(self) -> Path:
        """Where ``opt.txt`` and ``meta/`` are."""
        return self.path.parent.parent if self.in_layout else self.path.parent

    @property
    def options_path(self) -> Path:
        """Where its options are."""
        return self.folder / OPTIONS_FILE

    @property
    def name(self) -> str:
        """The model's folder, or the file's stem outside the official layout."""
        return self.folder.name if self.in_layout else self.path.stem


def in_official_layout(path: Path) -> bool:
    """Whether ``path`` looks like official weights: such a file, or a folder of one or more models. Opens nothing."""
    if path.is_file():
        return path.suffix in PICKLED_SUFFIXES
    levels = ("*", *(f"{above}{MODEL_FOLDER}/*" for above in ("", "*/", "*/*/")))
    return any(
        file.suffix in PICKLED_SUFFIXES and file.parent.name == MODEL_FOLDER
        for level in levels
        for file in path.glob(level)
    )


def find_candidates(
    src: Path, which: PublishedWhich, generator: str = "hero"
) -> tuple[list[Candidate], list[Skipped]]:
    """One candidate for every model under ``src``, whosever it is, and the files that are none.

    Args:
        src: a folder, or one file.
        which: of a model's files, which to prefer.
        generator: whose models are looked for, see :func:`~hero_core.official.identify.identify`.

    Raises:
        InputError: ``src`` does not exist.
        WeightsError: a file of the official layout cannot be read, or a model folder holds several files of which
            none is called ``net_best_fid``, ``finest`` or ``latest``.
    """
    if not src.exists():
        raise InputError(f"{src}: no such file or folder")
    paths = [src] if src.is_file() else sorted(p for p in src.rglob("*") if p.suffix in WEIGHTS_SUFFIXES)
    models: dict[tuple[Kind, Path], list[Candidate]] = {}
    skipped: list[Skipped] = []
    for path in paths:
        try:
            found = _identify(path, generator)
        except WeightsError as error:
            if path == src or path.parent.name == MODEL_FOLDER:
                raise
            found = Skipped(path, str(error).removeprefix(f"{path}: "))
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            together = found.in_layout or found.model.generators == ("t2mgpt",)
            models.setdefault((found.kind, found.folder if together else path), []).append(found)
    chosen = [_preferred(files, which) for files in models.values()]
    others = [file for files in models.values() for file in files if file not in chosen]
    return chosen, skipped + [
        Skipped(file.path, "another file of the same model was taken") for file in others
    ]


def of_generator(candidates: Sequence[Candidate], generator: str) -> tuple[list[Candidate], list[Skipped]]:
    """The models of a generator, and those of others, which are passed over if its own are there too.

    Raises:
        WeightsError: there are only those of others; names the generator that takes them.
    """
    own = [candidate for candidate in candidates if generator in candidate.model.generators]
    others = [candidate for candidate in candidates if candidate not in own]
    told = any(candidate.kind not in _SHARED for candidate in own)
    for other in others:
        if not told and other.kind not in _SHARED:
            raise WeightsError(f"{other.path}: {_not_of(other, generator)}")
    return own, [Skipped(other.path, _not_of(other, generator)) for other in others]


def _not_of(other: Candidate, generator: str) -> str:
    takers = " or ".join(f"--generator {taker}" for taker in other.model.generators)
    return f"{other.model.words}, not of {PUBLISHED[generator]}; it is imported with {takers}"


def choose(
    candidates: Sequence[Candidate], names: Mapping[str, str], generator: str = "hero"
) -> dict[Kind, Candidate]:
    """One model of every kind that was found. Of several tokenizers, the one that the chosen transformers name.

    Args:
        candidates: what was found, all of them models of the generator.
        names: by kind, the name of the model to take where several were found.
        generator: whose they are.

    Raises:
        InputError: ``names`` has an unknown kind, or a name that was not found.
        WeightsError: several models of a kind and no name; lists them.
    """
    kinds = KINDS[generator]
    if unknown := sorted(names.keys() - set(kinds)):
        raise InputError(f"no kind of model is called {', '.join(unknown)}; the kinds are {', '.join(kinds)}")
    chosen: dict[Kind, Candidate] = {}
    for kind in sorted(kinds, key=lambda kind: kind == "rvq"):  # the tokenizer last
        found = [candidate for candidate in candidates if candidate.kind == kind]
        if kind in names:
            found = _named(found, kind, names[kind])
        elif kind == "rvq" and len(found) > 1:
            users = [chosen[user] for user in TRANSFORMERS if user in chosen]
            found = [each for each in found if any(is_tokenizer_of(user, each) for user in users)] or found
        if len(found) > 1:
            listed = ", ".join(f"{candidate.name} ({candidate.path})" for candidate in found)
            raise WeightsError(
                f"several {kind} models: {listed}. Choose one by name, e.g. {kind}={found[0].name}"
            )
        if found:
            chosen[kind] = found[0]
    return chosen


def tokenizer_folder(transformer: Candidate) -> Path:
    """Where the official layout keeps the tokenizer that a transformer was trained with.

    Raises:
        InputError: the transformer's ``opt.txt`` is missing, or does not name it.
    """
    path = transformer.options_path
    return (transformer.folder.parent / str(require_option(read_options(path), "vq_name", path))).resolve()


def is_tokenizer_of(transformer: Candidate, tokenizer: Candidate) -> bool:
    """Whether a transformer was trained with this tokenizer, by what its ``opt.txt`` says.

    BAMM keeps the two in different trees, so that there, where none lies beside, the name has to be enough.
    """
    wanted = tokenizer_folder(transformer)
    if "bamm" in transformer.model.generators and not wanted.is_dir():
        return tokenizer.folder.name == wanted.name
    return tokenizer.folder.resolve() == wanted


def _identify(path: Path, generator: str) -> Candidate | Skipped:
    content = load_weights_file(path, lazy=True)
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not a model")
    epoch = next((value for key in ("ep", "epoch") if isinstance(value := content.get(key), int)), None)
    folder = path.parent.parent if path.parent.name == MODEL_FOLDER else path.parent
    model = identify(content, path, folder / OPTIONS_FILE, generator)
    if model is None:
        shown = ", ".join(sorted(map(str, content))[:4])
        return Skipped(path, f"none of {PUBLISHED[generator]}'s models; it holds {shown or 'nothing'}")
    return Candidate(model, path, epoch) if model.generators else Skipped(path, model.words)


def _preferred(files: Sequence[Candidate], which: PublishedWhich) -> Candidate:
    by_stem = {candidate.path.stem: candidate for candidate in files}
    for stem in PREFERRED_STEMS[which]:
        if stem in by_stem:
            return by_stem[stem]
    if len(files) > 1:
        listed = ", ".join(candidate.path.name for candidate in files)
        raise WeightsError(f"{files[0].path.parent}: which of {listed}? Give the file itself as the source")
    return files[0]


def _named(found: Sequence[Candidate], kind: Kind, name: str) -> list[Candidate]:
    named = [candidate for candidate in found if name in (candidate.name, str(candidate.path))]
    if not named:
        listed = ", ".join(candidate.name for candidate in found) or "none"
        raise InputError(f"no {kind} model is called {name!r}; found {listed}")
    return named
