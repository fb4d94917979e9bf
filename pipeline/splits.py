"""Who goes to train, val and test. The only place that decides; pure, and stable under the seed.

Videos cut from one source stay together. The test part is 4:1 within each subcategory (paper, section 4) and
validation is carved out of what is left for training, so that no choice is ever made on the test part.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hero_core.config import Config
from hero_core.errors import InputError
from hero_core.records import Split


class SplitConfig(Config):
    """How to split.

    Attributes:
        test_share: of each subcategory.
        val_share: of what is left for training.
        unseen: subcategories that are held out whole (the paper's Seen / Unseen protocol).
        resplit: take no notice of the split that the data set states.
        seed: of the draws.
    """

    test_share: float = 0.2
    val_share: float = 0.1
    unseen: tuple[str, ...] = ()
    resplit: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Candidate:
    """What the split may look at.

    Attributes:
        group: the source video; of a motion of its own, the motion.
        subcategory: of the video.
        stated: the split that the data set states.
    """

    group: str
    subcategory: str
    stated: Split | None


def assign_splits(candidates: Sequence[Candidate], config: SplitConfig) -> list[Split]:
    """The split of every candidate, in order.

    A split that the data set states is kept, unless it is to be made anew; validation still comes out of its
    training part. A group that the data set itself puts on both sides keeps both, and never serves for validation.
    However small a share is, it gets one group, and so does training.

    Raises:
        InputError: too few groups for that (says which option helps), an unseen subcategory that does not exist, or
            one beside stated splits that are kept.
    """
    if config.resplit:
        candidates = [replace(candidate, stated=None) for candidate in candidates]
    if config.val_share <= 0 and all(candidate.stated != "val" for candidate in candidates):
        raise InputError("--val-share 0: training needs a validation part; choose a share above 0")
    if any(candidate.stated for candidate in candidates):
        test: set[str] = set()
        val = _validation_of_stated(candidates, config)
    else:
        test, val = _test_and_validation(candidates, config)
    return [_split_of(candidate, test, val) for candidate in candidates]


def leaking_groups(candidates: Sequence[Candidate], splits: Sequence[Split]) -> list[str]:
    """Source videos that ended in more than one split: only stated splits can do that."""
    found: dict[str, set[Split]] = defaultdict(set)
    for candidate, split in zip(candidates, splits, strict=True):
        found[candidate.group].add(split)
    return sorted(group for group, names in found.items() if len(names) > 1)


def _test_and_validation(candidates: Sequence[Candidate], config: SplitConfig) -> tuple[set[str], set[str]]:
    """Groups of the test part, which is 4:1 or the unseen subcategories, and of the validation part."""
    groups = _subcategories(candidates)
    if unknown := set(config.unseen) - set(groups.values()):
        raise InputError(
            f"unseen subcategories {sorted(unknown)} are not in the data; it has {sorted(set(groups.values()))}"
        )
    seen = {group: subcategory for group, subcategory in groups.items() if subcategory not in config.unseen}
    draws_test = config.test_share > 0 and not config.unseen
    if len(seen) < 2 + draws_test:
        raise InputError(_too_few(len(seen), config))
    test = groups.keys() - seen.keys()
    if draws_test:
        test = _draw(seen, _at_least_one(config.test_share, len(seen), spared=2), f"{config.seed}:test")
    trainable = {group: subcategory for group, subcategory in seen.items() if group not in test}
    share = _at_least_one(config.val_share, len(trainable), spared=1)
    return test, _draw(trainable, share, f"{config.seed}:val")


def _validation_of_stated(candidates: Sequence[Candidate], config: SplitConfig) -> set[str]:
    """Groups of the validation part, out of the training part that the data set states."""
    if config.unseen:
        raise InputError(
            "this data set states its own split, so unseen subcategories cannot be held out as well; --resplit makes "
            "the split anew"
        )
    elsewhere = {candidate.group for candidate in candidates if candidate.stated in ("test", "val")}
    training = [candidate for candidate in candidates if candidate.stated not in ("test", "val")]
    if not training:
        raise InputError("the data set's own split has no pair for training that can be used; add some")
    if any(candidate.stated == "val" for candidate in candidates):
        return set()
    trainable = _subcategories(candidate for candidate in training if candidate.group not in elsewhere)
    spared = 0 if any(candidate.group in elsewhere for candidate in training) else 1
    if len(trainable) <= spared:
        raise InputError(
            f"the data set's own split leaves {len(trainable)} source videos for training and validation, too few "
            "for both; state val for some of its pairs (val.txt, or a split column), or add videos for training"
        )
    return _draw(trainable, _at_least_one(config.val_share, len(trainable), spared), f"{config.seed}:val")


def _too_few(count: int, config: SplitConfig) -> str:
    if count == 2:
        return (
            "2 source videos (or motions of their own) are too few for training, validation and test: "
            "--test-share 0 makes a training set without a test part; or add more"
        )
    where = f" outside of the unseen subcategories {sorted(config.unseen)}" if config.unseen else ""
    return (
        f"{count} source videos (or motions of their own){where}: one cannot be divided into training and "
        "validation, as clips of one source video stay together; add pairs of another video"
        + (", or name fewer subcategories with --unseen" if config.unseen else "")
    )


def _at_least_one(share: float, groups: int, spared: int) -> float:
    """The share nearest to ``share`` that takes one group and leaves ``spared``."""
    return min(max(share, 1 / groups), (groups - spared) / groups)


def _subcategories(candidates: Iterable[Candidate]) -> dict[str, str]:
    """Of every group, the subcategory of its first candidate."""
    home: dict[str, str] = {}
    for candidate in candidates:
        home.setdefault(candidate.group, candidate.subcategory)
    return home


def _split_of(candidate: Candidate, test: set[str], val: set[str]) -> Split:
    if candidate.stated in ("test", "val"):
        return candidate.stated
    if candidate.group in test:
        return "test"
    return "val" if candidate.group in val else "train"


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
