"""TODO."""

from typing import Annotated

import typer

app = typer.Typer(
    name="egbad",
    help="Learn from normal rows or images, score new ones, say which are anomalies.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


data_app = typer.Typer(name="data", help="Public data sets, checksummed and cached.")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"egbad {version('egbad')}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    _help_if_bare(context)


@data_app.callback(invoke_without_command=True)
def _start_data(context: typer.Context) -> None:
    _help_if_bare(context)


def _help_if_bare(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
