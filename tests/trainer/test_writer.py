import pytest

from trainer.writer import Writer


def test_files_are_there_when_it_closes_the_last_ones_written_last(tmp_path):
    with Writer() as writer:
        for number in range(20):
            writer.write((tmp_path / "one", str(number).encode()), (tmp_path / "two", b"x" * number))
    assert (tmp_path / "one").read_bytes() == b"19"
    assert len((tmp_path / "two").read_bytes()) == 19


def test_what_goes_wrong_is_raised(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"), Writer() as writer:
        writer.write((tmp_path / "file" / "below", b"x"))


def test_an_error_inside_the_block_is_the_one_that_is_raised(tmp_path):
    with pytest.raises(KeyError), Writer() as writer:
        writer.write((tmp_path / "one", b"x"))
        raise KeyError
    assert (tmp_path / "one").read_bytes() == b"x"
