"""A table of a study as text, Markdown, LaTeX, CSV and JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hero_core.minivimo.questions import QUESTIONS
from hero_core.storage import write_csv, write_json, write_text
from trainer.eval.paired import RIGHT
from trainer.eval.rows import Cell, Row, columns_of
from trainer.eval.study_table import StudyTable

WORDS: Mapping[str, str] = {
    **{f"{RIGHT}{question}": f"{words} %" for question, words in QUESTIONS.items()},
    "fid": "FID",
    "diversity": "Diversity",
    "multimodality": "MModality",
    "mpjpe_mm": "MPJPE (mm)",
}
"""What metrics are called in a table; others by their own name."""

MARK = " *"
_EMPTY = "-"
_CSV = (
    "row",
    "kind",
    "metric",
    "value",
    "over_repeats",
    "over_videos_low",
    "over_videos_high",
    "over_seeds",
    "seeds",
)
_LATEX = str.maketrans({"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "±": r"$\pm$"})


@dataclass(frozen=True)
class Line:
    """A line of text: its label, its cells, and which of these are marked as the best."""

    label: str
    cells: Sequence[str]
    marked: frozenset[int] = frozenset()


def header(table: StudyTable) -> list[str]:
    """The names of the columns, without that of the labels."""
    return [WORDS.get(name, name.replace("_", " ")) for name in columns_of(table.rows)]


def lines(table: StudyTable) -> list[Line]:
    """All rows as text; a model has one for the means, one for intervals over videos, and one over seeds."""
    columns = columns_of(table.rows)
    return [line for row in table.rows for line in _lines(row, columns)]


def markdown(table: StudyTable) -> str:
    """A table for a README, with the notes below it."""
    text = [
        f"**{table.title}**",
        "",
        _markdown_row(["", *header(table)]),
        "|---" * (1 + len(header(table))) + "|",
    ]
    for line in lines(table):
        cells = [f"**{cell}**" if column in line.marked else cell for column, cell in enumerate(line.cells)]
        text.append(_markdown_row([line.label, *cells]))
    said = [*table.statements, *table.notes]
    return "\n".join([*text, "", *(f"- {note}" for note in said)]) + "\n"


def latex(table: StudyTable) -> str:
    """A tabular of the package booktabs; what is said of it are comments."""
    text = [f"% {note}" for note in (table.title, *table.statements, *table.notes)]
    text += [rf"\begin{{tabular}}{{l{'r' * len(header(table))}}}", r"\toprule"]
    text += [_latex_row(["", *map(_escaped, header(table))]), r"\midrule"]
    for line in lines(table):
        cells = [
            rf"\textbf{{{_escaped(cell)}}}" if column in line.marked else _escaped(cell)
            for column, cell in enumerate(line.cells)
        ]
        text.append(_latex_row([_escaped(line.label), *cells]))
    return "\n".join([*text, r"\bottomrule", r"\end{tabular}"]) + "\n"


def as_json(table: StudyTable) -> dict[str, Any]:
    """Every number with its intervals."""
    rows = [
        {
            "row": row.label,
            "kind": row.kind,
            "best": sorted(row.best),
            "cells": {name: _cell_json(cell) for name, cell in row.cells.items()},
        }
        for row in table.rows
    ]
    return {
        "title": table.title,
        "statements": list(table.statements),
        "notes": list(table.notes),
        "rows": rows,
    }


def write_table(table: StudyTable, folder: Path, name: str) -> list[Path]:
    """Write ``NAME.md``, ``.tex``, ``.csv`` and ``.json``; the same numbers give the same bytes."""
    paths = [folder / f"{name}.{ending}" for ending in ("md", "tex", "csv", "json")]
    write_text(paths[0], markdown(table))
    write_text(paths[1], latex(table))
    write_csv(paths[2], _CSV, _csv_rows(table))
    write_json(paths[3], as_json(table))
    return paths


def number(metric: str, value: float) -> str:
    """A value as it is shown: a share in percent."""
    return f"{100 * value:.1f}" if metric.startswith(RIGHT) else f"{value:.3f}"


def _lines(row: Row, columns: Sequence[str]) -> Iterator[Line]:
    marked = frozenset(place for place, name in enumerate(columns) if name in row.best)
    yield Line(row.label, [_mean(name, row.cells.get(name)) for name in columns], marked)
    if row.kind != "model":
        return
    if any(cell.over_videos for cell in row.cells.values()):
        yield Line(f"{row.label}, over videos", [_videos(name, row.cells.get(name)) for name in columns])
    if any(cell.over_seeds is not None for cell in row.cells.values()):
        yield Line(f"{row.label}, over seeds", [_seeds(name, row.cells.get(name)) for name in columns])


def _mean(metric: str, cell: Cell | None) -> str:
    if cell is None:
        return _EMPTY
    half = "" if cell.over_repeats is None else f" ± {number(metric, cell.over_repeats)}"
    return number(metric, cell.value) + half


def _videos(metric: str, cell: Cell | None) -> str:
    if cell is None or cell.over_videos is None:
        return _EMPTY
    return f"{number(metric, cell.over_videos.low)} to {number(metric, cell.over_videos.high)}"


def _seeds(metric: str, cell: Cell | None) -> str:
    return _EMPTY if cell is None or cell.over_seeds is None else f"± {number(metric, cell.over_seeds)}"


def _cell_json(cell: Cell) -> dict[str, Any]:
    return cell._asdict() | {"over_videos": cell.over_videos and cell.over_videos._asdict()}


def _csv_rows(table: StudyTable) -> Iterator[dict[str, Any]]:
    for row in table.rows:
        for metric, cell in row.cells.items():
            band = cell.over_videos
            yield {
                "row": row.label,
                "kind": row.kind,
                "metric": metric,
                "value": cell.value,
                "over_repeats": cell.over_repeats,
                "over_videos_low": band and band.low,
                "over_videos_high": band and band.high,
                "over_seeds": cell.over_seeds,
                "seeds": " ".join(map(str, cell.seeds)),
            }


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex_row(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _escaped(text: str) -> str:
    return text.translate(_LATEX)
