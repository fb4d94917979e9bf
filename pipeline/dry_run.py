"""What an extraction would do, and how long it would take. Nothing is written."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from hero_core.cache import CACHE_FILE, KINDS, Cache, Kind, take_over
from hero_core.manifest import CACHE, read_table
from hero_core.mirror import Mirror
from pipeline.agenda import agenda
from pipeline.config import ExtractConfig
from pipeline.encoders import Encoder
from pipeline.recipes import identity_of, recipes_of
from pipeline.selection import Part
from pipeline.sources import Source


@dataclass(frozen=True)
class Planned:
    """What is to be done of one kind of inputs.

    Attributes:
        inputs: of this run; for a part, what other parts make aside.
        todo: inputs that would be read; a file that only moved or was touched takes no longer than that.
        kept_quarantined: of the others, those that stay in quarantine.
        seconds_each: what one took in earlier runs; None where there was none.
    """

    kind: Kind
    inputs: int
    todo: int
    kept_quarantined: int
    seconds_each: float | None

    @property
    def seconds(self) -> float | None:
        """How long the rest takes at that rate."""
        return None if self.seconds_each is None else self.todo * self.seconds_each


def dry_run(
    source: Source,
    out: Path,
    encoder: Encoder | None,
    config: ExtractConfig,
    mirror: Mirror | None = None,
    part: Part | None = None,
) -> list[Planned]:
    """What :func:`pipeline.extract.extract` would do with the same arguments, by kind; raises as it does."""
    if mirror is not None:
        take_over(out, mirror)
    identity = identity_of(source, encoder, config)
    Cache.resumable(out, identity)
    cache = Cache.open(out) if (out / CACHE_FILE).is_file() else None
    planned = []
    for recipe in recipes_of(source, encoder, identity, config):
        its = agenda(recipe, cache, config, part)
        planned.append(
            Planned(
                kind=recipe.kind,
                inputs=its.kept + its.todo,
                todo=its.todo,
                kept_quarantined=its.kept_quarantined,
                seconds_each=_seconds_each(cache, recipe.kind) if cache else None,
            )
        )
    return planned


def _seconds_each(cache: Cache, kind: Kind) -> float | None:
    """What an input took, told by when the parts of the manifest were written: the median over parts of this kind.

    A part took as long as there is between it and the file before it, be that the last part or, at the start of the
    latest run, ``cache.json``. A pause between two runs makes one part slow, which a median forgives.
    """
    parts = [(path.stat().st_mtime, path) for kind in KINDS for path in cache.parts(kind)]
    written = sorted([((cache.folder / CACHE_FILE).stat().st_mtime, cache.folder / CACHE_FILE), *parts])
    ours = set(cache.parts(kind))
    seconds = [
        (now - before) / len(read_table(path, CACHE, ("key",)))
        for (before, _), (now, path) in pairwise(written)
        if path in ours
    ]
    return median(seconds) if seconds else None
