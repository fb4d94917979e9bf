"""What ``--finetune`` means for a table: whose parts start from weights of another run, and from which."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hero_core.errors import ConfigError, WeightsError
from hero_core.models.checkpoint import Origin, load_network
from trainer.eval.study.entries import Entry, addressed, refuse_strangers
from trainer.request import of_motions, part_class
from trainer.start import Start, require_start


def with_starts(entries: Sequence[Entry], named: Sequence[str]) -> list[Entry]:
    """The lines of a table, of which parts that learn from motions alone start from those of other runs.

    Args:
        entries: the lines.
        named: ``RUN``, for all generators that it has these parts of, or ``GENERATOR:RUN``, for one; of several for
            one generator the last counts.

    Raises:
        ConfigError: a generator is not in the table, or has no such part.
        WeightsError: a run starts nothing here, or has not what the generator needs that it is named for.
    """
    refuse_strangers("--finetune", named, [entry.config.generator for entry in entries])
    started = list(entries)
    for generator, path in map(addressed, named):
        if generator:
            started = [
                _started(each, path) if each.config.generator == generator else each for each in started
            ]
        else:
            started = _started_where_it_fits(started, path)
    return started


def in_words(entries: Sequence[Entry]) -> list[str]:
    """Which parts start from which checkpoint, one line for each of these."""
    labels: dict[tuple[str, Path], list[str]] = {}
    for entry in entries:
        for part, origin in entry.starts.items():
            labels.setdefault((part, origin.path), []).append(entry.label)
    return [f"{part} of {', '.join(of)} starts from {path}" for (part, path), of in labels.items()]


def _started_where_it_fits(entries: Sequence[Entry], path: str) -> list[Entry]:
    """The lines, those started that the run has all parts for."""
    started: list[Entry] = []
    reasons: list[str] = []
    for entry in entries:
        try:
            started.append(_started(entry, path))
        except (ConfigError, WeightsError) as error:  # told where the run fits none
            started.append(entry)
            reasons.append(str(error))
    if len(reasons) == len(entries):
        raise WeightsError(
            f"--finetune {path}: starts nothing in this table: {'; '.join(dict.fromkeys(reasons))}"
        )
    return started


def _started(entry: Entry, path: str) -> Entry:
    """The line, whose parts that learn from motions alone start there, and take the sizes of the model along.

    Raises:
        ConfigError: the generator has no such part.
        WeightsError: the run lacks one, or has one of another kind.
    """
    config = entry.config
    names = [name for name in config.names if of_motions(name, config)]
    if not names:
        raise ConfigError(f"{config.generator} has no part that learns from motions alone")
    starts: dict[str, Origin] = {}
    for name in names:
        network, origin = load_network(
            require_start(Path(path), name, config.generator), part_class(config, name)
        )
        config = config.with_model(name, Start(network, {}).sized(config.section(name).model))
        starts[name] = origin
    return replace(entry, config=config, starts=starts)
