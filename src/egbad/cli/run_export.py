"""The work of `egbad export`."""

from pathlib import Path

from egbad.cli.tables import print_values
from egbad.detectors import registry
from egbad.export import to_onnx


def run_export(model: Path, out: Path, *, as_json: bool) -> None:
    """Export a model as an ONNX graph, and print its size.

    Parameters
    ----------
    model : Path
    out : Path
    as_json : bool

    Raises
    ------
    InvalidInputError
        If the file is no model, or the model cannot be exported.
    """
    detector = registry.load(model)
    to_onnx.export(detector, out)
    values = {"detector": detector.name, "bytes": out.stat().st_size, "out": str(out)}
    print_values(f"{model} as an ONNX graph", values, as_json=as_json)
