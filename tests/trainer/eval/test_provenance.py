import pytest
import torch

from hero_core.errors import FingerprintError, WeightsError
from hero_core.files import write_json
from trainer.data import DATA_KEY
from trainer.eval.held_out import open_held_out
from trainer.eval.provenance import check_provenance


def _check(run, data):
    return check_provenance(run, "best", run / "evaluator" / "best", open_held_out(data), torch.device("cpu"))


def test_names_the_weights(random_run, truth_folder):
    fingerprint = open_held_out(truth_folder).fingerprint
    found = _check(random_run, truth_folder)
    assert found.run["masked"][DATA_KEY] == fingerprint
    assert len({found.run[part]["sha256"] for part in ("rvq", "masked", "residual")}) == 3
    assert any("same evaluator" in remark for remark in found.remarks)


def test_refuses_a_run_of_other_data(truth_folder, make_random_run, tmp_path):
    make_random_run(tmp_path, truth_folder, {DATA_KEY: "another"})
    with pytest.raises(FingerprintError, match="trained on data another, but "):
        _check(tmp_path, truth_folder)


def test_remarks_on_weights_that_do_not_say(truth_folder, make_random_run, tmp_path):
    make_random_run(tmp_path, truth_folder, {"imported_from": "net_best_fid.tar"})
    remarks = _check(tmp_path, truth_folder).remarks
    assert [remark.split(":")[0] for remark in remarks] == ["rvq", "masked", "residual"]


def test_remarks_on_checkpoints_chosen_on_the_test_split(truth_folder, make_random_run, tmp_path):
    make_random_run(tmp_path, truth_folder, {DATA_KEY: open_held_out(truth_folder).fingerprint})
    write_json(tmp_path / "masked" / "run.json", {"selection": "official-test"})
    assert any(
        "masked: checkpoint chosen on the test split" in r for r in _check(tmp_path, truth_folder).remarks
    )


def test_a_missing_part_says_how_to_get_it(truth_folder, tmp_path):
    with pytest.raises(WeightsError, match="rvq/best: no checkpoint here; train it with hero-train"):
        _check(tmp_path, truth_folder)
