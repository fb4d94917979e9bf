from collections import Counter

from pipeline.data_page.choose import choose
from tests.pipeline.data_page.entries import entry

ENTRIES = [entry(index, ("common", "rare")[index >= 90]) for index in range(100)]
SCORES = [float(index in (3, 50, 95)) * index for index in range(100)]


def test_half_are_the_most_unusual_and_half_are_of_all_categories() -> None:
    chosen = choose(ENTRIES, SCORES, 22, 0)
    assert len(set(chosen)) == len(chosen) == 22
    assert chosen[:6:2] == [95, 50, 3]
    drawn = Counter(ENTRIES[index].title for index in chosen[1::2])
    assert drawn["rare"] >= 5  # equal shares, though nine of ten are common


def test_the_seed_draws_and_outliers_stay() -> None:
    one, other = choose(ENTRIES, SCORES, 20, 0), choose(ENTRIES, SCORES, 20, 1)
    assert one == choose(ENTRIES, SCORES, 20, 0)
    assert one != other
    assert one[::2] == other[::2]


def test_all_where_there_is_room_for_all() -> None:
    assert sorted(choose(ENTRIES, SCORES, 1000, 0)) == list(range(100))
    assert choose(ENTRIES[:1], SCORES[:1], 5, 0) == [0]
    assert choose(ENTRIES, SCORES, 1, 0) == [95]
