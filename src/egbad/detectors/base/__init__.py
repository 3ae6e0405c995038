"""Base classes of detectors: `Detector` on the scikit-learn side, `Model` on the torch side."""

from egbad.arrays import Array, Floats
from egbad.detectors.base.detector import Detector, FitContext
from egbad.detectors.base.inputs import Encoded
from egbad.detectors.base.model import Model, ModelAttribution, total
from egbad.detectors.base.out_of_fold import Detection
from egbad.detectors.base.provenance import versions
from egbad.detectors.base.settings import Recipe, Settings, TorchSettings, merge_settings
from egbad.detectors.base.sklearn_detector import SklearnDetector, flatten_rows
from egbad.detectors.base.torch_detector import TorchDetector

__all__ = [
    "Array",
    "Detection",
    "Detector",
    "Encoded",
    "FitContext",
    "Floats",
    "Model",
    "ModelAttribution",
    "Recipe",
    "Settings",
    "SklearnDetector",
    "TorchDetector",
    "TorchSettings",
    "flatten_rows",
    "merge_settings",
    "total",
    "versions",
]
