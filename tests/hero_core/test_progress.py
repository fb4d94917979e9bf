import pytest

from hero_core.progress import Pace, duration, items


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def run(pace, clock, reports):
    """Reports are (seconds since the one before, done)."""
    for seconds, done in reports:
        clock.seconds += seconds
        pace.report(done)


@pytest.mark.parametrize(
    "reports",
    [
        [(0.5, step) for step in range(1, 100)],  # each step
        [(5.0, step) for step in range(10, 200, 10)],  # ten steps at a time
        [(0.0 if step % 10 else 5.0, step) for step in range(1, 200)],  # ten reports in a burst
        [(0.5, step) for step in range(5001, 5100)],  # resumed
        [(60.0, step) for step in range(120, 1000, 120)],  # slower than what counts as recent
        [(0.5, 1), (0.5, 2)],
    ],
    ids=["steps", "tens", "bursts", "resumed", "slow", "two"],
)
def test_two_steps_a_second_are_seen_however_they_are_reported(clock, reports):
    pace = Pace(clock)
    run(pace, clock, reports)
    assert pace.per_second() == pytest.approx(2.0)


def test_the_pace_is_of_the_last_seconds(clock):
    pace = Pace(clock)
    run(pace, clock, [(0.5, step) for step in range(1, 200)])
    run(pace, clock, [(0.25, step) for step in range(200, 250)])
    assert pace.per_second() == pytest.approx(4.0)
    assert pace.seconds() == pytest.approx(198 * 0.5 + 50 * 0.25)


def test_a_thousand_a_second(clock):
    pace = Pace(clock)
    run(pace, clock, [(0.001, done) for done in range(1, 3000)])
    assert pace.per_second() == pytest.approx(1000)


def test_one_report_has_no_pace(clock):
    pace = Pace(clock)
    assert (pace.per_second(), pace.seconds()) == (None, 0.0)
    pace.report(500)
    assert pace.per_second() is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(5, "5 s"), (119, "119 s"), (600, "10 min"), (9000, "2 h"), (400000, "5 days")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_a_note_is_items_by_name_or_prose():
    note = "epoch 3, loss 1.234, lr 2e-4, data wait 0 %, 612 MB, best 0.5 at 300"
    assert items(note) == {
        "epoch": "3",
        "loss": "1.234",
        "lr": "2e-4",
        "data wait": "0 %",
        "MB": "612",
        "best": "0.5 at 300",
    }
    assert items("0 quarantined") == {"quarantined": "0"}
    assert items("best -0.5 at 3") == {"best": "-0.5 at 3"}
    assert items("loading the run, then 3 more") == {"": "loading the run, then 3 more"}
    assert items("") == {}
    assert items("612") == {"": "612"}


def test_where_other_work_begins_the_pace_does_too(clock):
    pace = Pace(clock)
    run(pace, clock, [(0.5, done) for done in range(0, 50_000, 1000)])
    run(pace, clock, [(5.0, 0), (5.0, 10), (5.0, 20)])
    assert pace.per_second() == pytest.approx(2.0)
    assert pace.seconds() == pytest.approx(10.0)
