"""The ``hero-train`` command."""

import copy
from typing import Any

import typer
from typer.core import TyperGroup

from hero_core.choices import EVALUATOR, JOINT_EVALUATOR
from hero_core.cli import VersionOption, run
from trainer.choices import ALL, DEFAULT_GENERATOR
from trainer.commands.curves import curves_command
from trainer.commands.import_official import import_command
from trainer.commands.settings import settings_command
from trainer.commands.status import status_command
from trainer.commands.train import train_command
from trainer.preset_files import parts_with_presets


def _example(part: str, generator: str = DEFAULT_GENERATOR) -> str:
    chosen = "" if generator == DEFAULT_GENERATOR else f" --generator {generator}"
    return f"hero-train {part} demo/data --out demo/run{chosen} --preset demo"


_OTHERS = {
    EVALUATOR: ("Train an evaluator, where the official one is not to be had.", _example(EVALUATOR)),
    JOINT_EVALUATOR: ("Train another evaluator, which sees joints only.", _example(JOINT_EVALUATOR)),
    ALL: (
        "Train all parts and both evaluators, one after another; --resume skips what is finished.",
        f"{_example(ALL)} --parallel, or {_example(ALL, 'momask')}",
    ),
}
"""What can be trained besides the parts of a generator: the help, and examples."""


class _Parts(TyperGroup):
    """The command line with one command for every part of every generator; they are all the same one.

    Those that a preset names are listed; any other is known when it is called, because its generator is loaded then.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._train = self.commands.pop("train")
        parts = {name: self._part(name, generator) for name, generator in parts_with_presets().items()}
        for name, (text, example) in _OTHERS.items():
            parts[name] = self._training(name, text, example)
        self.commands = {**parts, **self.commands}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or None."""
        known = super().get_command(ctx, cmd_name)
        return known if known or not _is_part(cmd_name) else self._part(cmd_name)

    def _part(self, name: str, generator: str | None = None) -> Any:
        example = None if generator is None else _example(name, generator)
        return self._training(name, f"Train {name}, a part of the generator.", example)

    def _training(self, name: str, text: str, example: str | None) -> Any:
        command = copy.copy(self._train)
        command.name, command.help = name, text
        command.epilog = None if example is None else f"E.g. {example}"
        return command


def _is_part(name: str) -> bool:
    """Whether any generator has a part of this name, which only those that are loaded can tell."""
    from hero_core.models import generators  # noqa: F401  registers them
    from hero_core.models.base import part_names

    return name in part_names()


app = typer.Typer(
    cls=_Parts,
    help="Training sets in, weights out. Each part of a run gets a folder that explains itself and can be resumed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Entry point."""
    run(app)


@app.callback()
def _hero_train(version: VersionOption = False) -> None:
    pass


app.command("train")(train_command)
app.command(
    "import-official",
    epilog="E.g. hero-train import-official checkpoints runs/official, or hero-train import-official momask "
    "runs/momask --generator momask",
)(import_command)
app.command("settings", epilog="E.g. hero-train settings --generator hero --preset demo")(settings_command)
app.command("status", epilog="E.g. hero-train status demo/run")(status_command)
app.command("curves", epilog="E.g. hero-train curves demo/run")(curves_command)
