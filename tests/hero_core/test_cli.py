"""How commands end, and how long work shows itself in a log."""

import pytest
import typer
from typer.testing import CliRunner

from hero_core.cli import VersionOption, progress, run
from hero_core.errors import HeroError


def test_an_error_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["prog"])
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise HeroError("data/x.mp4: [broken] file; extract it again")

    with pytest.raises(SystemExit) as exit_info:
        run(app)
    assert exit_info.value.code == 2
    assert capsys.readouterr().err == "error: data/x.mp4: [broken] file; extract it again\n"


def test_logs_get_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("extract") as report:
        for done in range(1, 101):
            report(done, 100, "0 quarantined")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2  # the first at once, then nothing for five seconds, then the last
    assert lines[-1].startswith("extract: 100/100, ")
    assert lines[-1].endswith("0 quarantined")


def test_every_command_can_say_its_version() -> None:
    app = typer.Typer()

    @app.callback(invoke_without_command=True)
    def main(version: VersionOption = False) -> None:
        raise HeroError("version is said before anything else happens")

    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("hero-motion ")
