"""The command `egbad config`."""

from pathlib import Path
from typing import Annotated

import typer

from egbad.cli.options import DetectorName

app = typer.Typer()

FromModel = Annotated[
    Path | None, typer.Option("--from", metavar="MODEL", help="Model file whose parameters are printed.")
]


@app.command()
def config(from_model: FromModel = None, detector: DetectorName = "auto") -> None:
    """Print the options of 'egbad fit' as a TOML file for --config: those of a model, or all with their defaults."""
    from egbad.cli import run_config

    run_config.print_config(from_model, detector)
