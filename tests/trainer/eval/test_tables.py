from dataclasses import replace

import torch

from hero_core.runs import load_evaluator
from trainer.eval.evaluate import evaluate
from trainer.eval.tables import (
    asks_table,
    category_table,
    joint_table,
    matching_tables,
    metric_table,
    movement_table,
    plausibility_table,
    tables,
)


def test_the_tables_show_intervals_and_counts(result, entries):
    table = metric_table(result, "HERO")
    assert "n = 19" in table.title
    names = ["real", "tokenizer round trip", "HERO", "HERO, over clips"]
    assert [row[0] for row in table.rows] == names
    assert all("±" in cell for cell in table.rows[-2][1:5])
    assert all(" to " in cell for cell in table.rows[-1][1:5])
    assert float(table.rows[1][5]) > 0  # MPJPE
    by_category = category_table(result)
    animals = sum(pair.broad == "animal-human" for pair, _ in entries if pair.split == "test")
    assert by_category.rows[0][:2] == ("animal-human", str(animals))
    shown = plausibility_table(result.plausibility, "HERO")
    assert [row[0] for row in shown.rows] == [
        "true reactions",
        "tokenizer round trip",
        "HERO",
        "HERO, one frame only",
        "HERO, frames reversed",
        "HERO, frames shuffled",
        "HERO, another clip",
        "classifier on the global feature",
        "nearest training clip",
        "best constant answer",
        "uniform guess",
    ]
    assert shown.columns[3] == "onset within 0.25 s"
    constant = {row[0]: row[1:] for row in shown.rows}["best constant answer"]
    assert all(cell != "-" for cell in constant)
    assert [note.split(": ")[0] for note in shown.notes] == [row[0] for row in shown.rows[:-1]]
    asked = asks_table(result.plausibility, "HERO")
    assert sum(int(row[1]) for row in asked.rows) == 18
    for one in tables(result, "HERO"):
        assert all(len(row) == len(one.columns) for row in one.rows)


def test_a_generator_without_tokens_has_no_such_row(run, data, short, echo):
    result = evaluate(echo(), load_evaluator(run)[0], data.held_out("test"), short, torch.device("cpu"))
    assert [row[0] for row in metric_table(result, "ECHO").rows] == ["real", "ECHO", "ECHO, over clips"]
    rows = plausibility_table(result.plausibility, "ECHO").rows
    assert [row[0] for row in rows][:3] == ["true reactions", "ECHO", "ECHO, one frame only"]


def test_the_evaluator_of_joints_has_a_table_of_its_own(result):
    table = joint_table(result, "HERO")
    assert [row[0] for row in table.rows] == ["real", "tokenizer round trip", "HERO", "HERO, over clips"]
    assert table.rows[2][1] == metric_cell(result, "joint_fid")
    assert joint_table(replace_metrics(result, "joint"), "HERO") is None


def test_fit_to_the_video_stands_beside_chance(result):
    first, second = matching_tables(result, "HERO")
    names = [
        "real",
        "  over clips",
        "tokenizer round trip",
        "  over clips",
        "HERO",
        "  over clips",
        "by chance",
    ]
    assert [row[0] for row in first.rows] == [row[0] for row in second.rows] == names
    assert "Its own among 18" in first.title
    assert first.rows[-1][1:] == ("0.056", "0.111", "0.167", "-")
    assert all(" to " in cell for cell in first.rows[-2][1:])
    assert matching_tables(replace_metrics(result, "mm_distance"), "HERO") == []


def test_movement_is_shown_in_millimetres(result):
    table = movement_table(result, "HERO")
    assert [row[0] for row in table.rows][::2] == ["real", "tokenizer round trip", "HERO"]
    jerk = result.groups["all"].metrics["real_peak_jerk_m_s3"].mean
    assert table.rows[0][5] == f"{jerk:.0f}"
    floating = result.groups["all"].metrics["real_floating_m"].mean
    assert table.rows[0][3] == f"{1000 * floating:.1f}"


def test_tables_of_measures_fit_100_columns(result):
    for table in (
        metric_table(result, "HERO"),
        *matching_tables(result, "HERO"),
        movement_table(result, "HERO"),
    ):
        heads = [max(map(len, column.split("\n"))) for column in table.columns]
        cells = [max(len(row[place]) for row in table.rows) for place in range(1, len(heads))]
        widths = [12, *map(max, zip(heads[1:], cells, strict=True))]  # a method's name may take two lines
        assert sum(widths) + 3 * len(widths) + 1 <= 100


def metric_cell(result, name):
    summary = result.groups["all"].metrics[name]
    return f"{summary.mean:.3f} ± {summary.ci95:.3f}"


def replace_metrics(result, without):
    """The result without the metrics in whose names this is."""
    group = result.groups["all"]
    metrics = {name: each for name, each in group.metrics.items() if without not in name}
    return replace(result, groups={**result.groups, "all": replace(group, metrics=metrics)})
