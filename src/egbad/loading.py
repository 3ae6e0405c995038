"""The way back from any file that a detector was written to."""

import os
from typing import TYPE_CHECKING, Any

from egbad.export.onnx_scorer import SUFFIX, OnnxScorer

if TYPE_CHECKING:
    from egbad.detectors.base import Detector


def load(path: str | os.PathLike[str]) -> "Detector[Any] | OnnxScorer":
    """Read a fitted detector: from a file that `save` wrote, or to score by, without torch, from one that was exported.

    It never runs code from the file.

    Raises
    ------
    UnreadableFileError
        When the file is missing, no detector, damaged, of a newer format or of an unknown detector.
    EgbadError
        For an exported file where onnxruntime isn't installed.
    """
    if str(path).lower().endswith(SUFFIX):
        return OnnxScorer(path)
    from egbad.detectors import registry

    return registry.load(path)
