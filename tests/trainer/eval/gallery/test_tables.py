import pytest
import torch

from hero_core.runs import load_evaluator, load_run
from hero_core.view.document import ShownMotion, ShownSample
from tests.hero_core.view.motions import walk
from trainer.eval.gallery.tables import result_tables, shown_table
from trainer.eval.report import Subject, result_json


def sample(key: str, category: str, **metrics: float) -> ShownSample:
    return ShownSample(key, key, [ShownMotion("HERO", walk(4))], category, (), metrics)


def test_means_over_all_and_by_category():
    samples = [
        sample("a", "x", right=100, joints=1),
        sample("b", "y", right=50, joints=4),
        sample("c", "y", joints=1),
    ]
    table = shown_table(samples)
    assert table.columns == ["", "n", "answers right (%)", "joint gap (cm)"]
    assert table.rows == [["all", "3", "75", "2.0"], ["x", "1", "100", "1.0"], ["y", "2", "50", "2.5"]]
    assert len(shown_table(samples[1:]).rows) == 1
    assert shown_table([sample("d", "z")]).rows == [["all", "1"]]


def test_what_was_measured_of_the_run(result, run, data, short, make_subject):
    metrics, plausible = result_tables(result_json(result, make_subject()), "HERO")
    group = result.groups["all"].metrics["fid"]
    assert metrics.rows[1][:2] == ["HERO", f"{group.mean:.3f} ± {group.ci95:.3f}"]
    assert plausible.rows[0][0] == "true reactions"
    assert plausible.rows[0][1].startswith("100.0")


@pytest.fixture
def make_subject(run, data, short):
    def make() -> Subject:
        loaded = load_run(run, "best", short.sampling_overrides())
        return Subject(loaded, "best", load_evaluator(run)[1], data, "test", short, torch.device("cpu"))

    return make
