"""How work functions say how far they are, whoever listens: a terminal, a notebook, a test."""

from typing import Protocol


class Progress(Protocol):
    """Is told how much is done, of how much, and a few words."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


def silent(done: int, total: int, note: str = "") -> None:
    """Listen to nothing."""
