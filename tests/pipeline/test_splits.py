"""Splits keep source videos together, shares exact, and change nothing they were told."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hero_core.errors import InputError
from pipeline.splits import Candidate, SplitConfig, apportion, assign_splits, leaking_groups


def candidates(per_subcategory: dict[str, int], pairs_per_group: int = 2) -> list[Candidate]:
    return [
        Candidate(f"{name}-{group}", name, None)
        for name, groups in per_subcategory.items()
        for group in range(groups)
        for _ in range(pairs_per_group)
    ]


def test_four_to_one_within_each_subcategory() -> None:
    items = candidates({"a": 20, "b": 40, "c": 5})
    splits = assign_splits(items, SplitConfig())
    counts = Counter((item.subcategory, split) for item, split in zip(items, splits, strict=True))
    assert [counts[name, "test"] for name in "abc"] == [8, 16, 2]  # pairs: two a group
    assert sum(count for (_, split), count in counts.items() if split == "val") == 2 * round(52 * 0.1)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abcd")), min_size=1, max_size=60),
    st.integers(0, 5),
)
def test_a_source_video_is_on_one_side_only(pairs: list[tuple[int, str]], seed: int) -> None:
    items = [Candidate(str(group), subcategory, None) for group, subcategory in pairs]
    splits = assign_splits(items, SplitConfig(seed=seed))
    sides: dict[str, set[str]] = {}
    for item, split in zip(items, splits, strict=True):
        sides.setdefault(item.group, set()).add(split)
    assert all(len(side) == 1 for side in sides.values())
    assert leaking_groups(items, splits) == []


def test_order_does_not_matter_and_the_seed_does() -> None:
    items = candidates({"a": 50, "b": 30}, pairs_per_group=1)
    straight = dict(zip(items, assign_splits(items, SplitConfig()), strict=True))
    backwards = dict(zip(items[::-1], assign_splits(items[::-1], SplitConfig()), strict=True))
    assert straight == backwards
    assert assign_splits(items, SplitConfig(seed=1)) != assign_splits(items, SplitConfig())


def test_unseen_subcategories_are_the_test_part() -> None:
    items = candidates({"a": 10, "b": 10, "c": 10})
    splits = assign_splits(items, SplitConfig(unseen=("b",)))
    assert {i.subcategory for i, s in zip(items, splits, strict=True) if s == "test"} == {"b"}
    assert {i.subcategory for i, s in zip(items, splits, strict=True) if s != "test"} == {"a", "c"}
    with pytest.raises(InputError, match="'z'"):
        assign_splits(items, SplitConfig(unseen=("z",)))


def test_a_stated_split_is_kept_and_validation_comes_from_its_training_part() -> None:
    items = [Candidate(f"v{i}", "a", "test" if i < 10 else "train") for i in range(50)]
    items.append(Candidate("v0", "a", "train"))  # the data set's own leak
    splits = assign_splits(items, SplitConfig())
    assert all(split == "test" for split in splits[:10])
    assert Counter(splits)["val"] == 4
    assert splits[-1] == "train"
    assert leaking_groups(items, splits) == ["v0"]
    with pytest.raises(InputError, match="dev"):
        assign_splits([Candidate("v", "a", "dev")], SplitConfig())


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 100)), st.floats(0, 1))
def test_apportion_is_exact(sizes: dict[str, int], share: float) -> None:
    counts = apportion(sizes, share)
    assert sum(counts.values()) == round(share * sum(sizes.values()))
    assert all(abs(counts[name] - share * size) <= 1 for name, size in sizes.items())
