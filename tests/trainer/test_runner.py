import pytest

from hero_core.errors import ConfigError, InputError
from hero_core.files import read_json, write_json
from trainer.run_folder import RunFolder
from trainer.training_state import Best


def test_a_finished_task_is_not_run_again(tmp_path, train_tiny):
    assert isinstance(train_tiny("evaluator", tmp_path), Best)
    assert train_tiny("evaluator", tmp_path, resume=True) is None
    with pytest.raises(InputError, match="--resume"):
        train_tiny("evaluator", tmp_path)


def test_imported_weights_count_as_finished(new_run, train_tiny):
    run = new_run("imported")
    for name in ("run.json", "config.json"):
        (run / "rvq" / name).unlink()
    assert train_tiny("rvq", run, resume=True) is None


def test_settings_and_data_must_agree_and_nothing_is_overwritten(tmp_path, train_tiny, make_data):
    with pytest.raises(Exception, match="^$"):
        train_tiny("evaluator", tmp_path / "run", kill_at=5)
    folder = tmp_path / "run" / "evaluator"
    before = (folder / "config.json").read_bytes(), (folder / "run.json").read_bytes()
    with pytest.raises(ConfigError, match="not the same settings"):
        train_tiny("evaluator", tmp_path / "run", "evaluator.margin=5", resume=True)
    other = make_data(tmp_path / "other", seed=1)
    with pytest.raises(ConfigError, match="not the same data"):
        train_tiny("evaluator", tmp_path / "run", data=other, resume=True)
    assert before == ((folder / "config.json").read_bytes(), (folder / "run.json").read_bytes())


def test_settings_of_other_tasks_and_reading_ahead_may_change(tmp_path, train_tiny):
    with pytest.raises(Exception, match="^$"):
        train_tiny("evaluator", tmp_path, kill_at=5)
    assert train_tiny("evaluator", tmp_path, "masked.training.lr=1", resume=True)


def test_stored_settings_come_back(tmp_path, train_tiny, tiny_config):
    train_tiny("evaluator", tmp_path)
    assert RunFolder(tmp_path, "evaluator").stored_config() == tiny_config()
    assert RunFolder(tmp_path, "rvq").stored_config() is None


def test_a_description_of_another_run_is_refused(tmp_path, train_tiny):
    train_tiny("evaluator", tmp_path)
    path = tmp_path / "evaluator" / "config.json"
    write_json(path, {**read_json(path), "unheard_of": 1})
    with pytest.raises(ConfigError, match="unheard_of"):
        RunFolder(tmp_path, "evaluator").stored_config()


def test_official_selection_is_written_down(tmp_path, train_tiny):
    train_tiny("evaluator", tmp_path, "selection=official-test")
    description = read_json(tmp_path / "evaluator" / "run.json")
    assert description["official_behaviour"]["selection_on_test"] is True
    assert description["counts"]["training_pairs"] == 14
    assert description["counts"]["validation_pairs"] == 2
