"""The command line that a parsed command came from."""

from typing import Annotated

import pytest
import typer

from egbad.cli.command_line import command_line


def parsed(*arguments):
    """The command line of a small command that was called with these arguments."""
    app, lines = typer.Typer(), []

    @app.command()
    def copy(
        context: typer.Context,
        source: str,
        size: int = 3,
        names: Annotated[list[str] | None, typer.Option("--name")] = None,
        fast: Annotated[bool, typer.Option("--fast")] = False,
    ) -> None:
        lines.append(command_line(context))

    typer.main.get_command(app)(list(arguments), prog_name="copy", standalone_mode=False)
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("x.csv",), "copy x.csv"),
        (("--size", "4", "x.csv", "--fast"), "copy x.csv --size 4 --fast"),
        (("x.csv", "--name", "a", "--name", "b c"), "copy x.csv --name a --name 'b c'"),
        (("days/*.csv", "--size=3"), "copy 'days/*.csv' --size 3"),
    ],
)
def test_arguments_come_first_and_defaults_are_omitted(arguments, line):
    assert parsed(*arguments) == line


def test_a_report_shows_the_command_of_the_call_and_not_of_the_process(run, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["pytest", "--strange"])
    model, data, page = folder / "m.egbad", folder / "mixed.csv", tmp_path / "page.html"
    assert run("evaluate", model, data, "--report", page, "--label-column", "y").code == 0
    text = page.read_text(encoding="utf-8")
    assert f"egbad evaluate {model} {data} --label-column y --report {page}" in text
    assert "--strange" not in text
