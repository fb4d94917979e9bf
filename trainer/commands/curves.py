"""``hero-train curves``."""

from hero_core.cli import say
from hero_core.errors import InputError
from trainer.commands.options import RunArgument


def curves_command(run: RunArgument) -> None:
    """Draw the learning curves of every part of a run into its folder, from its log."""
    from trainer.curves import draw_curves
    from trainer.folder import parts_of

    drawn = [draw_curves(folder) for folder in parts_of(run)]
    if not any(drawn):
        raise InputError(f"{run}: nothing was logged yet, so there is nothing to draw")
    for path in filter(None, drawn):
        say(f"written: {path}")
