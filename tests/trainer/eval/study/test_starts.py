import shutil

import pytest

from hero_core.errors import HeroError
from hero_core.runs import checkpoint_path
from hero_core.storage import sha256_of_file
from trainer.eval.study.entries import ablation_entries, generator_entries
from trainer.eval.study.starts import in_words, with_starts


def entries(*generators):
    return generator_entries(generators, "demo", [])


def test_a_run_starts_the_tokenizers_of_all_generators_that_it_has_them_of_and_their_sizes_come_along(run):
    plain = entries("hero", "momask", "t2mgpt", "mld", "mdm")
    started = with_starts(plain, [str(run)])
    path = checkpoint_path(run, "rvq")
    assert [list(entry.starts) for entry in started] == [["rvq"], ["rvq"], [], [], []]
    assert {entry.starts["rvq"].sha256 for entry in started[:2]} == {sha256_of_file(path)}
    assert [entry.config.section("rvq").model.width for entry in started[:2]] == [8, 8]
    assert plain[0].config.section("rvq").model.width > 8
    assert started[2:] == plain[2:]
    assert in_words(started) == [f"rvq of HERO, MOMASK starts from {path}"]
    assert in_words(plain) == []


def test_one_that_is_named_for_a_generator_starts_that_alone_and_the_last_one_counts(run, tmp_path):
    other = tmp_path / "a=b"
    shutil.copytree(run, other)
    hero, momask = with_starts(entries("hero", "momask"), [str(run), f"momask:{other}"])
    assert hero.starts["rvq"].path == checkpoint_path(run, "rvq")
    assert momask.starts["rvq"].path == checkpoint_path(other, "rvq")
    assert not with_starts(entries("hero", "momask"), [f"momask:{other}"])[0].starts


def test_ablations_are_of_one_generator_and_start_alike(run):
    started = with_starts(ablation_entries("hero", "demo", []), [f"hero:{run}"])
    assert [entry.starts["rvq"].path for entry in started] == [checkpoint_path(run, "rvq")] * 4


@pytest.mark.parametrize(
    ("generators", "named", "reason"),
    [
        (["hero"], "momask:{run}", "--finetune momask: is not in this table"),
        (["mdm"], "mdm:{run}", "mdm has no part that learns from motions alone"),
        (["t2mgpt"], "t2mgpt:{run}", "neither a checkpoint nor a run with a trained vq"),
        (["mld"], "mld:{run}/rvq/best.safetensors", "holds a 'rvq' model, expected 'mld-vae'"),
        (["mld", "mdm"], "{run}", "starts nothing in this table: .*trained vae.*; mdm has no part"),
    ],
)
def test_what_starts_nothing_is_refused(run, generators, named, reason):
    with pytest.raises(HeroError, match=reason):
        with_starts(entries(*generators), [named.format(run=run)])
