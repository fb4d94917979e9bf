"""A table of several results as text, Markdown, LaTeX, CSV and JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hero_core.storage import write_csv, write_json, write_text
from trainer.eval.comparison.panels import Panel, panels, shown
from trainer.eval.comparison.rows import Cell, Row
from trainer.eval.comparison.table import ComparisonTable

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
_LATEX = str.maketrans({"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "±": r"$\pm$", "³": r"$^3$"})


@dataclass(frozen=True)
class Line:
    """A line of text: its label, its cells, and which of these are marked as the best."""

    label: str
    cells: Sequence[str]
    marked: frozenset[int] = frozenset()


def panels_of(table: ComparisonTable) -> list[Panel]:
    """The groups of columns of a table."""
    return panels(metric for row in table.rows for metric in row.cells)


def header(panel: Panel) -> list[str]:
    """The names of its columns, without that of the labels."""
    return [shown(metric).heading for metric in panel.metrics]


def lines(table: ComparisonTable, panel: Panel) -> list[Line]:
    """The rows that have one of its metrics; a model has one of means, one of intervals over videos, one over seeds."""
    rows = [row for row in table.rows if row.cells.keys() & set(panel.metrics)]
    return [line for row in rows for line in _lines(row, panel.metrics)]


def markdown(table: ComparisonTable) -> str:
    """Tables for a README, with the notes below them."""
    text = []
    for panel in panels_of(table):
        text += [f"**{panel.title or table.title}**", "", _markdown_row(["", *header(panel)])]
        text.append("|---" * (1 + len(panel.metrics)) + "|")
        for line in lines(table, panel):
            cells = [f"**{cell}**" if place in line.marked else cell for place, cell in enumerate(line.cells)]
            text.append(_markdown_row([line.label, *cells]))
        text.append("")
    return "\n".join([*text, *(f"- {note}" for note in (*table.statements, *table.notes))]) + "\n"


def latex(table: ComparisonTable) -> str:
    """A tabular of the package booktabs for each panel; what is said of them are comments."""
    text = [f"% {note}" for note in (table.title, *table.statements, *table.notes)]
    for panel in panels_of(table):
        text += [f"% {panel.title}"] if panel.title else []
        text += [rf"\begin{{tabular}}{{l{'r' * len(panel.metrics)}}}", r"\toprule"]
        text += [_latex_row(["", *map(_escaped, header(panel))]), r"\midrule"]
        for line in lines(table, panel):
            cells = [
                rf"\textbf{{{_escaped(cell)}}}" if place in line.marked else _escaped(cell)
                for place, cell in enumerate(line.cells)
            ]
            text.append(_latex_row([_escaped(line.label), *cells]))
        text += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(text) + "\n"


def as_json(table: ComparisonTable) -> dict[str, Any]:
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


def write_table(table: ComparisonTable, folder: Path, name: str) -> list[Path]:
    """Write ``NAME.md``, ``.tex``, ``.csv`` and ``.json``; the same numbers give the same bytes."""
    paths = [folder / f"{name}.{ending}" for ending in ("md", "tex", "csv", "json")]
    write_text(paths[0], markdown(table))
    write_text(paths[1], latex(table))
    write_csv(paths[2], _CSV, _csv_rows(table))
    write_json(paths[3], as_json(table))
    return paths


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
    half = "" if cell.over_repeats is None else f" ± {shown(metric).number(cell.over_repeats)}"
    return shown(metric).number(cell.value) + half


def _videos(metric: str, cell: Cell | None) -> str:
    if cell is None or cell.over_videos is None:
        return _EMPTY
    return f"{shown(metric).number(cell.over_videos.low)} to {shown(metric).number(cell.over_videos.high)}"


def _seeds(metric: str, cell: Cell | None) -> str:
    return _EMPTY if cell is None or cell.over_seeds is None else f"± {shown(metric).number(cell.over_seeds)}"


def _cell_json(cell: Cell) -> dict[str, Any]:
    return cell._asdict() | {"over_videos": cell.over_videos and cell.over_videos._asdict()}


def _csv_rows(table: ComparisonTable) -> Iterator[dict[str, Any]]:
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
