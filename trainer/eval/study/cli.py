"""Training what is missing of a table of the paper, measuring it, and printing it, with progress."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import typer

from hero_core.choices import DeviceName
from hero_core.cli import EXIT_STOPPED, error_console, progress, say
from hero_core.device import choose_device
from hero_core.errors import HeroError
from hero_core.lock import LOCK_FILE, only_writer
from hero_core.progress import Progress, duration
from hero_core.training_set import TrainingSet
from trainer.choices import DEFAULT_GENERATOR
from trainer.config import load_train_config
from trainer.eval.choices import MOST_PROCESSES, HeldOutSplit, MotionsPerVideo, ProtocolName
from trainer.eval.comparison.formats import write_table
from trainer.eval.comparison.show_cli import show_comparison
from trainer.eval.show_cli import show_table
from trainer.eval.study.entries import (
    Entry,
    evaluation_settings,
    generator_entries,
    generators_with,
    training_settings,
)
from trainer.eval.study.jobs import check_study, jobs_of
from trainer.eval.study.starts import in_words
from trainer.eval.study.stopwatch import seconds_of_jobs
from trainer.eval.study.study import Study
from trainer.eval.study.table import study_table
from trainer.eval.tables import Table
from trainer.jobs import do_jobs
from trainer.loop import StoppedError


def all_settings(settings: Sequence[str] | None, motions_per_video: MotionsPerVideo) -> list[str]:
    """The settings, with what an option of its own says of training."""
    return [*(settings or []), *([] if motions_per_video == "all" else ["motions_per_video=first"])]


def entries_of(generators: str | None, preset: str, lines: Sequence[str]) -> list[Entry]:
    """Lines of the table for generators whose names are separated by commas, or for all that have the preset."""
    names = (
        generators_with(preset) if generators is None else [name.strip() for name in generators.split(",")]
    )
    return generator_entries(names, preset, training_settings(lines))


def study_of(
    data: Path,
    out: Path,
    entries: Sequence[Entry],
    seeds: int,
    preset: str,
    protocol: ProtocolName | None,
    lines: Sequence[str],
    device: DeviceName,
    splits: Sequence[HeldOutSplit] = ("test",),
) -> Study:
    """What is to be trained and measured, from what the command line says."""
    of_all = [line for line in training_settings(lines) if line.startswith("evaluator.")]
    evaluator = load_train_config(DEFAULT_GENERATOR, preset, None, of_all)
    chosen: ProtocolName = protocol or ("quick" if preset == "demo" else "paper")
    measuring = evaluation_settings(lines)
    computing = choose_device(device)
    return Study(TrainingSet(data), out, entries, seeds, evaluator, chosen, measuring, computing, splits)


def do_study(study: Study, name: str, processes: int | None) -> None:
    """Do what is left of a study, then print and write its tables."""
    began = time.monotonic()
    with only_writer(study.out, study.out / LOCK_FILE) as remark:
        if remark:
            say(f"note: {remark}")
        for line in in_words(study.entries):
            say(line)
        check_study(study)
        jobs = jobs_of(study)
        most = processes or (1 if study.device.type == "cuda" else min(_cores(), MOST_PROCESSES))
        say(f"{name}: {len(study.trainings)} trainings; {len(jobs)} steps left, {most} at a time")
        try:
            with progress(name) as report:
                together = Together(len(jobs), report)
                listeners = {job.name: together.listener(job.name) for job in jobs}
                do_jobs(jobs, listeners, most, together.ended, together.failed)
        except StoppedError as error:
            _complain(f"{error}; the same command goes on")
            raise typer.Exit(EXIT_STOPPED) from None
        except HeroError as error:
            raise HeroError(
                f"{error}. All that does not need this is done and kept: the same command tries again, and a table of "
                "fewer models (--generators) or seeds (--seeds) can leave it out"
            ) from None
        for split in study.splits:
            table = study_table(study, split)
            show_comparison(table)
            for path in write_table(table, study.out, name if split == "test" else f"{name}.{split}"):
                say(f"written: {path}")
        show_table(time_table(study))
        say(f"this call took {duration(time.monotonic() - began)}")


class Together:
    """What goes on at a time, as one: the jobs that are done, and how far those are that have begun."""

    def __init__(self, total: int, report: Progress) -> None:
        self._total, self._report = total, report
        self._running: dict[str, str] = {}
        self._done = 0
        report(0, total)

    def listener(self, job: str) -> Progress:
        """For one job."""

        def listen(done: int, total: int, note: str = "") -> None:
            self._running[job] = f"{job} ({done}/{total})"
            self._say()

        return listen

    def ended(self, job: str) -> None:
        """One job is done."""
        self._running.pop(job, None)
        self._done += 1
        self._say()

    def failed(self, job: str, error: HeroError) -> None:
        """One job failed; the others go on."""
        self._running.pop(job, None)
        _complain(f"{job} failed, all else goes on: {error}")

    def _say(self) -> None:
        self._report(self._done, self._total, "; ".join(self._running.values()))


def _complain(line: str) -> None:
    error_console.print(line, highlight=False, markup=False, soft_wrap=True)


def time_table(study: Study) -> Table:
    """Where the time of a study went, over all calls."""
    seconds = seconds_of_jobs(study.seconds)
    measuring = {job for job in seconds if job.endswith(tuple(f" on {split}" for split in study.splits))}
    rows = []
    for entry in study.entries:
        names = [training.name for training in study.trainings if training.entry is entry]
        of_entry = {job: took for job, took in seconds.items() if job.split(" ")[0] in names}
        trained = sum(took for job, took in of_entry.items() if job not in measuring)
        rows.append((entry.label, f"{trained:.0f}", f"{sum(of_entry.values()) - trained:.0f}"))
    shared = {
        job: took
        for job, took in seconds.items()
        if " " not in job or job.split(" ")[0] in ("nearest", "classifier")
    }
    trained = sum(took for job, took in shared.items() if job not in measuring)
    rows.append(
        ("evaluator, and answers without a model", f"{trained:.0f}", f"{sum(shared.values()) - trained:.0f}")
    )
    total = sum(float(row[1]) + float(row[2]) for row in rows)
    notes = [
        f"{duration(total)} in all, of all processes together and over all calls; what several models share counts for "
        "the first; of what was killed the last seconds are missing"
    ]
    return Table("seconds", ("", "training", "measuring"), rows, notes)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # what this process may use; not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
