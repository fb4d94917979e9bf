"""A table of several results: rows of numbers, with what a reader has to know of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.eval.comparison.rows import Row


@dataclass(frozen=True)
class ComparisonTable:
    """Rows, and what is said of them.

    Attributes:
        title: what was measured, on how many motions.
        rows: in order.
        statements: what the data set is.
        notes: what limits the numbers.
    """

    title: str
    rows: Sequence[Row]
    statements: Sequence[str]
    notes: Sequence[str]
