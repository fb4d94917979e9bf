"""The tables on top of a gallery: means of what is shown, and what ``hero-eval metrics`` measured of the run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hero_core.minivimo.questions import QUESTIONS
from hero_core.view.document import ShownSample, ShownTable
from trainer.eval.gallery.one_by_one import METRICS
from trainer.eval.plausibility import ROWS

_EMPTY = "-"


def shown_table(samples: Sequence[ShownSample]) -> ShownTable:
    """Means of the numbers of single reactions, over all that are shown and by category."""
    known = [metric for metric in METRICS if any(metric.name in sample.metrics for sample in samples)]
    categories = sorted({sample.category for sample in samples})
    groups: dict[str, Sequence[ShownSample]] = {"all": samples}
    if len(categories) > 1:
        groups |= {one: [sample for sample in samples if sample.category == one] for one in categories}
    rows = [
        [
            name,
            str(len(group)),
            *(
                _mean((sample.metrics.get(metric.name) for sample in group), metric.digits)
                for metric in known
            ),
        ]
        for name, group in groups.items()
    ]
    columns = ["", "n", *(f"{metric.label} ({metric.unit})".replace(" ()", "") for metric in known)]
    return ShownTable("Means of the reactions on this page", columns, rows)


def result_tables(result: Mapping[str, Any], name: str) -> list[ShownTable]:
    """Of ``result.json``: the paper's metrics, and plausibility where the data knows the right answers."""
    everything = result["metrics"]["all"]
    generated, repeats = everything["generated"], result["config"]["repeats"]
    rows = [
        ["real", _EMPTY, _number(everything["real"]["diversity"]), _EMPTY],
        [name, *(_number(generated.get(metric)) for metric in ("fid", "diversity", "multimodality"))],
    ]
    title = f"hero-eval metrics: n = {everything['pairs']}, mean ± 95 % interval over {repeats} repeats"
    made = [ShownTable(title, ["method", "FID", "Diversity", "MModality"], rows)]
    plausibility = result.get("plausibility") or {}
    judged = {key: plausibility[key] for key in ROWS if key in plausibility}
    if judged:
        rows = [
            [row["row"], *(_share(row["shares"].get(question)) for question in QUESTIONS)]
            for row in judged.values()
        ]
        made.append(ShownTable("Plausible? % of clips (95 % interval)", ["", *QUESTIONS.values()], rows))
    return made


def _mean(values: Iterable[float | None], digits: int) -> str:
    present = [value for value in values if value is not None]
    return f"{np.mean(present):.{digits}f}" if present else _EMPTY


def _number(summary: Mapping[str, Any] | None) -> str:
    if summary is None:
        return _EMPTY
    return f"{summary['mean']:.3f}" + (f" ± {summary['ci95']:.3f}" if summary["ci95"] is not None else "")


def _share(share: Mapping[str, Any] | None) -> str:
    if share is None:
        return _EMPTY
    return f"{100 * share['share']:.1f} ({100 * share['low']:.0f} to {100 * share['high']:.0f})"
