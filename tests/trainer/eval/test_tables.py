import torch

from hero_core.runs import load_evaluator
from trainer.eval.evaluate import evaluate
from trainer.eval.tables import asks_table, category_table, metric_table, plausibility_table, tables


def test_the_tables_show_intervals_and_counts(result, entries):
    table = metric_table(result, "HERO")
    assert "n = 19" in table.title
    names = ["real", "tokenizer round trip", "HERO", "HERO, over clips"]
    assert [row[0] for row in table.rows] == names
    assert all("±" in cell for cell in table.rows[-2][1:4])
    assert all(" to " in cell for cell in table.rows[-1][1:4])
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
