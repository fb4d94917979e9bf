from io import StringIO

import pytest
from rich.console import Console

from trainer.eval import show_cli
from trainer.eval.tables import Table

TABLE = Table(
    "numbers",
    ("category", "n", *(f"metric {number}" for number in range(9))),
    [(f"human-human/{name}", "12", *["0.123 ± 45.678"] * 9) for name in ("throws_a_ball", "waves")],
    ("a note",),
)


@pytest.fixture
def shown(monkeypatch):
    def show(table, width):
        out = StringIO()
        monkeypatch.setattr(show_cli, "console", Console(file=out, width=width))
        show_cli.show_table(table)
        return out.getvalue()

    return show


@pytest.mark.parametrize("width", [60, 80, 132])
def test_a_narrow_terminal_gets_several_tables_and_every_word(shown, width):
    text = shown(TABLE, width)
    assert max(map(len, text.splitlines())) <= width
    parts = text.count("human-human/throws_a_ball")
    assert parts == {60: 4, 80: 2, 132: 1}[width]
    assert parts == text.count("numbers") == text.count("continued") + 1
    assert (text.count("0.123"), text.count("45.678")) == (18, 18)
    assert all(f"{number} " in text for number in range(9))
    assert "…" not in text


def test_on_a_wide_one_a_row_is_a_line(shown):
    (row,) = [line for line in shown(TABLE, 400).splitlines() if "waves" in line]
    assert row.count("0.123 ± 45.678") == 9


def test_a_word_wider_than_the_terminal_is_still_shown(shown):
    text = shown(Table("t", ("", "value"), [("x" * 30, "1.0")]), 20)
    assert text.count("x") == 30
    assert "…" not in text
