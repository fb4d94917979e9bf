"""From numbers to tables of text."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hero_core.minivimo.questions import QUESTIONS
from trainer.eval.evaluate import ALL, Result
from trainer.eval.intervals import Share
from trainer.eval.matching import by_chance
from trainer.eval.pair_measures import JOINT
from trainer.eval.plausibility import ROWS, Answers, Plausibility, is_subcategory
from trainer.eval.scores import REAL, GroupScores, Summary

_EMPTY = "-"


class Table(NamedTuple):
    """Cells of text, and lines that explain them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


class Column(NamedTuple):
    """How a metric is shown.

    Attributes:
        scale: what it is multiplied by.
        decimals: behind the point.
    """

    metric: str
    heading: str
    scale: float = 1.0
    decimals: int = 3

    def mean(self, metrics: Mapping[str, Summary]) -> str:
        """With the interval over repeats, if there is one."""
        if (summary := metrics.get(self.metric)) is None:
            return _EMPTY
        return self._number(summary.mean) + (
            "" if summary.ci95 is None else f" ± {self._number(summary.ci95)}"
        )

    def band(self, metrics: Mapping[str, Summary]) -> str:
        """The interval over clips."""
        summary = metrics.get(self.metric)
        if summary is None or summary.clips is None:
            return _EMPTY
        return f"{self._number(summary.clips.low)} to {self._number(summary.clips.high)}"

    def _number(self, value: float) -> str:
        return f"{self.scale * value:.{self.decimals}f}"


def tables(result: Result, name: str) -> list[Table]:
    """Everything that is shown, in order; ``name`` is the generator's."""
    shown = [metric_table(result, name)]
    if (joints := joint_table(result, name)) is not None:
        shown.append(joints)
    shown += matching_tables(result, name)
    shown.append(movement_table(result, name))
    if (categories := category_table(result)) is not None:
        shown.append(categories)
    if result.plausibility is not None:
        shown.append(plausibility_table(result.plausibility, name))
        if (asks := asks_table(result.plausibility, name)) is not None:
            shown.append(asks)
        shown.append(confusion_table(result.plausibility.answers["generated"]))
    return shown


def metric_table(result: Result, name: str) -> Table:
    """The layout of the paper's Table 1, with KID, over all pairs."""
    group = result.groups[ALL]
    title = f"n = {group.pairs} motions, mean ± 95 % interval over {len(group.metrics['fid'].values)} repeats"
    columns = (
        Column("fid", "FID"),
        Column("kid", "KID\n(x 1000)", 1000, 2),
        Column("diversity", "Diversity"),
        Column("multimodality", "MModality"),
        Column("mpjpe_m", "MPJPE\n(mm)", 1000, 1),
    )
    return Table(title, ("method", *(column.heading for column in columns)), _sets(group, name, columns))


def joint_table(result: Result, name: str) -> Table | None:
    """The same by the evaluator that sees joints; None without one."""
    group = result.groups[ALL]
    if f"{JOINT}fid" not in group.metrics:
        return None
    columns = (
        Column(f"{JOINT}fid", "FID"),
        Column(f"{JOINT}kid", "KID\n(x 1000)", 1000, 2),
        Column(f"{JOINT}diversity", "Diversity"),
    )
    return Table(
        "the same by the evaluator that sees joints only",
        ("method", *(column.heading for column in columns)),
        _sets(group, name, columns),
    )


def matching_tables(result: Result, name: str) -> list[Table]:
    """How well motions tell their video from others, by each evaluator that embeds videos."""
    group = result.groups[ALL]
    shown = []
    for prefix, by in (("", ""), (JOINT, ", by the evaluator that sees joints only")):
        if result.pool is None or f"{prefix}mm_distance" not in group.metrics:
            continue
        tops = by_chance(result.pool)
        columns = (
            *(Column(f"{prefix}{top}", f"R-precision top {top[-1]}") for top in tops),
            Column(f"{prefix}mm_distance", "MM distance"),
        )
        rows = _with_bands(group, name, columns)
        rows.append(("by chance", *(f"{share:.3f}" for share in tops.values()), _EMPTY))
        title = f"which video does it react to? Its own among {result.pool}{by}"
        shown.append(Table(title, ("method", *(column.heading for column in columns)), rows))
    return shown


def movement_table(result: Result, name: str) -> Table:
    """What a body on a floor could not do."""
    columns = (
        Column("skating_m_s", "skating\n(mm/s)", 1000, 0),
        Column("contact_skating_m_s", "of own contacts\n(mm/s)", 1000, 0),
        Column("floating_m", "floating\n(mm)", 1000, 1),
        Column("penetration_m", "penetration\n(mm)", 1000, 1),
        Column("peak_jerk_m_s3", "peak jerk\n(m/s³)", 1, 0),
    )
    notes = (
        "skating: horizontal speed of foot joints that are at the floor in two frames; of own contacts: of those alone "
        "that the motion says stand",
        "floating, penetration: mean height of the lowest foot joint above the floor, and depth below it; "
        "peak jerk: the largest of any joint",
    )
    headings = ("method", *(column.heading for column in columns))
    return Table("movement", headings, _with_bands(result.groups[ALL], name, columns), notes)


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


def _rows_of(group: GroupScores, name: str) -> dict[str, Mapping[str, Summary]]:
    """The metrics of the true motions, of the round trip where there is one, and of the generator, by row name."""
    real = {
        metric.removeprefix(REAL): each for metric, each in group.metrics.items() if metric.startswith(REAL)
    }
    trip = group.reconstruction
    return {
        "real": real,
        **({} if trip is None else {row_name("reconstruction", name): trip}),
        name: group.metrics,
    }


def _sets(group: GroupScores, name: str, columns: Sequence[Column]) -> list[Sequence[str]]:
    """A row each, and the generator's intervals over clips."""
    rows: list[Sequence[str]] = [
        (row, *(column.mean(metrics) for column in columns)) for row, metrics in _rows_of(group, name).items()
    ]
    bands = [column.band(group.metrics) for column in columns]
    return rows if bands[0] == _EMPTY else [*rows, (f"{name}, over clips", *bands)]


def _with_bands(group: GroupScores, name: str, columns: Sequence[Column]) -> list[Sequence[str]]:
    """A row each, and below it the intervals over clips."""
    rows: list[Sequence[str]] = []
    for row, metrics in _rows_of(group, name).items():
        rows.append((row, *(column.mean(metrics) for column in columns)))
        bands = [column.band(metrics) for column in columns]
        if any(band != _EMPTY for band in bands):
            rows.append(("  over clips", *bands))
    return rows


def _metric_cells(group: GroupScores) -> dict[str, str]:
    return {name: Column(name, name).mean(group.metrics) for name in group.metrics}


def _percent(share: float | None) -> str:
    return _EMPTY if share is None else f"{100 * share:.1f}"


def _share(share: Share | None) -> str:
    if share is None:
        return _EMPTY
    return f"{100 * share.share:.1f} ({100 * share.low:.0f} to {100 * share.high:.0f})"
