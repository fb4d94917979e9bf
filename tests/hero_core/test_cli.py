"""How commands end, and how long work shows itself in a log."""

import io

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from hero_core.cli import VersionOption, _PlainLines, print_table, progress, run
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


def test_a_command_may_open_as_many_files_as_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr("sys.argv", ["prog"])
    app, seen = typer.Typer(), []

    @app.command()
    def look() -> None:
        seen.append(resource.getrlimit(resource.RLIMIT_NOFILE))

    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        with pytest.raises(SystemExit):
            run(app)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert seen == [(hard, hard)]


def test_logs_get_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("extract") as report:
        for done in range(1, 101):
            report(done, 100, "0 quarantined")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2  # the first at once, then nothing for five seconds, then the last
    assert lines[-1].startswith("extract: 100/100, ")
    assert lines[-1].endswith("0 quarantined")


def test_logs_say_how_long_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = [0.0]
    report = _PlainLines("masked", lambda: seconds[0])
    for done in range(510, 600, 10):  # resumed at 500, ten steps at a time, five a second
        report(done, 590, "loss 2.5, best 0.5 at 300")
        seconds[0] += 2.0
    assert capsys.readouterr().out.splitlines() == [
        "masked: 510/590, loss 2.5, best 0.5 at 300",
        "masked: 540/590, 5/s, 10 s left, loss 2.5, best 0.5 at 300",
        "masked: 570/590, 5/s, 4 s left, loss 2.5, best 0.5 at 300",
        "masked: 590/590, 5/s, took 16 s, loss 2.5, best 0.5 at 300",
    ]


ROWS = [
    {"part": "rvq", "state": "finished", "loss": "0.5", "data wait": "", "best": "0.4 at [1]"},
    {"part": "masked", "state": "not begun", "loss": "", "data wait": "", "best": ""},
]


def test_a_table_is_lines_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "rvq: state finished, loss 0.5, best 0.4 at [1]",
        "masked: state not begun",
    ]


@pytest.mark.parametrize(
    ("width", "header"), [(80, ["part", "state", "loss", "best"]), (36, ["part", "rvq", "masked"])]
)
def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int, header: list[str]) -> None:
    screen = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr("hero_core.cli.console", screen)
    print_table(ROWS)
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert next(line.split() for line in lines if line.strip()) == header
    text = "\n".join(lines)
    assert "…" not in text
    assert "0.4 at [1]" in text
    assert max(map(len, lines)) <= width


def test_every_command_can_say_its_version() -> None:
    app = typer.Typer()

    @app.callback(invoke_without_command=True)
    def main(version: VersionOption = False) -> None:
        raise HeroError("version is said before anything else happens")

    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("hero-motion ")
