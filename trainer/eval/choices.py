"""What the commands of the evaluation choose from, by name."""

from typing import Literal

ProtocolName = Literal["paper", "official", "quick"]
HeldOutSplit = Literal["test", "val"]
MotionsPerVideo = Literal["1", "all"]

MOST_PROCESSES = 4
"""At a time, on the CPU, unless told otherwise."""
