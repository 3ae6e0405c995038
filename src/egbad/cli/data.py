"""The commands `egbad data list` and `egbad data get`."""

from dataclasses import asdict
from typing import Annotated

import typer

from egbad.cli.app import print_help_if_bare
from egbad.cli.options import AsJson, DataDir
from egbad.cli.output import note, print_json

app = typer.Typer(help="List and fetch public data sets.")

DataSetName = Annotated[str, typer.Argument(metavar="NAME", help="A name from 'egbad data list'.", show_default=False)]


@app.callback(invoke_without_command=True)
def _data(context: typer.Context) -> None:
    print_help_if_bare(context)


@app.command("list")
def list_data_sets(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the public data sets: size, license terms, and which are on this machine."""
    from egbad import datasets
    from egbad.cli import tables

    entries = datasets.describe(data_dir)
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    rows = [
        (e.name, f"{e.rows:,}", e.shape, f"{e.bytes / 1e6:,.1f} MB", "yes" if e.present else "no", e.terms)
        for e in entries
    ]
    tables.print_table("Public data sets", ("name", "rows", "shape", "download", "present", "terms"), rows)


@app.command("get")
def get_data_set(name: DataSetName, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Fetch a public data set, verify its checksums, and print the paths of its files."""
    from egbad import datasets

    files = [str(path) for path in datasets.fetch(name, data_dir)]
    if as_json:
        print_json({"name": name, "files": files})
        return
    for file in files:
        typer.echo(file)
    if not files:
        note(f"There is nothing to fetch: '{name}' comes with an installed package.")
