"""How work functions say how far they are, whoever listens: a terminal, a notebook, a test."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol


class Progress(Protocol):
    """Is told how much is done, of how much, and a few words.

    The words are separated by commas, each the name of something and what it is: ``loss 2.4, best 0.5 at 300, 612 MB``.
    """

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


def silent(done: int, total: int, note: str = "") -> None:
    """Listen to nothing."""


class Pace:
    """How fast work goes, from what it reports: every thing on its own, several at a time, or in bursts.

    What was done before the first report, by an earlier run, does not count. Where less is done than before, something
    else has begun, and everything starts anew.
    """

    RECENT_SECONDS = 10.0
    APART_SECONDS = 0.2  # reports that come closer are one burst, of which the first counts

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self._recent: deque[tuple[float, int]] = deque()

    def report(self, done: int) -> None:
        """So much is done now."""
        now = self._clock()
        if self._recent and done < self._recent[-1][1]:
            self._first = None
            self._recent.clear()
        self._first = self._first or (now, done)
        if not self._recent or now - self._recent[-1][0] >= self.APART_SECONDS:
            self._recent.append((now, done))
        while len(self._recent) > 2 and now - self._recent[1][0] > self.RECENT_SECONDS:
            self._recent.popleft()

    def per_second(self) -> float | None:
        """Over the last seconds, or between the last two reports where these are further apart; None before that."""
        if len(self._recent) < 2:
            return None
        (began, before), (now, done) = self._recent[0], self._recent[-1]
        return (done - before) / (now - began)

    def seconds(self) -> float:
        """Since the first report."""
        return 0.0 if self._first is None else self._clock() - self._first[0]


def duration(seconds: float) -> str:
    """A time in words: ``45 s``, ``12 min``, ``3 h``, ``2 days``."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def items(note: str) -> dict[str, str]:
    """The words of a note by name: ``{"loss": "2.4", "best": "0.5 at 300", "MB": "612"}``; one item "" if it is prose.

    A name is what comes before the first number, or what follows a number that the words begin with.
    """
    found = [_item(part.split()) for part in note.split(", ") if part]
    return dict(found) if all(name for name, _ in found) else {"": note}


def _item(words: Sequence[str]) -> tuple[str, str]:
    begin = next((index for index, word in enumerate(words) if word[0].isdigit() or word[0] == "-"), None)
    if begin is None:
        return "", " ".join(words)
    name, value = (words[1:], words[:1]) if begin == 0 else (words[:begin], words[begin:])
    return " ".join(name), " ".join(value)
