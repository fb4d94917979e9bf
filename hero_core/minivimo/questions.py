"""What is asked of a reaction whose right answer is known: the right one, to the right side, at the right time?"""

from hero_core.minivimo.interactions import REACTIONS
from hero_core.minivimo.judge import UNCLEAR, Verdict
from hero_core.records import Truth

ONSET_TOLERANCE_SECONDS = 0.25
QUESTIONS = {
    "reaction": "reaction",
    "side": "side",
    "onset": f"onset within {ONSET_TOLERANCE_SECONDS} s",
    "all": "all of them",
}
"""Each with its words for people."""


def is_judged(truth: Truth | None) -> bool:
    """Whether the judge can tell: the right answer is known, and one of MiniViMo's reactions."""
    return truth is not None and truth.reaction in REACTIONS


def rightness(truth: Truth, verdict: Verdict) -> dict[str, bool]:
    """Which questions a reaction answers rightly; only those that apply.

    ``side`` applies where the right reaction has one, ``onset`` where it is a movement; ``all`` needs every answer.
    """
    right = {"reaction": verdict.reaction == truth.reaction}
    if truth.side != "none":
        right["side"] = verdict.side == truth.side
    if truth.moves:
        late_seconds = abs(verdict.onset_seconds - truth.onset_seconds)
        right["onset"] = verdict.reaction != UNCLEAR and late_seconds <= ONSET_TOLERANCE_SECONDS
    return right | {"all": all(right.values())}
