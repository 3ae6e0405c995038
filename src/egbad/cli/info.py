"""TODO."""

from pathlib import Path
from typing import Annotated

import typer

from egbad.cli import loading, output
from egbad.cli.app import app
from egbad.cli.options import AsJson, ModelFile
from egbad.errors import InvalidInputError


@app.command()
def export(
    model: ModelFile,
    out: Annotated[Path, typer.Option(help="The .onnx file to write.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Write MODEL as one ONNX graph, from raw rows or images to scores; 'egbad score' takes it, and needs no torch then."""
    from egbad.export.onnx_scorer import SUFFIX

    if out.suffix.lower() != SUFFIX:
        raise InvalidInputError(f"An exported detector is a file that ends in {SUFFIX}, got '{out.name}'.")
    output.check_target(out)
    from egbad.detectors import registry
    from egbad.export.to_onnx import export as write

    detector = registry.load(model)
    write(detector, out)
    told = {"detector": detector.name, "bytes": out.stat().st_size, "out": str(out)}
    output.show(f"{model} as an ONNX graph", told, as_json=as_json)


@app.command()
def info(model: ModelFile, as_json: AsJson = False) -> None:
    """Say what a model file holds: detector, parameters, seeds, versions, input, threshold, health."""
    about = loading.load_model(model).describe()
    output.show(str(model), about if as_json else output.flat(about), as_json=as_json)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same scores.")] = 0,
    normal: Annotated[int, typer.Option(min=0, max=9, help="The digit to learn.")] = 5,
    anomaly: Annotated[int, typer.Option(min=0, max=9, help="The digit to meet.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Learn a digit from real handwriting, meet another, and show both in report.html, in about a minute."""
    output.check_target(out)
    if normal == anomaly:
        raise InvalidInputError(f"The two digits must differ, got {normal} twice. Choose another --anomaly.")
    from egbad.cli.demo import run

    measured = run(normal=normal, anomaly=anomaly, seed=seed, out=out, verbose=not as_json)
    shown = measured if as_json else {name.replace("_", " "): value for name, value in measured.items()}
    output.show(f"EGBAD learned the digit {normal} and met the digit {anomaly}", shown, as_json=as_json)
