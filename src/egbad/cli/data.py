"""The commands `egbad data list` and `egbad data get`."""

from types import ModuleType
from typing import Annotated

import typer

from egbad.cli.app import print_help_if_bare
from egbad.cli.options import AsJson, DataDir

app = typer.Typer(help="List and fetch public data sets.")

DataSetName = Annotated[str, typer.Argument(metavar="NAME", help="A name from 'egbad data list'.", show_default=False)]


@app.callback(invoke_without_command=True)
def _data(context: typer.Context) -> None:
    print_help_if_bare(context)


def _work() -> ModuleType:
    """Return the module that does the work."""
    from egbad.cli import run_data

    return run_data


@app.command("list")
def list_data_sets(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the public data sets: size, license terms, and which are on this machine."""
    _work().print_data_sets(data_dir, as_json=as_json)


@app.command("get")
def get_data_set(name: DataSetName, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Fetch a public data set, verify its checksums, and print the paths of its files."""
    _work().fetch(name, data_dir, as_json=as_json)
