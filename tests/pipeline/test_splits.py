"""Splits keep source videos together, shares exact, and change nothing they were told."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hero_core.errors import InputError
from hero_core.records import Split
from pipeline.splits import Candidate, SplitConfig, apportion, assign_splits, leaking_groups

TRAIN: list[Split] = ["train"]


def candidates(per_subcategory: dict[str, int], pairs_per_group: int = 2) -> list[Candidate]:
    return [
        Candidate(f"{name}-{group}", name, None)
        for name, groups in per_subcategory.items()
        for group in range(groups)
        for _ in range(pairs_per_group)
    ]


def stated(*splits: Split | None) -> list[Candidate]:
    return [Candidate(f"v{number}", "a", split) for number, split in enumerate(splits)]


def groups_of(items: Sequence[Candidate], splits: Sequence[Split]) -> dict[Split, set[str]]:
    groups: dict[Split, set[str]] = {"train": set(), "val": set(), "test": set()}
    for item, split in zip(items, splits, strict=True):
        groups[split].add(item.group)
    return groups


def test_four_to_one_within_each_subcategory() -> None:
    items = candidates({"a": 20, "b": 40, "c": 5})
    splits = assign_splits(items, SplitConfig())
    counts = Counter((item.subcategory, split) for item, split in zip(items, splits, strict=True))
    assert [counts[name, "test"] for name in "abc"] == [8, 16, 2]  # pairs: two of every group
    assert sum(count for (_, split), count in counts.items() if split == "val") == 2 * round(52 * 0.1)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(3, 30), st.sampled_from("abcd")), max_size=60),
    st.integers(0, 5),
)
def test_a_source_video_is_on_one_side_only(pairs: list[tuple[int, str]], seed: int) -> None:
    items = [Candidate(str(group), subcategory, None) for group, subcategory in pairs]
    items += [Candidate(str(group), "a", None) for group in range(3)]
    splits = assign_splits(items, SplitConfig(seed=seed))
    groups = groups_of(items, splits)
    assert sum(map(len, groups.values())) == len({item.group for item in items})
    assert leaking_groups(items, splits) == []


def test_order_does_not_matter_and_the_seed_does() -> None:
    items = candidates({"a": 50, "b": 30}, pairs_per_group=1)
    straight = dict(zip(items, assign_splits(items, SplitConfig()), strict=True))
    backwards = dict(zip(items[::-1], assign_splits(items[::-1], SplitConfig()), strict=True))
    assert straight == backwards
    assert assign_splits(items, SplitConfig(seed=1)) != assign_splits(items, SplitConfig())


@pytest.mark.parametrize("subcategories", [1, 2, 10])
@pytest.mark.parametrize("count", range(3, 11))
def test_three_to_ten_videos_split_without_options(count: int, subcategories: int) -> None:
    items = [Candidate(f"v{number}", str(number % subcategories), None) for number in range(count)]
    groups = groups_of(items, assign_splits(items, SplitConfig()))
    assert len(groups["test"]) == max(1, round(0.2 * count))
    assert len(groups["val"]) == 1
    assert len(groups["train"]) == count - len(groups["test"]) - 1


@settings(max_examples=50, deadline=None)
@given(st.integers(3, 40), st.floats(0.001, 1), st.floats(0.001, 1))
def test_no_part_stays_empty_whatever_the_shares(count: int, test_share: float, val_share: float) -> None:
    items = candidates({"a": count}, pairs_per_group=1)
    config = SplitConfig(test_share=test_share, val_share=val_share)
    assert all(groups_of(items, assign_splits(items, config)).values())


def test_two_source_videos_split_with_the_option_that_the_message_names() -> None:
    items = candidates({"a": 1, "b": 1})
    with pytest.raises(InputError, match="2 source videos .* too few .*: --test-share 0 makes"):
        assign_splits(items, SplitConfig())
    assert Counter(assign_splits(items, SplitConfig(test_share=0))) == {"train": 2, "val": 2}


@pytest.mark.parametrize("test_share", [0, 0.2])
def test_one_source_video_cannot_be_divided(test_share: float) -> None:
    with pytest.raises(
        InputError, match="1 source videos .* cannot be divided .* add pairs of another video$"
    ):
        assign_splits(candidates({"a": 1}, pairs_per_group=5), SplitConfig(test_share=test_share))


def test_training_is_not_left_without_validation() -> None:
    items = candidates({"a": 10})
    with pytest.raises(InputError, match="--val-share 0: .*choose a share above 0"):
        assign_splits(items, SplitConfig(val_share=0))
    splits = assign_splits(stated("train", "val"), SplitConfig(val_share=0))
    assert splits == ["train", "val"]


def test_unseen_subcategories_are_the_test_part() -> None:
    items = candidates({"a": 10, "b": 10, "c": 10})
    splits = assign_splits(items, SplitConfig(unseen=("b",)))
    assert {i.subcategory for i, s in zip(items, splits, strict=True) if s == "test"} == {"b"}
    assert {i.subcategory for i, s in zip(items, splits, strict=True) if s != "test"} == {"a", "c"}
    with pytest.raises(InputError, match="'z'"):
        assign_splits(items, SplitConfig(unseen=("z",)))


def test_too_little_beside_the_unseen_subcategories() -> None:
    items = candidates({"a": 2, "b": 10, "c": 1})
    assert Counter(assign_splits(items, SplitConfig(unseen=("b", "c")))) == {"test": 22, "train": 2, "val": 2}
    with pytest.raises(InputError, match=r"1 source videos .* outside .*\['a', 'b'\].* fewer .*--unseen"):
        assign_splits(items, SplitConfig(unseen=("a", "b")))


def test_a_stated_split_is_kept_and_validation_comes_from_its_training_part() -> None:
    items = [Candidate(f"v{i}", "a", "test" if i < 10 else "train") for i in range(50)]
    items.append(Candidate("v0", "a", "train"))  # the data set's own leak
    splits = assign_splits(items, SplitConfig())
    assert all(split == "test" for split in splits[:10])
    assert Counter(splits)["val"] == 4
    assert splits[-1] == "train"
    assert leaking_groups(items, splits) == ["v0"]
    with pytest.raises(InputError, match="states its own split.*--resplit"):
        assign_splits(items, SplitConfig(unseen=("a",)))


@pytest.mark.parametrize("unseen", [(), ("b",)])
def test_a_split_made_anew_is_that_of_a_data_set_that_states_none(unseen: tuple[str, ...]) -> None:
    items = candidates({"a": 20, "b": 10})
    splits: list[Split] = ["train", "val", "test"]
    with_splits = [replace(item, stated=splits[number % 3]) for number, item in enumerate(items)]
    config = SplitConfig(unseen=unseen, resplit=True, seed=4)
    made = assign_splits(with_splits, config)
    assert made == assign_splits(items, config.model_copy(update={"resplit": False}))
    assert leaking_groups(with_splits, made) == []
    with pytest.raises(InputError, match="--val-share 0"):
        assign_splits(with_splits, SplitConfig(resplit=True, val_share=0))


def test_a_stated_validation_part_is_the_only_one() -> None:
    items = [*stated("val", "test", *TRAIN * 30, None), Candidate("v0", "a", "train")]
    splits = assign_splits(items, SplitConfig(val_share=0.5))
    assert splits == ["val", "test", *["train"] * 32]
    assert leaking_groups(items, splits) == ["v0"]


def test_a_small_stated_split_validates_on_one_source_video() -> None:
    for size in (2, 3, 4):
        splits = assign_splits(stated("test", *TRAIN * size), SplitConfig())
        assert Counter(splits) == {"test": 1, "val": 1, "train": size - 1}
    with pytest.raises(InputError, match="leaves 1 source videos .*state val for some"):
        assign_splits(stated("test", "train"), SplitConfig())
    with pytest.raises(InputError, match="no pair for training"):
        assign_splits(stated("test", "val"), SplitConfig())


def test_a_leaking_source_video_still_trains_but_never_validates() -> None:
    leak = [Candidate("v0", "a", "train")]
    assert assign_splits(stated("test", "train") + leak, SplitConfig()) == ["test", "val", "train"]
    with pytest.raises(InputError, match="leaves 0 source videos"):
        assign_splits(stated("test") + leak, SplitConfig())


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 100)), st.floats(0, 1))
def test_apportion_is_exact(sizes: dict[str, int], share: float) -> None:
    counts = apportion(sizes, share)
    assert sum(counts.values()) == round(share * sum(sizes.values()))
    assert all(abs(counts[name] - share * size) <= 1 for name, size in sizes.items())
