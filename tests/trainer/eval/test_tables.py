import torch

from hero_core.runs import load_evaluator
from trainer.eval.evaluate import evaluate
from trainer.eval.tables import category_table, metric_table, plausibility_table, tables


def test_the_tables_show_intervals_and_counts(result):
    table = metric_table(result, "HERO")
    assert "n = 19" in table.title
    assert [row[0] for row in table.rows] == ["real", "tokenizer round trip", "HERO"]
    assert all("±" in cell for cell in table.rows[-1][1:4])
    by_category = category_table(result)
    assert by_category.rows[0][:2] == ("animal-human", "2")
    shown = plausibility_table(result.plausibility, "HERO")
    assert [row[0] for row in shown.rows] == [
        "true reactions",
        "tokenizer round trip",
        "HERO",
        "HERO, features of another clip",
        "best constant answer",
        "uniform guess",
    ]
    assert shown.columns[3] == "onset within 0.25 s"
    for one in tables(result, "HERO"):
        assert all(len(row) == len(one.columns) for row in one.rows)


def test_a_generator_without_tokens_has_no_such_row(run, data, short, echo):
    result = evaluate(echo(), load_evaluator(run)[0], data.held_out("test"), short, torch.device("cpu"))
    assert [row[0] for row in metric_table(result, "ECHO").rows] == ["real", "ECHO"]
    rows = plausibility_table(result.plausibility, "ECHO").rows
    assert [row[0] for row in rows][:3] == ["true reactions", "ECHO", "ECHO, features of another clip"]
