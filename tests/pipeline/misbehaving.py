"""What workers do with files that break them. Kept free of torch, as they are."""

import os
import signal
import time
from typing import Any

from pipeline.workers import Input, Outcome, convert_motion, decode_video


def decode_or_misbehave(item: Input, **settings: Any) -> Outcome:
    """As :func:`decode_video`; files named so crash, hang, take all memory, or meet a mistake of ours."""
    _misbehave(item.path.stem)
    return decode_video(item, **settings)


def convert_or_misbehave(item: Input, **settings: Any) -> Outcome:
    """As :func:`convert_motion`, likewise."""
    _misbehave(item.path.stem)
    return convert_motion(item, **settings)


def _misbehave(name: str) -> None:
    match name:
        case "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hangs":
            time.sleep(600)
        case "swells":
            bytearray(4 * 1024**3)
        case "mistaken":
            raise IndexError("no such frame")
