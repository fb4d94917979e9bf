import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hero_core.errors import FingerprintError, InputError
from hero_core.fingerprint import EncoderIdentity
from hero_core.runs import EVALUATORS, load_evaluator, load_run
from trainer.eval.protocol import OfficialSwitches
from trainer.eval.report import Subject, notes, result_json

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def make_subject(short):
    def make(run, data, split="test", sampling=("steps=2",), **config):
        chosen = short.model_copy(update=config)
        origin, joints = (load_evaluator(run, name)[1] for name in EVALUATORS)
        loaded = load_run(run, "best", sampling)
        return Subject(loaded, "best", origin, data, split, chosen, CPU, joints)

    return make


@pytest.fixture(scope="module")
def subject(make_subject, run, data):
    return make_subject(run, data)


def test_the_pairs_of_the_split_stay_out_of_training(subject, data):
    measured = {row.pair.key for row in subject.samples.rows}
    assert len(measured) == 19
    assert {row.pair.split for row in subject.samples.rows} == {"test"}
    seen = {row.pair.key for samples in (data.train(), data.validation()) for row in samples.rows}
    assert seen.isdisjoint(measured)


def test_truths_say_which_reactions_move(subject):
    truths = [row.pair.truth for row in subject.samples.rows]
    assert {truth.reaction for truth in truths if not truth.moves} == {"stand"}
    assert {truth.onset_seconds > 0 for truth in truths if truth.moves} == {True}


def test_the_report_holds_everything_and_is_json(result, subject, data):
    values = json.loads(json.dumps(result_json(result, subject), allow_nan=False))
    assert values["schema"] == "evaluation/5"
    assert values["statements"] == [
        "MiniViMo is procedural, not ViMo.",
        "Random numbers instead of features.",
    ]
    assert values["counts"] == {
        "pairs": 19,
        "clips": 18,
        "motions": 19,
        "skipped_without_video": 0,
        "skipped_shorter_than_one_token": 0,
        "left_out_not_first_of_clip": 0,
    }
    assert (values["data"]["fingerprint"], values["data"]["split"]) == (data.fingerprint, "test")
    assert values["data"]["features"] == data.identity.model_dump(mode="json")
    assert values["run"]["trained_on"]["fingerprint"] == data.fingerprint
    assert values["run"]["masked"]["seed"] == 3
    assert len({values["run"][part]["sha256"] for part in ("rvq", "masked", "residual")}) == 3
    assert values["config"]["repeats"] == 2
    assert (values["config"]["sampling"]["steps"], values["config"]["sampling"]["temperature"]) == (2, 1)
    fid = values["metrics"]["all"]["generated"]["fid"]
    assert fid["mean"] == pytest.approx(np.mean(fid["values"]))
    assert values["metrics"]["all"]["real"]["diversity"]["ci95"] >= 0
    assert values["metrics"]["all"]["diversity_pairs"] == 13
    trip, true = values["metrics"]["all"]["reconstruction"], values["metrics"]["all"]["real"]
    assert {"fid", "kid", "mpjpe_m", "joint_fid", "skating_m_s", "r_precision_1"} <= trip.keys()
    assert trip["mpjpe_m"]["mean"] > 0
    assert {"diversity", "joint_diversity", "peak_jerk_m_s3", "mm_distance"} <= true.keys()
    assert true["peak_jerk_m_s3"]["clips"]["low"] < true["peak_jerk_m_s3"]["mean"]
    assert values["r_precision_pool"] == 18
    assert values["joint_evaluator"]["file"].endswith("joint_evaluator/best.safetensors")
    assert values["plausibility"]["generated"]["shares"]["reaction"]["clips"] == 18
    assert values["plausibility"]["uniform"]["side"] == 0.5
    constant = values["plausibility"]["constant"]
    assert constant["row"] == "best constant answer"
    assert constant["shares"]["onset"].keys() == {"share", "low", "high", "clips"}
    assert fid["clips"]["low"] < fid["clips"]["high"]
    asked = values["plausibility"]["asks"].values()
    assert sum(kind["shares"]["all"]["clips"] for kind in asked) == 18


def test_one_pair_for_every_clip_where_the_protocol_says_so(make_subject, run, data, result):
    subject = make_subject(run, data, pairs="first")
    keys = [row.pair.clip_key for row in subject.samples.rows]
    assert len(keys) == len(set(keys)) == 18
    assert "1 pairs left out: only the first pair of every clip is measured" in notes(result, subject)


def test_the_notes_say_what_intervals_cover(make_subject, run, data, result):
    found = notes(result, make_subject(run, data))
    assert any(
        "Student's t over the 2 repeats" in note and "does not cover which clips" in note for note in found
    )
    assert any("20 resamples of the clips" in note for note in found)
    published = notes(result, make_subject(run, data, intervals="paper", bootstrap=0))
    assert any("1.96 std / sqrt(n), as published" in note for note in published)
    assert not any("resamples" in note for note in published)


def test_rows_that_could_not_be_fitted_are_missed_aloud(make_subject, run, data, result):
    bare = {name: row for name, row in result.plausibility.answers.items() if name != "classifier"}
    unfitted = replace(result, plausibility=replace(result.plausibility, answers=bare))
    assert any(
        "no rows fitted on training clips" in note for note in notes(unfitted, make_subject(run, data))
    )
    assert not any("no rows fitted" in note for note in notes(result, make_subject(run, data)))
    on_val = notes(result, make_subject(run, data, split="val"))
    assert "the classifier's penalty was chosen on the clips measured here" in on_val


