"""Results of several runs on the same data side by side, and one result by category."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hero_core.errors import InputError
from hero_core.minivimo.questions import QUESTIONS
from hero_core.storage import read_json
from trainer.eval.by_clip import ByClip
from trainer.eval.comparison.paired import (
    RIGHT,
    Difference,
    Resampled,
    best_apart,
    difference,
    require_same_pairs,
    resampled,
)
from trainer.eval.comparison.panels import in_full, panels, shown
from trainer.eval.comparison.rows import Row, model_row, truth_rows
from trainer.eval.comparison.table import ComparisonTable
from trainer.eval.measure import RESULT
from trainer.eval.plausibility import is_subcategory
from trainer.eval.report import SCHEMA
from trainer.eval.tables import Table

CATEGORY_METRICS = ("r_precision_1", "fid", "kid", "diversity", "multimodality")
"""Of the reactions, in the tables by category."""

_EMPTY = "-"


def result_path(place: Path) -> Path:
    """The file of a result that a path means: itself, or that of the run that it is.

    Raises:
        InputError: neither.
    """
    path = place / RESULT if place.is_dir() else place
    if not path.is_file():
        raise InputError(f"{path}: no result; measure first: hero-eval metrics {place} --data DATA")
    return path


def read_result(place: Path) -> Mapping[str, Any]:
    """A result.

    Raises:
        InputError: there is none, or it is of another version.
    """
    path = result_path(place)
    result = read_json(path)
    if result.get("schema") != SCHEMA:
        raise InputError(
            f"{path}: of version {result.get('schema')!r}, this program reads {SCHEMA!r}; measure again with "
            "hero-eval metrics"
        )
    return result


def compared(places: Sequence[Path]) -> tuple[ComparisonTable, list[Table]]:
    """Several results as one table, and of each but the first how much more it has than that.

    Raises:
        InputError: fewer than two, one is missing, or they are not of the same pairs and evaluator.
    """
    if len(set(places)) < 2:
        raise InputError("name at least two runs to compare")
    results = {str(place): read_result(place) for place in places}
    kept = {str(place): ByClip.load(result_path(place)) for place in places}
    first, *others = kept
    for other in others:
        require_same_pairs(kept[first], kept[other])
    drawn = {name: resampled([one]) for name, one in kept.items()}
    best = best_apart(drawn)
    rows: list[Row] = truth_rows(results[first])[:1]
    for name, result in results.items():
        rows.append(model_row(name, [result], [metric for metric, model in best.items() if model == name]))
    some = results[first]
    title = f"{some['data']['name']} ({some['data']['split']}): {some['counts']['pairs']} motions"
    notes = [
        "± : 1.96 std / sqrt(repeats); over videos: 95 % bootstrap interval over the clips",
        "marked: better than every other run on the same clips; the paired 95 % intervals over videos leave out 0",
        "one training each: another seed may turn a small difference round",
    ]
    table = ComparisonTable(title, rows, some["statements"], notes)
    every = drawn.values()
    metrics = [
        name
        for panel in panels(drawn[first])
        for name in panel.metrics
        if all(name in each for each in every)
    ]
    metrics = list(dict.fromkeys(metrics))
    return table, [_differences(other, first, drawn, metrics) for other in others]


def _differences(
    other: str, first: str, drawn: Mapping[str, Mapping[str, Resampled]], metrics: Sequence[str]
) -> Table:
    found = {name: difference(drawn[other][name], drawn[first][name]) for name in metrics}
    lines = [(in_full(name), *_difference_cells(name, each)) for name, each in found.items()]
    title = f"clip by clip, how much more {other} has than {first}"
    columns = ("metric", "more", "95 % interval over videos, paired", "apart")
    return Table(title, columns, lines, ("FID: of the first repeat, where the table has the mean",))


def _difference_cells(metric: str, found: Difference) -> tuple[str, str, str]:
    low, high = _signed(metric, found.band.low), _signed(metric, found.band.high)
    return _signed(metric, found.value), f"{low} to {high}", "yes" if found.apart else ""


def by_category(result: Mapping[str, Any]) -> list[Table]:
    """The numbers of the broad categories, then of every subcategory; plausibility first."""
    groups = result["metrics"]
    broad = [name for name in groups if not is_subcategory(name)]
    subcategories = [name for name in groups if is_subcategory(name)]
    categories = (result.get("plausibility") or {}).get("categories", {})
    overall = {"all": (result.get("plausibility") or {}).get("generated")}
    named = {**categories, **{name: judged for name, judged in overall.items() if judged}}
    return [
        _by_group(title, names, groups, named)
        for title, names in (("by broad category", broad), ("by subcategory", subcategories))
        if names
    ]


def _by_group(
    title: str, names: Sequence[str], groups: Mapping[str, Any], judged: Mapping[str, Any]
) -> Table:
    right = [
        question for question in QUESTIONS if any(question in each["shares"] for each in judged.values())
    ]
    measured = {metric for name in names for metric in groups[name]["generated"]}
    metrics = [metric for metric in CATEGORY_METRICS if metric in measured]
    rows = []
    for name in names:
        shares = judged[name]["shares"] if name in judged else {}
        values = groups[name]["generated"]
        rows.append(
            (
                name,
                str(groups[name]["pairs"]),
                *(_share(shares.get(question)) for question in right),
                *(_value(metric, values.get(metric)) for metric in metrics),
                _value("diversity", groups[name]["real"]["diversity"]),
            )
        )
    columns = ["category", "n", *(shown(f"{RIGHT}{question}").heading for question in right)]
    columns += [*(shown(metric).heading for metric in metrics), "real Diversity"]
    notes = ["shares: 95 % interval over the clips; ± : 95 % interval over the repeats"]
    if any(is_subcategory(name) for name in names):
        notes.append("of so few motions FID is far too large: compare it only within a line, between runs")
    return Table(title, columns, rows, notes)


def _share(share: Mapping[str, Any] | None) -> str:
    if share is None:
        return _EMPTY
    return f"{100 * share['share']:.1f} ({100 * share['low']:.0f} to {100 * share['high']:.0f})"


def _value(metric: str, summary: Mapping[str, Any] | None) -> str:
    if summary is None:
        return _EMPTY
    half = "" if summary["ci95"] is None else f" ± {shown(metric).number(summary['ci95'])}"
    return f"{shown(metric).number(summary['mean'])}{half}"


def _signed(metric: str, value: float) -> str:
    text = shown(metric).number(value)
    return text if text.startswith("-") else f"+{text}"
