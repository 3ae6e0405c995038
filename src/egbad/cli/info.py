"""The command `egbad info`."""

from typing import Annotated

import typer

from egbad.cli.options import AsJson, ModelFile

app = typer.Typer()

Everything = Annotated[bool, typer.Option("--all", help="Include all settings, column types and parts.")]


@app.command()
def info(model: ModelFile, everything: Everything = False, as_json: AsJson = False) -> None:
    """Describe a model file: detector, parameters, seed, versions, input, threshold and health."""
    from egbad.cli import run_info

    run_info.print_description(model, everything, as_json=as_json)
