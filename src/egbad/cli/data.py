"""TODO."""

from typing import Annotated

import typer

from egbad.cli import output
from egbad.cli.app import data_app
from egbad.cli.options import AsJson, DataDir


@data_app.command("list")
def data_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show the public data sets: size, terms, and whether they are on this machine."""
    from dataclasses import asdict

    from egbad import datasets

    listed = datasets.describe(data_dir)
    if as_json:
        output.show_json([asdict(entry) for entry in listed])
        return
    rows = [
        (e.name, f"{e.rows:,}", e.shape, f"{e.bytes / 1e6:,.1f} MB", "yes" if e.present else "no", e.terms)
        for e in listed
    ]
    output.show_rows("Public data sets", ("name", "rows", "shape", "to fetch", "here", "terms"), rows)


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="A name from 'egbad data list'.", show_default=False)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a public data set, check its digests, and print where its files are."""
    from egbad import datasets

    files = [str(path) for path in datasets.fetch(name, data_dir)]
    if as_json:
        output.show_json({"name": name, "files": files})
        return
    for file in files:
        typer.echo(file)
    if not files:
        output.note(f"An installed package ships '{name}': there is nothing to fetch.")
