"""``hero-train settings``."""

import typer

from trainer.choices import ALL
from trainer.commands.options import GeneratorOption, PresetOption


def settings_command(generator: GeneratorOption = None, preset: PresetOption = None) -> None:
    """Print all settings as TOML, each explained; edited, it is a file for --config."""
    from trainer.config import load_train_config
    from trainer.explain import explained
    from trainer.preset_files import preset_of

    config = load_train_config(generator, preset)
    name = preset_of(config.generator, preset)
    words = f"--generator {config.generator}" + (f" --preset {name}" if name else "")
    typer.echo(
        f"# Change or remove lines, then: hero-train {ALL} DATA --out RUN {words} --config THIS_FILE\n"
    )
    typer.echo(explained(config), nl=False)
