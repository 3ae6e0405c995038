"""Export of fitted detectors to ONNX, and scoring of ONNX files without torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from egbad.export.to_onnx import export

__all__ = ["export"]


def __getattr__(name: str) -> Any:
    """Import `export` on first use: it needs torch, and scoring an ONNX file does not."""
    if name == "export":
        return import_module("egbad.export.to_onnx").export
    raise AttributeError(f"module 'egbad.export' has no attribute '{name}'")
