"""A program that runs extractions one after another, each in a process and a session of its own, to be killed.

Reads lines of JSON and says what happens: ``process PID``, ``done N`` for every report, ``ended STATUS``.
Each extraction is forked from here, where everything is imported and nothing has been computed yet.
"""

import json
import os
import sys
from pathlib import Path

import torch

from pipeline.config import ExtractConfig
from pipeline.encoders import random_tc_clip
from pipeline.extract import extract
from pipeline.selection import Part
from pipeline.sources import open_source
from tests.pipeline.conftest import TINY

INTERRUPTED = 130


def say(word: str, number: int) -> None:
    """One write, so that lines of two processes do not mix."""
    os.write(1, f"{word} {number}\n".encode())


def run(request: dict[str, str]) -> None:
    """Extract, and end this process."""
    os.setsid()
    encoder = random_tc_clip(5, torch.device("cpu"), torch.float32, TINY)
    config = ExtractConfig(
        shard_format=request["shards"], clips_per_shard=3, motions_per_shard=4, batch_clips=2, workers=2
    )
    say("done", 0)
    try:
        extract(
            open_source(Path(request["source"])),
            Path(request["out"]),
            encoder,
            config,
            lambda done, total, note="": say("done", done),
            part=Part.parse(request["part"]) if "part" in request else None,
        )
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    os._exit(0)


def main() -> None:
    """Serve requests until there are no more."""
    torch.set_num_threads(1)
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            run(json.loads(line))
        say("process", process)
        say("ended", os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


if __name__ == "__main__":
    main()
