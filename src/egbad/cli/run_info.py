"""The work of `egbad info`."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from egbad import loading
from egbad.cli import tables
from egbad.cli.output import note


def print_description(model: Path, everything: bool, *, as_json: bool) -> None:
    """Print the description of a model file.

    Parameters
    ----------
    model : Path
    everything : bool
        Print settings, column types and parts in full, too.
    as_json : bool
    """
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
