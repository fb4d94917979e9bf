import json

import numpy as np
import pytest
import torch

from hero_core.errors import InputError
from hero_core.runs import load_evaluator, load_hero
from trainer.eval.evaluate import evaluate
from trainer.eval.held_out import open_held_out
from trainer.eval.metrics import confidence_interval
from trainer.eval.protocol import OfficialSwitches
from trainer.eval.provenance import Provenance
from trainer.eval.report import (
    category_table,
    metric_table,
    notes,
    official_settings,
    plausibility_table,
    result_json,
)
from trainer.eval.scores import mpjpe_of_set, reconstruct

CPU = torch.device("cpu")
NOWHERE = Provenance({}, {}, "cpu", {}, ())


@pytest.fixture(scope="module")
def data(truth_folder):
    return open_held_out(truth_folder)


@pytest.fixture(scope="module")
def run_evaluation(random_run, data):
    def run(config):
        hero = load_hero(random_run, sampling=config.sampling)
        return evaluate(hero, load_evaluator(random_run), data, config, CPU)

    return run


@pytest.fixture(scope="module")
def result(run_evaluation, short):
    return run_evaluation(short)


def test_measures_all_pairs_and_every_broad_category(result, data):
    assert list(result.groups) == ["all", "animal-human", "human-human", "scene-human"]
    assert result.groups["all"].pairs == len(data.pairs)
    assert sum(group.pairs for name, group in result.groups.items() if name != "all") == len(data.pairs)


def test_every_metric_has_a_value_a_repeat_and_their_interval(result, short):
    metrics = result.groups["all"].metrics
    assert set(metrics) == {"real_diversity", "fid", "diversity", "multimodality"}
    for summary in metrics.values():
        assert len(summary.values) == short.repeats
        assert np.isfinite(summary.values).all()
        assert summary.interval == confidence_interval(summary.values)


def test_the_same_seed_gives_the_same_numbers(result, run_evaluation, short):
    again = run_evaluation(short)
    assert again.groups == result.groups
    assert again.plausibility == result.plausibility


def test_plausibility_stands_beside_control_and_ceiling(result, short):
    answers = result.plausibility.answers
    assert set(answers) == {"generated", "control", "real", "reconstruction"}
    assert answers["generated"].reactions == short.repeats
    assert answers["control"].reactions == short.control_repeats
    assert answers["real"].shares["reaction"].share > 0.9  # whole tokens cut up to 3 frames off
    assert answers["generated"].shares["reaction"].share < 0.5  # random weights


def test_the_round_trip_is_measured_on_the_models_own_tokens(random_run, data):
    codec = load_hero(random_run).codec
    motions = [pair.sample.motion[:40] for pair in data.pairs[:2]]
    rebuilt = reconstruct(codec, motions, CPU)
    assert [motion.shape for motion in rebuilt] == [(40, 263)] * 2
    assert mpjpe_of_set(motions, motions) == 0
    assert mpjpe_of_set(motions, rebuilt) > 0.01


def test_features_of_another_size_are_refused(random_run, data_folder, short):
    with pytest.raises(InputError, match="features of 16 values, but the model was made for 8"):
        evaluate(load_hero(random_run), load_evaluator(random_run), open_held_out(data_folder), short, CPU)


def test_the_report_holds_everything_and_is_json(result, data, short):
    values = json.loads(json.dumps(result_json(result, data, short, NOWHERE), allow_nan=False))
    assert values["schema"] == "evaluation/1"
    assert values["statements"] == [
        "MiniViMo is procedural, not ViMo.",
        "Random numbers instead of features.",
    ]
    assert values["counts"] == {"pairs": 19, "clips": 18, "motions": 19, "skipped_shorter_than_one_token": 0}
    assert values["data"]["fingerprint"] == data.fingerprint
    assert values["config"]["repeats"] == 2
    fid = values["metrics"]["all"]["generated"]["fid"]
    assert fid["mean"] == pytest.approx(np.mean(fid["values"]))
    assert values["plausibility"]["generated"]["shares"]["reaction"]["clips"] == 18
    assert values["plausibility"]["chance"]["uniform"]["side"] == 0.5


def test_the_tables_show_intervals_and_counts(result):
    table = metric_table(result)
    assert "n = 19" in table.title
    assert [row[0] for row in table.rows] == ["real", "tokenizer round trip", "HERO"]
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert all("±" in cell for cell in table.rows[-1][1:4])
    by_category = category_table(result)
    assert by_category.rows[0][:2] == ("animal-human", "2")
    assert all(len(row) == len(by_category.columns) for row in by_category.rows)
    shown = plausibility_table(result.plausibility)
    assert [row[0] for row in shown.rows][-2:] == ["best constant answer", "uniform guess"]
    assert all(len(row) == len(shown.columns) for row in shown.rows)


def test_small_sets_are_called_small(result, data, short):
    found = notes(result, data, short)
    assert any("fewer than 100 motions is biased upwards: all (n = 19)" in note for note in found)
    assert any("rank-deficient" in note and "animal-human (n = 2)" in note for note in found)


def test_official_quirks_are_named_and_stop_the_judge(run_evaluation, data, short):
    config = short.model_copy(update={"official": OfficialSwitches(random_crops=True), "repeats": 1})
    result = run_evaluation(config)
    assert result.plausibility is None
    assert official_settings(config) == ["official.random_crops"]
    assert any("plausibility not judged" in note for note in notes(result, data, config))
