"""The benchmark of all generators: what is timed of one, and how it is written down."""

import pytest
import torch

from benchmarks.generators import Costs, side_by_side, table

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def results():
    return side_by_side({"t2mgpt": Costs("t2mgpt", "demo", CPU)}, times=1, device=CPU)


def test_every_part_and_a_reaction_are_timed(results):
    found = results["t2mgpt"]
    assert set(found["seconds"]) == {"step of vq", "step of gpt", "one reaction"}
    assert all(seconds > 0 for seconds in found["seconds"].values())
    assert set(found["parameters_millions"]) == set(found["batch_sizes"]) == {"vq", "gpt"}


def test_the_table_has_a_line_for_each(results):
    lines = table(results).splitlines()
    assert len(lines) == 2 + 3
    assert lines[-1].startswith("| t2mgpt | one reaction | ")
    assert lines[-1].split(" | ")[3] == "1"  # one video
