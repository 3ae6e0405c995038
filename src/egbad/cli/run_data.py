"""The work of `egbad data`."""

from dataclasses import asdict
from pathlib import Path

import typer

from egbad import datasets
from egbad.cli.output import note, print_json
from egbad.cli.tables import print_table


def print_data_sets(data_dir: Path | None, *, as_json: bool) -> None:
    """Print the public data sets, and which are on this machine.

    Parameters
    ----------
    data_dir : Path, optional
        Folder with copies of the data sets.
    as_json : bool
    """
    entries = datasets.describe(data_dir)
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    rows = [
        (e.name, f"{e.rows:,}", e.shape, f"{e.bytes / 1e6:,.1f} MB", "yes" if e.present else "no", e.terms)
        for e in entries
    ]
    print_table("Public data sets", ("name", "rows", "shape", "download", "present", "terms"), rows)


def fetch(name: str, data_dir: Path | None, *, as_json: bool) -> None:
    """Fetch a public data set and print the paths of its files.

    Parameters
    ----------
    name : str
    data_dir : Path, optional
        Folder with copies of the data sets.
    as_json : bool
    """
    files = [str(path) for path in datasets.fetch(name, data_dir)]
    if as_json:
        print_json({"name": name, "files": files})
        return
    for file in files:
        typer.echo(file)
    if not files:
        note(f"There is nothing to fetch: '{name}' comes with an installed package.")
