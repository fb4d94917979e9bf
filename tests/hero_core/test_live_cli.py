import io

import pytest
from rich.console import Console

from hero_core.live_cli import ProgressTable, Row, live_table, rate_and_left
from hero_core.progress import Pace

NOTE = "epoch 3, loss 1.234, accuracy 0.4123, lr 2e-4, data wait 0 %, 612 MB, best 0.5123 at 300"


@pytest.fixture
def clock():
    return [0.0]


def row(clock, title):
    return Row(title, Pace(lambda: clock[0]))


def drawn(table, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue().splitlines()


def column(line, word):
    """Where a word ends."""
    return line.index(word) + len(word)


def test_a_wide_terminal_gets_one_aligned_line_for_each(clock):
    rows = [row(clock, "masked"), row(clock, "evaluator")]
    rows[0].report(100, 1500, NOTE)
    clock[0] += 10
    rows[0].report(150, 1500, NOTE)
    head, masked, evaluator = drawn(ProgressTable(rows), 120)
    assert "150/1500" in masked
    assert evaluator.strip("━ ") == "evaluator"
    for name, value in (("per s", "5"), ("left", "4 min"), ("loss", "1.234"), ("MB", "612")):
        assert column(head, f" {name}") == column(masked, f" {value}"), name
    assert masked.rstrip().endswith("0.5123 at 300")


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_nothing_is_cut_or_wrapped(clock, width):
    rows = [row(clock, "residual"), row(clock, "evaluator")]
    for done in (10, 1490):
        clock[0] += 100
        for each in rows:
            each.report(done, 1500, NOTE)
    lines = drawn(ProgressTable(rows), width)
    assert len(lines) == (3 if width >= 120 else 6)
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    assert "…" not in text
    for word in ("1490/1500", "0.4123", "0 %", "0.5123 at 300", "data wait"):
        assert word in text


def test_columns_stay_where_they_are(clock):
    each = row(clock, "rvq")
    table = ProgressTable([each])
    each.report(1000, 1500, "loss 123.4, best 0.5123 at 1000")
    before = drawn(table, 100)[0]
    each.report(1001, 1500, "loss 1, best 0.5 at 1")
    assert drawn(table, 100)[0] == before


def test_rate_and_time_left_and_taken(clock):
    pace = Pace(lambda: clock[0])
    pace.report(500)
    assert rate_and_left(pace, 500, 1000) == ("", "")
    clock[0] += 10
    pace.report(600)
    assert rate_and_left(pace, 600, 1000) == ("10", "40 s")
    clock[0] += 4
    pace.report(1000)
    assert rate_and_left(pace, 1000, 1000) == ("35.7", "took 14 s")


def test_the_last_state_stays_on_the_screen():
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    with live_table(["rvq", "evaluator"], console) as reports:
        reports["rvq"](7, 7, "loss 0.25")
        reports["evaluator"](3, 7, "loss 9.5, accuracy 0.1")
    last = console.file.getvalue().rpartition("done")[2]
    assert "7/7" in last
    assert "accuracy" in last
    assert "9.5" in last
