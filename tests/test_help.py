"""``--help`` says what there is to say at once: it loads none of the libraries that take seconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAMS = {
    "hero-pipeline": "pipeline.cli",
    "hero-train": "trainer.cli",
    "hero-eval": "trainer.eval.cli",
    "hero-react": "pipeline.react_cli",
}
SLOW = ("torch", "numpy", "scipy", "pandas", "pyarrow", "av", "cv2", "h5py", "ray")
ASK = f"""
import importlib, json, sys
import typer
from typer.testing import CliRunner

app = importlib.import_module(sys.argv[1]).app
names = list(getattr(typer.main.get_command(app), "commands", ()))
calls = [["--help"], *([name, "--help"] for name in names), ["--version"]]
for name in names or [None]:
    calls.append([*([name] if name else []), "--no-such-option"])
said = {{" ".join(words): CliRunner().invoke(app, words, env={{"COLUMNS": "200"}}) for words in calls}}
print(json.dumps([
    {{words: (result.exit_code, result.output) for words, result in said.items()}},
    sorted(set(sys.modules).intersection({SLOW!r})),
]))
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_the_version_and_an_unknown_option_load_nothing_slow(program: str) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", ASK, PROGRAMS[program]],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    said, loaded = json.loads(asked.stdout)
    assert loaded == []
    for words, (status, text) in said.items():
        assert status == (2 if words.endswith("--no-such-option") else 0), text
        if words != "--help" and words.endswith("--help"):
            name = words.removesuffix(" --help")
            assert f"E.g. {program} {name} " in " ".join(text.split())
    assert said["--version"][1].startswith("hero-motion ")
