"""From numbers to tables of text."""

from collections.abc import Sequence
from typing import NamedTuple

from trainer.eval.evaluate import ALL, Result
from trainer.eval.plausibility import QUESTIONS, Answers, Plausibility, Share
from trainer.eval.scores import GroupScores

_EMPTY = "-"
_ROUND_TRIP = "tokenizer round trip"


class Table(NamedTuple):
    """Cells of text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(result: Result, name: str) -> list[Table]:
    """Everything that is shown, in order; ``name`` is the generator's."""
    shown = [metric_table(result, name)]
    if (categories := category_table(result)) is not None:
        shown.append(categories)
    if result.plausibility is not None:
        shown.append(plausibility_table(result.plausibility, name))
        shown.append(confusion_table(result.plausibility.answers["generated"]))
    return shown


def metric_table(result: Result, name: str) -> Table:
    """The layout of the paper's Table 1, over all pairs."""
    group = result.groups[ALL]
    cells = _metric_cells(group)
    rows = [("real", _EMPTY, cells["real_diversity"], _EMPTY, _EMPTY)]
    if (trip := group.reconstruction) is not None:
        rows.append((_ROUND_TRIP, f"{trip.fid:.3f}", _EMPTY, _EMPTY, f"{1000 * trip.mpjpe_m:.1f}"))
    rows.append((name, cells["fid"], cells["diversity"], cells.get("multimodality", _EMPTY), _EMPTY))
    title = f"n = {group.pairs} motions, mean ± 95 % interval over {len(group.metrics['fid'].values)} repeats"
    return Table(title, ("method", "FID", "Diversity", "MModality", "MPJPE (mm)"), rows)


def category_table(result: Result) -> Table | None:
    """The numbers by broad category; None where there is one category only."""
    categories = {name: group for name, group in result.groups.items() if name != ALL}
    if not categories:
        return None
    rows = []
    for name, group in categories.items():
        cells = _metric_cells(group)
        metrics = (
            cells.get(metric, _EMPTY) for metric in ("fid", "diversity", "multimodality", "real_diversity")
        )
        rows.append((name, str(group.pairs), *metrics))
    columns = ("category", "n", "FID", "Diversity", "MModality", "real Diversity")
    return Table("by broad category", columns, rows)


def plausibility_table(plausibility: Plausibility, name: str) -> Table:
    """How often the reaction is right, beside the control and guessing; shares of clips in percent."""
    answers = plausibility.answers
    labels = {
        "real": "true reactions",
        "reconstruction": _ROUND_TRIP,
        "generated": name,
        "control": f"{name}, features of another clip",
    }
    rows = [
        (label, *(_share(answers[judged].shares.get(question)) for question in QUESTIONS))
        for judged, label in labels.items()
        if judged in answers
    ]
    for guess, label in (("constant", "best constant answer"), ("uniform", "uniform guess")):
        right = plausibility.chance[guess]
        rows.append((label, *(_percent(right.get(question)) for question in QUESTIONS)))
    generated = answers["generated"]
    clips = max(share.clips for share in generated.shares.values())
    title = f"plausible? n = {clips} clips, {generated.reactions} reactions each; % of clips (95 % interval)"
    return Table(title, ("", *QUESTIONS.values()), rows)


def confusion_table(answers: Answers) -> Table:
    """What each true reaction was taken for, commonest first."""
    rows = [
        (
            truth,
            _percent(judged.get(truth, 0.0)),
            ", ".join(
                f"{name} {100 * share:.0f}"
                for name, share in sorted(judged.items(), key=lambda item: -item[1])
                if name != truth and share >= 0.05
            ),
        )
        for truth, judged in answers.confusion.items()
    ]
    return Table("by reaction, %", ("true reaction", "right", "taken for (5 % and more)"), rows)


def _metric_cells(group: GroupScores) -> dict[str, str]:
    return {name: f"{summary.mean:.3f} ± {summary.ci95:.3f}" for name, summary in group.metrics.items()}


def _percent(share: float | None) -> str:
    return _EMPTY if share is None else f"{100 * share:.1f}"


def _share(share: Share | None) -> str:
    if share is None:
        return _EMPTY
    return f"{100 * share.share:.1f} ({100 * share.low:.0f} to {100 * share.high:.0f})"
