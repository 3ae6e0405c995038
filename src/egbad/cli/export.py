"""The command `egbad export`."""

from pathlib import Path
from typing import Annotated

import typer

from egbad.cli.options import AsJson, FittedModelFile, check_suffix
from egbad.cli.output_check import check_outputs

app = typer.Typer()

OnnxOutput = Annotated[Path, typer.Option(metavar="FILE", help="The .onnx file to write.", show_default=False)]


@app.command()
def export(model: FittedModelFile, out: OnnxOutput, as_json: AsJson = False) -> None:
    """Export a model as one ONNX graph, from raw rows or images to scores.

    'egbad score' accepts the file and needs no torch for it.
    """
    check_suffix(out, (".onnx",), "an exported model")
    check_outputs({"--out": out}, {"MODEL": model})
    from egbad.cli import run_export

    run_export.run_export(model, out, as_json=as_json)
