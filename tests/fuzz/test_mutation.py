import json

import numpy as np

from tests.fuzz.mutation import CHANGES, mutated, mutated_json

WHOLE, OTHER = np.random.default_rng(0).bytes(2000), np.random.default_rng(1).bytes(900)


def test_a_number_gives_the_same_damage_and_another_one_another() -> None:
    mutants = [mutated(WHOLE, OTHER, seed) for seed in range(100)]
    assert mutants == [mutated(WHOLE, OTHER, seed) for seed in range(100)]
    assert WHOLE not in mutants
    assert len({*mutants}) > 95
    assert min(map(len, mutants)) < 500
    assert max(map(len, mutants)) > 2500


def test_every_kind_of_change_bears_any_size() -> None:
    rng = np.random.default_rng(0)
    for change in CHANGES:
        for size in (0, 1, 2, 300):
            for _ in range(20):
                change(WHOLE[:size], OTHER[: 2 * size], rng)


def test_json_stays_json_and_changes_in_one_place() -> None:
    whole = {"a": {"b": [1, 2, 3]}, "c": "d"}
    found = [json.loads(mutated_json(json.dumps(whole).encode(), seed)) for seed in range(100)]
    assert {"a": {"b": [1, 2, 3]}} in found
    assert {"a": {}, "c": "d"} in found
    assert any(isinstance(each.get("a"), dict) and each["a"].get("b") == [1, None, 3] for each in found)
