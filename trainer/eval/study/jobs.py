"""What is left to do of a study, as jobs."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from itertools import product, zip_longest
from pathlib import Path
from typing import Any, get_args

from hero_core.errors import ConfigError
from hero_core.minivimo.questions import is_judged
from hero_core.progress import Progress, silent
from hero_core.runs import EVALUATORS
from trainer.config import LENGTH
from trainer.eval.study.stopwatch import timed
from trainer.eval.study.study import Study, Training
from trainer.eval.study.trivial import TrivialName
from trainer.folder import PartFolder
from trainer.jobs import Job
from trainer.loop import StoppedError
from trainer.request import Request, part_class
from trainer.runs import check, encode_motions, needed_parts, needs_codes, take_part, train_part
from trainer.start import INITIAL_WEIGHTS


def check_study(study: Study) -> None:
    """Refuse what cannot be trained, before anything is.

    Raises:
        HeroError: see :func:`trainer.runs.check`.
        ConfigError: what is there of a part started from other weights than this study names.
    """
    for training in study.trainings:
        for name in training.entry.config.names:
            _require_start(name, training)
    for name in EVALUATORS:
        check(name, study.evaluator_request, [])
    for training in study.trainings[: len(study.entries)]:  # those of other seeds are the same
        names = training.entry.config.names
        for index, name in enumerate(names):
            if name not in EVALUATORS:
                check(name, training.request_for(name), names[:index])


def _require_start(name: str, training: Training) -> None:
    """Refuse to go on with a part, or to take it as trained, that started elsewhere than it would now."""
    folder = PartFolder(training.request.out, name)
    description = folder.description()
    before, now = description.get(INITIAL_WEIGHTS), training.entry.starts.get(name)
    if description and (before and before["sha256"]) != (now and now.sha256):
        started = before["path"] if before else "fresh weights"
        raise ConfigError(
            f"{folder.path}: started from {started}, but would start from {now.path if now else 'fresh weights'} now; "
            "say with --finetune what was said when it began, or choose another --out"
        )


def jobs_of(study: Study) -> list[Job]:
    """What is left, in an order in which it can be done.

    Of the trainings of a seed all first parts come first, then all second ones, and so on: so several processes have
    work to the end.
    """
    first = list(_shared(study))
    sources = _sources(study.trainings)
    parts = {training.name: list(_parts(study, training, sources)) for training in study.trainings}
    changing = {job.name for jobs in (first, *parts.values()) for job in jobs}
    rows = [[*parts[each.name], *_measurements(study, each, changing)] for each in study.trainings]
    jobs = first
    for start in range(0, len(rows), len(study.entries)):
        of_seed = rows[start : start + len(study.entries)]
        jobs += [job for level in zip_longest(*of_seed) for job in level if job is not None]
    names = {job.name for job in jobs}
    return [Job(job.name, job.work, job.needs & names) for job in jobs]


def _shared(study: Study) -> Iterator[Job]:
    """The evaluators, and the answers without a model."""
    request = study.evaluator_request
    untrained = [name for name in EVALUATORS if not is_trained(name, request)]
    for name in untrained:
        yield _job(study, _named(name), partial(train_part, name, request), ())
    for split, answer in product(study.splits, trivial_names(study)):
        measurement = study.trivial_measurement(answer, split)
        if untrained or not measurement.done():
            yield _job(study, f"{answer} on {split}", measurement, [*EVALUATORS])


def _measurements(study: Study, training: Training, changing: Set[str]) -> Iterator[Job]:
    """What is to be measured of a training, where that is not done or rests on what is ``changing``."""
    needs = [*EVALUATORS, *(_named(name, training) for name in training.entry.config.names)]
    for split in study.splits:
        measurement = study.measurement(training, split)
        if changing & set(needs) or not measurement.done():
            yield _job(study, f"{training.name} on {split}", measurement, needs)


def trivial_names(study: Study) -> Sequence[TrivialName]:
    """The answers without a model that this data allows: a classifier needs to know the right ones."""
    of = {row.pair.split for row in study.data.rows if is_judged(row.pair.truth)}
    known = {"train", "val"} <= of
    return [name for name in get_args(TrivialName) if known or name != "classifier"]


def is_trained(name: str, request: Request) -> bool:
    """Whether a part is finished, of these settings and data; where it is of others, training says in what."""
    folder = PartFolder(request.out, name)
    description = folder.description()
    if not folder.finished or "identity" not in description:
        return folder.finished
    identity, training = description["identity"], request.config.section(name).training
    wanted = (
        request.config.fingerprint(name),
        request.data.digest,
        training.total_steps(description["steps_per_epoch"]),
    )
    return (identity["settings"], identity["data"], description["steps"]) == wanted


def _parts(study: Study, training: Training, sources: Mapping[tuple[str, str], Training]) -> Iterator[Job]:
    """The parts of one training that are left, the shared evaluators first."""
    for name in training.entry.config.names:
        request = training.request_for(name)
        if name in EVALUATORS:
            if not PartFolder(request.out, name).finished:
                work = partial(take_evaluator, name, request, study.evaluator_request.out)
                yield _job(study, _named(name, training), work, [name])
            continue
        if is_trained(name, request):
            continue
        source = sources[training.name, name]
        needs = [_named(each, training) for each in needed_parts(name, request)]
        other = None if source is training else source.request.out
        if other is not None:
            needs.append(_named(name, source))
        yield _job(study, _named(name, training), partial(obtain_part, name, request, other), needs)


def take_evaluator(name: str, request: Request, evaluators: Path, report: Progress = silent) -> None:
    """Copy an evaluator of all into a run, so that the run is whole."""
    take_part(name, request, evaluators, only_same=False)


def obtain_part(name: str, request: Request, other: Path | None, report: Progress = silent) -> None:
    """Take a part from another run, if training it here would give the same; else train it.

    Its codes of the motions are made at once, by one process, where later parts are trained on them.
    """
    if other is None or not take_part(name, request, other, only_same=True):
        try:
            train_part(name, request, report)
        except StoppedError:
            PartFolder(request.out, name).note_stop()
            raise
    for later in request.config.names:
        if part_class(request.config, later).encoded_by == name and needs_codes(later, request):
            encode_motions(later, request, report)
            break


def _sources(trainings: Sequence[Training]) -> dict[tuple[str, str], Training]:
    """By name of a training and of its part: the first training whose part will be the same, by its settings."""
    first: dict[tuple[Any, ...], Training] = {}
    return {
        (training.name, name): first.setdefault(_becomes(name, training), training)
        for training in trainings
        for name in training.entry.config.names
    }


def _becomes(name: str, training: Training) -> tuple[Any, ...]:
    """What decides a part: its class, settings, seed, length and start, and the same of the parts that it needs."""
    config, start = training.request.config, training.entry.starts.get(name)
    needed = [
        _becomes(each, training) for each in needed_parts(name, training.request) if each not in EVALUATORS
    ]
    length = [getattr(config.section(name).training, setting) for setting in LENGTH]
    return part_class(config, name), config.fingerprint(name), start and start.sha256, *length, *needed


def _named(part: str, training: Training | None = None) -> str:
    return part if training is None else f"{training.name} {part}"


def _job(study: Study, name: str, work: Callable[[Progress], Any], needs: Sequence[str]) -> Job:
    return Job(name, partial(_timed, study.seconds, name, work), frozenset(needs))


def _timed(folder: Path, name: str, work: Callable[[Progress], Any], report: Progress) -> None:
    with timed(folder, name, report) as listener:
        work(listener)
