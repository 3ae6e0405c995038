"""The command `egbad info`."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from egbad.cli.options import AsJson, ModelFile
from egbad.cli.output import note

app = typer.Typer()

Everything = Annotated[bool, typer.Option("--all", help="Include all settings, column types and parts.")]


@app.command()
def info(model: ModelFile, everything: Everything = False, as_json: AsJson = False) -> None:
    """Describe a model file: detector, parameters, seed, versions, input, threshold and health."""
    from egbad import loading
    from egbad.cli import tables

    description = loading.load(model).describe()
    if as_json:
        tables.print_values(str(model), description, as_json=True)
        return
    shown = description if everything else shorten(description)
    tables.print_values(str(model), tables.flatten(shown), as_json=False)
    if not everything:
        note("Settings, column types and parts in full: --all. For programs: --json.")


def shorten(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return what people ask for first of a detector's description.

    Parameters
    ----------
    description : mapping
        A detector as `describe()` returns it.

    Returns
    -------
    dict of str to object
        Without settings; the types of columns are counted, and parts are named by their detectors.
    """
    short = {name: value for name, value in description.items() if name != "settings"}
    source = dict(description["input"])
    if column_types := source.pop("column_types", None):
        counts = Counter(column_type.split(",")[0] for column_type in column_types.values())
        source["column types"] = [f"{n:,} {kind}" for kind, n in counts.items()]
    if parts := description.get("parts"):
        short["parts"] = [f"{name} ({part['detector']})" for name, part in parts.items()]
    short["input"] = source
    return short
