"""Results as the rows of a table: numbers, each with the intervals that say how sure it is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hero_core.minivimo.questions import QUESTIONS
from trainer.eval.comparison.paired import RIGHT
from trainer.eval.intervals import Band, paper_interval, student_interval

Json = Mapping[str, Any]


class Cell(NamedTuple):
    """One number.

    Attributes:
        value: the mean over the training seeds of the mean over the repeats.
        over_repeats: the paper's interval, 1.96 std / sqrt(repeats), a half width: how far the draws of one training
            decide; the mean of the trainings'. None where nothing was repeated.
        over_videos: 95 % interval by bootstrap: how far the clips decide that happen to be in the split; the mean of
            the trainings' ends.
        over_seeds: half the 95 % interval over the training seeds, by Student's t; None of a single one.
        seeds: of each training.
    """

    value: float
    over_repeats: float | None = None
    over_videos: Band | None = None
    over_seeds: float | None = None
    seeds: Sequence[float] = ()


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        label: what it is.
        kind: ``truth``, ``halves``, ``tokenizer``, ``trivial``, ``model`` or ``control``.
        cells: by metric; shares of right answers, ``right_reaction`` and so on, are between 0 and 1.
        best: metrics in which this model is better than every other one of the table, clip by clip.
    """

    label: str
    kind: str
    cells: Mapping[str, Cell]
    best: frozenset[str] = frozenset()


def model_row(label: str, results: Sequence[Json], best: Iterable[str] = ()) -> Row:
    """A model's line, from the result of each of its trainings."""
    return Row(label, "model", over_seeds([generated_cells(result) for result in results]), frozenset(best))


def judged_row(label: str, kind: str, results: Sequence[Json], judged: str) -> Row | None:
    """The line of what is judged by this name in the results; None where it is not."""
    found = [
        plausibility for each in results if (plausibility := (each.get("plausibility") or {}).get(judged))
    ]
    return Row(label, kind, over_seeds([_right(one) for one in found])) if found else None


def control_row(label: str, results: Sequence[Json], control: str) -> Row | None:
    """A model's line with the features of other clips; None where there are no others."""
    measured = [result[control] for result in results]
    return (
        Row(label, "control", over_seeds([generated_cells(one) for one in measured]))
        if all(measured)
        else None
    )


def truth_rows(result: Json) -> list[Row]:
    """The true motions, and one half of them in the place of the other."""
    real = {name: _metric(values) for name, values in result["metrics"]["all"]["real"].items()}
    halves = real.pop("halves_fid", None)
    judged = (result.get("plausibility") or {}).get("real")
    rows = [Row("ground truth", "truth", {**(_right(judged) if judged else {}), **real})]
    if halves is not None:
        rows.append(Row("half of the true motions against the other half", "halves", {"fid": halves}))
    return rows


def tokenizer_rows(results: Mapping[str, Sequence[Json]], encoders: Mapping[str, Sequence[str]]) -> list[Row]:
    """The round trips, one for each different tokenizer.

    Args:
        results: of every training, by label.
        encoders: by label, the parts that the round trip goes through.
    """
    shared: dict[tuple[str, ...], list[str]] = {}
    for label, of_label in results.items():
        weights = tuple(str(each["run"][part]["sha256"]) for each in of_label for part in encoders[label])
        if all(each["metrics"]["all"]["reconstruction"] for each in of_label):
            shared.setdefault(weights or (label,), []).append(label)
    rows = []
    for labels in shared.values():
        of_label = results[labels[0]]
        trips = [each["metrics"]["all"]["reconstruction"] for each in of_label]
        measured = [{name: _metric(values) for name, values in trip.items()} for trip in trips]
        judged = judged_row("", "tokenizer", of_label, "reconstruction")
        cells = {**(judged.cells if judged else {}), **over_seeds(measured)}
        rows.append(Row(f"tokenizer round trip: {', '.join(labels)}", "tokenizer", cells))
    return rows


def generated_cells(result: Json) -> dict[str, Cell]:
    """Every number of one result's reactions, plausibility first."""
    judged = (result.get("plausibility") or {}).get("generated")
    metrics = result["metrics"]["all"]["generated"]
    return {
        **(_right(judged) if judged else {}),
        **{name: _metric(values) for name, values in metrics.items()},
    }


def over_seeds(trainings: Sequence[Mapping[str, Cell]]) -> dict[str, Cell]:
    """The cells of several trainings as one, for the metrics that all of them have."""
    names = [name for name in trainings[0] if all(name in each for each in trainings)]
    return {name: _joined([each[name] for each in trainings]) for name in names}


def _joined(cells: Sequence[Cell]) -> Cell:
    values = [cell.value for cell in cells]
    halves = [cell.over_repeats for cell in cells if cell.over_repeats is not None]
    bands = [cell.over_videos for cell in cells if cell.over_videos is not None]
    spread = student_interval(values)
    return Cell(
        spread.mean,
        float(np.mean(halves)) if halves else None,
        Band(*np.mean(bands, axis=0).tolist()) if bands else None,
        spread.half_width,
        values,
    )


def _metric(values: Json) -> Cell:
    """One metric of a result as a cell."""
    repeats = values["values"]
    band = values.get("clips")
    return Cell(
        values["mean"],
        paper_interval(repeats).half_width if len(repeats) > 1 else None,
        None if band is None else Band(band["low"], band["high"]),
        None,
        [values["mean"]],
    )


def _right(judged: Json) -> dict[str, Cell]:
    """The shares of right answers of one row of a result."""
    shares = {question: judged["shares"].get(question) for question in QUESTIONS}
    return {
        f"{RIGHT}{question}": Cell(
            share["share"], None, Band(share["low"], share["high"]), None, [share["share"]]
        )
        for question, share in shares.items()
        if share is not None
    }
