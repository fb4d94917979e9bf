"""The README, the docs and the examples of ``--help`` keep their word: every command exists, with its options."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from pipeline.cli import app as pipeline_app
from pipeline.react_cli import app as react_app
from trainer.choices import ALL, DEFAULT_GENERATOR
from trainer.cli import app as train_app
from trainer.config import trainable
from trainer.eval.cli import app as eval_app
from trainer.preset_files import presets

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
APPS = {
    "hero-pipeline": pipeline_app,
    "hero-train": train_app,
    "hero-eval": eval_app,
    "hero-react": react_app,
}
PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
BLOCKS = [
    block
    for text in (README, *(page.read_text(encoding="utf-8") for page in PAGES))
    for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
]
COMMANDS = [
    line.split(" #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.startswith("hero-")
]


def examples(text: str) -> list[str]:
    """Command lines behind ``E.g.``, as the help of a command gives them."""
    return re.findall(r"hero-.*?(?=, or hero-|$)", " ".join(text.split()).partition("E.g. ")[2])


def help_of(app: typer.Typer) -> list[str]:
    found = typer.main.get_command(app)
    return [f"{each.epilog or each.help}" for each in getattr(found, "commands", {"": found}).values()]


EXAMPLES = [command for app in APPS.values() for text in help_of(app) for command in examples(text)]


@pytest.mark.parametrize("command", EXAMPLES)
def test_examples_of_the_help_are_whole_command_lines(command: str) -> None:
    program, *words = shlex.split(command)
    found = typer.main.get_command(APPS[program])
    if hasattr(found, "commands"):
        found = found.commands[words.pop(0)]
    with found.make_context(program, words):
        pass  # all arguments are there, and every value is one of its choices


def test_an_example_of_a_part_names_a_generator_that_has_it() -> None:
    for command in EXAMPLES:
        program, part, *words = shlex.split(command)
        if program == "hero-train" and "--out" in words:
            kind = words[words.index("--generator") + 1] if "--generator" in words else DEFAULT_GENERATOR
            assert part in (ALL, *trainable(kind)), command
            assert words[words.index("--preset") + 1] in presets(kind), command


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist_with_their_options(command: str) -> None:
    program, *words = shlex.split(command)
    found = typer.main.get_command(APPS[program])
    if hasattr(found, "commands"):
        found = found.commands[words.pop(0)]
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_both_commands_of_the_front_page_are_make_targets() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"make {target}" in README
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
    assert "make test" in (REPOSITORY / ".ci" / "run").read_text()


def test_links_lead_somewhere() -> None:
    for page in (REPOSITORY / "README.md", *PAGES):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page}: {target}"


def test_every_console_script_is_a_command_of_the_readme() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert set(project["scripts"]) == set(APPS)
    assert all(name in README for name in project["scripts"])
