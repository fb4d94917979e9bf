from threading import active_count

import pytest

from trainer.data.ahead import BATCHES_AHEAD, read_ahead


def test_everything_comes_in_order():
    assert list(read_ahead(iter(range(50)))) == list(range(50))


def test_what_goes_wrong_is_raised_in_its_place():
    def broken():
        yield from range(3)
        raise OSError("disk")

    seen = []
    with pytest.raises(OSError, match="disk"):
        seen.extend(each for each in read_ahead(broken()))
    ahead = read_ahead(broken())
    assert [next(ahead) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="disk"):
        next(ahead)


def test_no_more_is_read_than_needed_and_the_thread_ends():
    taken = []

    def endless():
        number = 0
        while True:
            taken.append(number)
            yield number
            number += 1

    before = active_count()
    ahead = read_ahead(endless())
    assert [next(ahead) for _ in range(5)] == list(range(5))
    ahead.close()
    assert len(taken) <= 5 + BATCHES_AHEAD + 2
    assert active_count() == before
