"""The command `egbad info`."""

import typer

from egbad.cli.options import AsJson, ModelFile

app = typer.Typer()


@app.command()
def info(model: ModelFile, as_json: AsJson = False) -> None:
    """Describe a model file: detector, parameters, seed, versions, input, threshold and health."""
    from egbad import loading
    from egbad.cli import tables

    description = loading.load(model).describe()
    tables.print_values(str(model), description if as_json else tables.flatten(description), as_json=as_json)