def test_small_sets_are_called_small(result, subject):
    found = notes(replace(result, embedding_dim=18), subject)
    animals = result.groups["animal-human"].pairs
    assert any("fewer than 100 motions is biased upwards: all (n = 19)" in note for note in found)
    assert any("rank-deficient" in note and f"animal-human (n = {animals})" in note for note in found)


def test_what_an_evaluator_cannot_say_is_missed_aloud(result, subject, data):
    found = notes(result, subject)
    assert any("own clip among 18" in note for note in found)
    assert not any(note.startswith("no ") for note in found)
    group = result.groups["all"]
    metrics = {name: each for name, each in group.metrics.items() if "mm_distance" not in name}
    bare = replace(result, pool=None, groups={**result.groups, "all": replace(group, metrics=metrics)})
    found = notes(bare, replace(subject, joint_evaluator=None))
    (matching,) = (note for note in found if note.startswith("no R-precision"))
    assert f"hero-train evaluator {data.folder} --out ANOTHER_RUN makes one that can" in matching
    (joints,) = (note for note in found if note.startswith("no numbers of an evaluator that sees joints"))
    assert f"hero-train joint_evaluator {data.folder}" in joints


def test_official_quirks_are_named(result, make_subject, run, data):
    official = make_subject(
        run, data, sampling=("decode_padded=true",), official=OfficialSwitches(random_crops=True)
    )
    assert official.official_settings() == ["official.random_crops", "sampling.decode_padded"]
    found = notes(result, official)
    assert "official quirks on: official.random_crops, sampling.decode_padded" in found
    assert any("plausibility not judged" in note for note in found)


def test_on_the_runs_own_data_only_the_evaluator_is_remarked_on(subject):
    (remark,) = subject.remarks()
    assert "same evaluator" in remark
    assert subject.official_settings() == []


def test_other_data_of_the_same_features_is_measured_and_both_are_named(make_subject, run, data, other_data):
    subject = make_subject(run, other_data)
    other, _, evaluator, joints = subject.remarks()
    assert joints.startswith("the joint_evaluator was trained on other data: MiniViMo")
    assert f"rvq, masked, residual: trained on MiniViMo ({data.fingerprint})" in other
    assert f"measured on OtherSet ({other_data.fingerprint})" in other
    assert f"trained on other data: MiniViMo ({data.fingerprint})" in evaluator


def test_other_features_are_refused_with_what_differs(
    make_subject, make_set, entries, identity, run, tmp_path
):
    encoder = EncoderIdentity(name="tc-clip", architecture={"width": 8}, weights_sha256="0")
    other = make_set(tmp_path, entries, identity(encoder=encoder, batch_clips=8))
    with pytest.raises(
        FingerprintError, match=r"\(batch_clips: 1 != 8; encoder.name: random != tc-clip\)"
    ) as refused:
        make_subject(run, other)
    assert str(run / "masked") in str(refused.value)


def test_a_tokenizer_may_come_from_data_without_videos(make_subject, make_run, data, tmp_path):
    """Pre-training on motions alone, which have no features to agree with."""
    run = make_run(tmp_path, data)
    subject = make_subject(run, data)
    rvq = subject.run.origins["rvq"]
    pretrained = {"data": {"name": "HumanML3D", "fingerprint": "abc", "features": None}}
    origins = {**subject.run.origins, "rvq": replace(rvq, metadata=pretrained)}
    subject = replace(subject, run=replace(subject.run, origins=origins))
    assert any(remark.startswith("rvq: trained on HumanML3D (abc)") for remark in subject.remarks())


def test_remarks_on_weights_that_do_not_say(make_subject, make_run, data, tmp_path):
    subject = make_subject(make_run(tmp_path, data, {"imported_from": "net_best_fid.tar"}), data)
    remarks = subject.remarks()
    assert [remark.split(":")[0] for remark in remarks] == ["rvq", "masked", "residual"]
    assert all("do not say what data they were trained on" in remark for remark in remarks)


def test_remarks_on_checkpoints_chosen_on_the_test_split(make_subject, make_run, data, tmp_path):
    run = make_run(tmp_path, data, {"data": data.facts(), "selection": "official-test"})
    (remark,) = (remark for remark in make_subject(run, data).remarks() if "test split" in remark)
    assert remark.startswith("rvq, masked, residual: checkpoint chosen on the test split")


def test_what_cannot_be_measured_is_counted(make_subject, make_set, result, entries, run, tmp_path):
    test = [row for row, (pair, _) in enumerate(entries) if pair.split == "test"]
    changed = list(entries)
    for row in test[:2]:
        changed[row] = (replace(entries[row][0], clip_key=None), entries[row][1])
    changed[test[2]] = (replace(entries[test[2]][0], length=3), entries[test[2]][1][:3])
    subject = make_subject(run, make_set(tmp_path, changed))
    counts = result_json(result, subject)["counts"]
    assert (counts["pairs"], counts["skipped_without_video"]) == (16, 2)
    assert counts["skipped_shorter_than_one_token"] == 1
    found = notes(result, subject)
    assert "2 motions left out: without a video" in found
    assert "1 pairs left out: motions shorter than one token" in found


def test_a_split_without_videos_or_pairs_is_refused(make_subject, make_set, entries, run, tmp_path):
    motions = [
        (replace(pair, clip_key=None) if pair.split == "test" else pair, vectors) for pair, vectors in entries
    ]
    with pytest.raises(InputError, match="no pair of the test split has a video"):
        _ = make_subject(run, make_set(tmp_path / "motions", motions)).samples
    rest = [entry for entry in entries if entry[0].split != "test"]
    with pytest.raises(InputError, match="no pairs in split test"):
        _ = make_subject(run, make_set(tmp_path / "rest", rest)).samples
