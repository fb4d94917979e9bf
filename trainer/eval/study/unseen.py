"""The paper's Seen / Unseen protocol: what the splits of a data set have to say for it."""

from collections import defaultdict
from collections.abc import Collection

from hero_core.errors import InputError
from hero_core.records import Pair
from hero_core.training_set import TrainingSet
from trainer.eval.plausibility import subcategory_of

UNSEEN_SHARE = 6 / 32
"""Of the subcategories, the paper holds out so many."""


def require_unseen(data: TrainingSet) -> list[str]:
    """What is seen and what is not, in words, of a training set whose test split holds subcategories of its own.

    Raises:
        InputError: the test split has subcategories that training sees, or none; says how to make such a set.
    """
    pairs = [row.pair for row in data.rows if row.pair.clip_key is not None]
    seen = {subcategory_of(pair) for pair in pairs if pair.split != "test"}
    unseen = {subcategory_of(pair) for pair in pairs if pair.split == "test"}
    if not unseen or seen & unseen:
        both = (
            f"{len(seen & unseen)} subcategories are in training and in test" if unseen else "no test split"
        )
        words = " ".join(f"--unseen {name}" for name in suggested(pairs))
        raise InputError(
            f"{data.folder}: {both}, so nothing here is unseen; hold some out whole: hero-pipeline build-pairs SOURCE "
            f"--features CACHE --out OTHER --resplit {words}"
        )
    reactions = {pair.truth.reaction for pair in pairs if pair.truth and pair.split != "test"}
    hopeless = sorted(
        {
            f"{subcategory_of(pair)} ({pair.truth.reaction})"
            for pair in pairs
            if pair.truth and pair.split == "test" and pair.truth.reaction not in reactions
        }
    )
    found = [
        f"{len(seen)} subcategories seen, {len(unseen)} unseen: {', '.join(sorted(unseen))}",
        "test holds the unseen ones; val holds other clips of the seen ones, which chose the checkpoints",
    ]
    if hopeless:
        found.append(f"training sees no reaction of the right kind for {', '.join(hopeless)}")
    return found


def suggested(pairs: Collection[Pair]) -> list[str]:
    """Subcategories to hold out, as many of all as the paper does.

    Where right reactions are known, ones whose reaction another subcategory asks for too, so that it can be learnt.
    """
    asked: dict[str, set[str]] = defaultdict(set)  # subcategories by reaction
    for pair in pairs:
        if pair.truth is not None:
            asked[pair.truth.reaction].add(pair.subcategory)
    names = sorted({pair.subcategory for pair in pairs})
    count = max(1, round(UNSEEN_SHARE * len(names)))
    spare = [sorted(of_reaction)[-1] for of_reaction in asked.values() if len(of_reaction) > 1]
    return sorted(spare or names)[:count]
