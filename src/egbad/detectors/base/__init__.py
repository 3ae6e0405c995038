"""What every detector is: `Detector` on the scikit-learn side, `Model` on the torch side."""

from egbad.arrays import Floats
from egbad.detectors.base.detector import Array, Detector, Encoded, FitContext, Watch
from egbad.detectors.base.model import NETWORK_INPUT_LIMIT, Model, ModelAttribution, total
from egbad.detectors.base.provenance import versions
from egbad.detectors.base.settings import Recipe, Settings, TrainingSettings
from egbad.detectors.base.sklearn_detector import SklearnDetector, flat
from egbad.detectors.base.torch_detector import TorchDetector

__all__ = [
    "NETWORK_INPUT_LIMIT",
    "Array",
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
    "TrainingSettings",
    "Watch",
    "flat",
    "total",
    "versions",
]
