"""The root command `egbad`. The files of the commands import nothing of it; `main` adds them."""

from typing import Annotated

import typer

import egbad
from egbad.cli.language import choose_language

app = typer.Typer(
    name="egbad",
    help="Anomaly detection: learn from normal rows or images, score new ones, and explain what is flagged.",
    pretty_exceptions_enable=False,
)


def print_help_if_bare(context: typer.Context) -> None:
    """Print the help of a group of commands that is called without a command."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"egbad {egbad.__version__}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    language: Annotated[
        str | None,
        typer.Option(
            metavar="en|ja",
            callback=choose_language,
            is_eager=True,
            help="Language of the help. Default: that of the locale.",
        ),
    ] = None,
) -> None:
    print_help_if_bare(context)
