from pathlib import Path

import pytest
import torch

from hero_core.errors import OutputError
from hero_core.models.checkpoint import Snapshot, unpack
from trainer.writer import Writer


def holding(number: int) -> Snapshot:
    return Snapshot.of({"x": torch.tensor(number)}, {})


def number_in(path: Path) -> int:
    return int(unpack(path.read_bytes(), path)[1]["x"])


def test_files_are_there_when_it_closes_the_last_ones_written_last(tmp_path):
    with Writer() as writer:
        for number in range(20):
            writer.write((tmp_path / "one", holding(number)), (tmp_path / "two", holding(-number)))
    assert number_in(tmp_path / "one") == 19
    assert number_in(tmp_path / "two") == -19


def test_what_changes_after_it_was_asked_is_not_written(tmp_path):
    tensor = torch.zeros(())
    with Writer() as writer:
        writer.write((tmp_path / "one", Snapshot.of({"x": tensor}, {})))
        tensor += 1
    assert number_in(tmp_path / "one") == 0


def test_what_goes_wrong_is_raised(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="file"), Writer() as writer:
        writer.write((tmp_path / "file" / "below", holding(0)))


def test_what_went_wrong_is_raised_by_a_later_write(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with Writer() as writer:
        writer.write((tmp_path / "file" / "below", holding(0)))
        with pytest.raises(OutputError, match="file"):
            for number in range(3):
                writer.write((tmp_path / "one", holding(number)))


def test_an_error_inside_the_block_is_the_one_that_is_raised(tmp_path):
    with pytest.raises(KeyError), Writer() as writer:
        writer.write((tmp_path / "one", holding(1)))
        raise KeyError
    assert number_in(tmp_path / "one") == 1
