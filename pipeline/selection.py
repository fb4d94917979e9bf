"""A part of the work: of a source named inputs or the first few, of a plan every so-and-so-many-th shard."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hero_core.errors import ConfigError, InputError
from pipeline.sources import Source, SourceMotion, SourceVideo

_UNKNOWN_SHOWN = 3


@dataclass(frozen=True)
class Part:
    """One of ``count`` parts of a plan, numbered from 1: every ``count``-th shard."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """A part written as ``I/N``.

        Raises:
            ConfigError: it is not, or I is not one of 1 to N.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        part = cls(int(found[1]), int(found[2])) if found else None
        if part is None or not 1 <= part.number <= part.count:
            raise ConfigError(f"--shard {text!r}: write it as I/N with I from 1 to N, e.g. 3/16")
        return part

    def holds(self, shard: int) -> bool:
        """Whether the shard of this number is in this part."""
        return shard % self.count == self.number - 1


def select(source: Source, only: Sequence[str] = (), limit: int | None = None) -> Source:
    """The source with some of its videos and motions; its pairs stay as they are.

    Args:
        source: all of it.
        only: keys or paths of inputs, as lists and ``quarantine.csv`` name them; none selects all.
        limit: and of that the first so many videos and the first so many motions.

    Raises:
        InputError: no input has a key or path of ``only``.
    """
    listed: list[SourceVideo | SourceMotion] = [*source.videos, *source.motions]
    known = {name for each in listed for name in (each.key, each.relative)}
    if unknown := [name for name in only if name not in known]:
        example = f"; one that is there: {listed[0].relative}" if listed else ""
        raise InputError(
            f"{source.place}: no input has the key or path {', '.join(unknown[:_UNKNOWN_SHOWN])}{example}"
        )
    wanted = set(only)

    def chosen(each: SourceVideo | SourceMotion) -> bool:
        return not wanted or not wanted.isdisjoint((each.key, each.relative))

    return replace(
        source,
        videos=tuple(filter(chosen, source.videos))[:limit],
        motions=tuple(filter(chosen, source.motions))[:limit],
    )
