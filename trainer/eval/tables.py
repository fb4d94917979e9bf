"""From numbers to tables of text."""

from collections.abc import Sequence
from typing import NamedTuple

from hero_core.minivimo.questions import QUESTIONS
from trainer.eval.evaluate import ALL, Result
from trainer.eval.intervals import Share
from trainer.eval.plausibility import ROWS, Answers, Plausibility
from trainer.eval.scores import GroupScores, Summary

_EMPTY = "-"


class Table(NamedTuple):
    """Cells of text, and lines that explain them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def tables(result: Result, name: str) -> list[Table]:
    """Everything that is shown, in order; ``name`` is the generator's."""
    shown = [metric_table(result, name)]
    if (categories := category_table(result)) is not None:
        shown.append(categories)
    if result.plausibility is not None:
        shown.append(plausibility_table(result.plausibility, name))
        if (asks := asks_table(result.plausibility, name)) is not None:
            shown.append(asks)
        shown.append(confusion_table(result.plausibility.answers["generated"]))
    return shown


def metric_table(result: Result, name: str) -> Table:
    """The layout of the paper's Table 1, over all pairs."""
    group = result.groups[ALL]
    cells = _metric_cells(group)
    rows = [("real", _EMPTY, cells["real_diversity"], _EMPTY, _EMPTY)]
    if (trip := group.reconstruction) is not None:
        rows.append(
            (
                row_name("reconstruction", name),
                f"{trip.fid:.3f}",
                _EMPTY,
                _EMPTY,
                f"{1000 * trip.mpjpe_m:.1f}",
            )
        )
    rows.append((name, cells["fid"], cells["diversity"], cells.get("multimodality", _EMPTY), _EMPTY))
    bands = {metric: _band(summary) for metric, summary in group.metrics.items()}
    if bands["fid"] != _EMPTY:
        several = bands.get("multimodality", _EMPTY)
        rows.append((f"{name}, over clips", bands["fid"], bands["diversity"], several, _EMPTY))
    title = f"n = {group.pairs} motions, mean ± 95 % interval over {len(group.metrics['fid'].values)} repeats"
    return Table(title, ("method", "FID", "Diversity", "MModality", "MPJPE (mm)"), rows)


def category_table(result: Result) -> Table | None:
    """The numbers by broad category; None where there is one category only."""
    categories = {
        name: group for name, group in result.groups.items() if name != ALL and not is_subcategory(name)
    }
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
    """How often the reaction is right, beside the rows that say what that is worth; shares of clips in percent."""
    rows = [
        (row_name(judged, name), *(_share(answers.shares.get(question)) for question in QUESTIONS))
        for judged, answers in plausibility.answers.items()
    ]
    guess = plausibility.uniform
    rows.append(("uniform guess", *(_percent(guess.get(question)) for question in QUESTIONS)))
    generated = plausibility.answers["generated"]
    clips = max(share.clips for share in generated.shares.values())
    explained = [f"{row_name(judged, name)}: {ROWS[judged].explanation}" for judged in plausibility.answers]
    title = f"plausible? n = {clips} clips, {name} {generated.reactions} reactions each; % of clips (95 % interval)"
    return Table(title, ("", *QUESTIONS.values()), rows, explained)


def asks_table(plausibility: Plausibility, name: str) -> Table | None:
    """The model's row by what the clip asks for; None where no clip is of MiniViMo's interactions."""
    if not plausibility.asks:
        return None
    rows = [
        (asked, str(answers.shares["all"].clips), *(_share(answers.shares.get(one)) for one in QUESTIONS))
        for asked, answers in plausibility.asks.items()
    ]
    return Table(f"{name} by what the clip asks for, %", ("asks", "n", *QUESTIONS.values()), rows)


def is_subcategory(group: str) -> bool:
    """Whether a group of pairs is ``broad/subcategory``."""
    return "/" in group


def row_name(judged: str, model: str) -> str:
    """What a row of the plausibility table is called."""
    return ROWS[judged].name.format(model=model)


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
    return {name: _mean(summary) for name, summary in group.metrics.items()}


def _mean(summary: Summary) -> str:
    return f"{summary.mean:.3f}" + ("" if summary.ci95 is None else f" ± {summary.ci95:.3f}")


def _band(summary: Summary) -> str:
    return _EMPTY if summary.clips is None else f"{summary.clips.low:.3f} to {summary.clips.high:.3f}"


def _percent(share: float | None) -> str:
    return _EMPTY if share is None else f"{100 * share:.1f}"


def _share(share: Share | None) -> str:
    if share is None:
        return _EMPTY
    return f"{100 * share.share:.1f} ({100 * share.low:.0f} to {100 * share.high:.0f})"
