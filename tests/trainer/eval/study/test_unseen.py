from dataclasses import replace

import pytest

from hero_core.errors import InputError
from trainer.eval.study.unseen import require_unseen, suggested


def test_a_set_whose_test_split_is_seen_is_refused_with_the_command(data):
    with pytest.raises(InputError, match=r"nothing here is unseen.*--resplit --unseen \w+") as refused:
        require_unseen(data)
    assert str(data.folder) in str(refused.value)


def test_held_out_subcategories_are_named(make_set, entries, tmp_path):
    names = sorted({pair.subcategory for pair, _ in entries})
    unseen = set(names[:3])
    changed = []
    for number, (pair, vectors) in enumerate(entries):
        split = "test" if pair.subcategory in unseen else ("val" if number % 5 == 0 else "train")
        changed.append((replace(pair, split=split), vectors))
    lines = require_unseen(make_set(tmp_path, changed))
    assert lines[0].startswith(f"{len(names) - 3} subcategories seen, 3 unseen: ")
    assert all(name in lines[0] for name in unseen)


def test_what_is_suggested_can_be_learnt_from_the_others(entries):
    pairs = [pair for pair, _ in entries]
    names = suggested(pairs)
    assert names
    left = {pair.truth.reaction for pair in pairs if pair.subcategory not in names}
    assert {pair.truth.reaction for pair in pairs if pair.subcategory in names} <= left
