"""Which of the models found belong together: one of a kind, with the tokenizer that the transformers name."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hero_core.errors import InputError, WeightsError
from hero_core.official.finding import KINDS, Candidate, Kind
from hero_core.official.opt_txt import read_opt_txt, require_option

OPTIONS_FILE = "opt.txt"
TRANSFORMERS: tuple[Kind, ...] = ("masked", "residual")
_OTHERS_FIRST = sorted(KINDS, key=lambda kind: kind == "rvq")


def choose(candidates: Sequence[Candidate], names: Mapping[str, str]) -> dict[Kind, Candidate]:
    """One model of every kind that was found. Of several tokenizers, the one that the chosen transformers name.

    Args:
        candidates: what was found.
        names: by kind, the name of the model to take where several were found.

    Raises:
        InputError: ``names`` has an unknown kind, or a name that was not found.
        WeightsError: several models of a kind and no name; lists them.
    """
    unknown = sorted(names.keys() - set(KINDS))
    if unknown:
        raise InputError(f"no kind of model is called {', '.join(unknown)}; the kinds are {', '.join(KINDS)}")
    chosen: dict[Kind, Candidate] = {}
    for kind in _OTHERS_FIRST:
        found = [candidate for candidate in candidates if candidate.kind == kind]
        if kind in names:
            found = _named(found, kind, names[kind])
        elif kind == "rvq" and len(found) > 1:
            wanted = {tokenizer_folder(chosen[user]) for user in TRANSFORMERS if user in chosen}
            found = [candidate for candidate in found if candidate.folder.resolve() in wanted] or found
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
    options_path = transformer.folder / OPTIONS_FILE
    name = require_option(read_opt_txt(options_path), "vq_name", options_path)
    return (transformer.folder.parent / str(name)).resolve()


def _named(found: Sequence[Candidate], kind: Kind, name: str) -> list[Candidate]:
    named = [candidate for candidate in found if name in (candidate.name, str(candidate.path))]
    if not named:
        listed = ", ".join(candidate.name for candidate in found) or "none"
        raise InputError(f"no {kind} model is called {name!r}; found {listed}")
    return named
