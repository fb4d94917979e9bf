"""``hero-train status``."""

import time

from hero_core.cli import print_table, say
from trainer.commands.options import RunArgument


def status_command(run: RunArgument) -> None:
    """Say how far every part of a run is, and how to go on; also while it is being trained."""
    from trainer.status import how_to_go_on, run_status

    parts = run_status(run, time.time())
    print_table([part.words() for part in parts])
    if command := how_to_go_on(run, parts):
        running = [part.name for part in parts if part.state == "running"]
        say(f"{f'if {running[0]} does not run any more, ' if running else ''}go on with: {command}")
