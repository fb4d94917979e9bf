"""Who goes to train, val and test. The only place that decides; pure, and stable under the seed.

Videos cut from one source stay together. The test part is 4:1 within each subcategory (paper, section 4) and
validation is carved out of what is left for training, so that no choice is ever made on the test part.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hero_core.config import Config
from hero_core.errors import InputError
from hero_core.records import Split


class SplitConfig(Config):
    """How to split. ``unseen`` subcategories are held out whole (the paper's Seen / Unseen protocol)."""

    test_share: float = 0.2
    val_share: float = 0.1
    unseen: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Candidate:
    """What the split may look at: the source video, the subcategory, and the split that the data set states."""

    group: str
    subcategory: str
    stated: str | None


def assign_splits(candidates: Sequence[Candidate], config: SplitConfig) -> list[Split]:
    """The split of every candidate, in order.

    A split that the data set states is kept; validation still comes out of its training part. A group that the
    data set itself puts on both sides keeps both, and never serves for validation.

    Raises:
        InputError: an unseen subcategory does not exist, or a stated split is neither train, val nor test.
    """
    _check(candidates, config)
    home = _home_subcategories(candidates)
    if any(candidate.stated for candidate in candidates):
        if config.unseen:
            raise InputError(
                "this data set states its own split; unseen subcategories cannot be held out as well"
            )
        fixed = {candidate.group for candidate in candidates if candidate.stated in ("test", "val")}
        test_groups: set[str] = set()
        states_val = any(candidate.stated == "val" for candidate in candidates)
        val_share = 0.0 if states_val else config.val_share
    else:
        fixed = {group for group, subcategory in home.items() if subcategory in config.unseen}
        seen = {group: subcategory for group, subcategory in home.items() if group not in fixed}
        # With unseen subcategories the test part is exactly those; otherwise 4:1 within each subcategory.
        test_groups = set() if config.unseen else _draw(seen, config.test_share, f"{config.seed}:test")
        test_groups |= fixed
        val_share = config.val_share
    trainable = {group: sub for group, sub in home.items() if group not in test_groups | fixed}
    val_groups = _draw(trainable, val_share, f"{config.seed}:val")
    return [_split_of(candidate, test_groups, val_groups) for candidate in candidates]


def leaking_groups(candidates: Sequence[Candidate], splits: Sequence[Split]) -> list[str]:
    """Source videos that ended both in test and in training: only a stated split can do that."""
    sides: dict[str, set[bool]] = defaultdict(set)
    for candidate, split in zip(candidates, splits, strict=True):
        sides[candidate.group].add(split == "test")
    return sorted(group for group, both in sides.items() if len(both) == 2)


def _check(candidates: Sequence[Candidate], config: SplitConfig) -> None:
    subcategories = {candidate.subcategory for candidate in candidates}
    if unknown := set(config.unseen) - subcategories:
        raise InputError(
            f"unseen subcategories {sorted(unknown)} are not in the data; it has {sorted(subcategories)}"
        )
    if strange := {c.stated for c in candidates if c.stated} - {"train", "val", "test"}:
        raise InputError(f"splits {sorted(strange)} in the pair list: only train, val and test are known")


def _home_subcategories(candidates: Iterable[Candidate]) -> dict[str, str]:
    home: dict[str, str] = {}
    for candidate in candidates:
        home.setdefault(candidate.group, candidate.subcategory)
    return home


def _split_of(candidate: Candidate, test_groups: set[str], val_groups: set[str]) -> Split:
    if candidate.stated in ("test", "val"):
        return candidate.stated  # type: ignore[return-value]
    if candidate.group in test_groups:
        return "test"
    return "val" if candidate.group in val_groups else "train"


def _draw(groups: Mapping[str, str], share: float, salt: str) -> set[str]:
    """Draw ``share`` of the groups, spread over subcategories by largest remainders, in an order hashed from them."""
    by_subcategory: dict[str, list[str]] = defaultdict(list)
    for group in sorted(groups, key=lambda name: hashlib.sha256(f"{salt}:{name}".encode()).digest()):
        by_subcategory[groups[group]].append(group)
    sizes = {name: len(members) for name, members in sorted(by_subcategory.items())}
    return {
        group for name, count in apportion(sizes, share).items() for group in by_subcategory[name][:count]
    }


def apportion(sizes: Mapping[str, int], share: float) -> dict[str, int]:
    """Whole numbers near ``share * size`` that sum to ``round(share * total)`` (largest remainder, ties by name)."""
    exact = {name: share * size for name, size in sizes.items()}
    counts = {name: int(value) for name, value in exact.items()}
    left = round(share * sum(sizes.values())) - sum(counts.values())
    for name in sorted(sizes, key=lambda name: (counts[name] - exact[name], name))[: max(left, 0)]:
        counts[name] += 1
    return counts
