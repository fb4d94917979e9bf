import pytest

from tests.trainer.eval.test_cli import SHORT, hero_eval  # noqa: F401  a fixture

COMMON = ("--repeats", 2, "--seed", 5, "--device", "cpu", *SHORT)


@pytest.fixture
def measured(hero_eval, run, data, tmp_path):  # noqa: F811
    """Two results of one run, of which one has more of a chance."""
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    for path, steps in zip(paths, (2, 1), strict=True):
        more = ("--set", f"sampling.steps={steps}", "--out", path)
        code, _, problem = hero_eval("metrics", run, "--data", data.folder, *COMMON, *more)
        assert code == 0, problem
    return paths


def test_compares_and_writes_a_table(hero_eval, measured, tmp_path):  # noqa: F811
    code, shown, problem = hero_eval("compare", *measured, "--out", tmp_path / "tables")
    assert code == 0, problem
    assert "ground truth" in shown
    title = f"clip by clip, how much more {measured[1]} has than {measured[0]}"
    assert "".join(title.split()) in "".join(shown.split())  # long paths are folded
    written = (tmp_path / "tables" / "compare.md").read_text()
    assert all(f"| {path} |" in written for path in measured)
    code, _, problem = hero_eval("compare", measured[0], measured[0])
    assert code == 2
    assert "at least two runs" in problem


def test_prints_every_category(hero_eval, measured, data):  # noqa: F811
    code, shown, _ = hero_eval("by-category", measured[0])
    assert code == 0
    assert "by broad category" in shown
    assert "by subcategory" in shown
    code, _, problem = hero_eval("by-category", data.folder)
    assert code == 2
    assert "no result; measure first: hero-eval metrics" in problem
