"""What every detector is: `Detector` on the scikit-learn side, `Model` on the torch side."""

from egbad.base.detector import Array, Beside, Detector, Encoded, Watch
from egbad.base.model import FAR, Model, Shares, total
from egbad.base.neural import TorchDetector
from egbad.base.provenance import versions
from egbad.base.settings import Recipe, Settings, TrainingSettings
from egbad.base.shallow import ShallowDetector, flat
from egbad.scoring import Floats

__all__ = [
    "FAR",
    "Array",
    "Beside",
    "Detector",
    "Encoded",
    "Floats",
    "Model",
    "Recipe",
    "Settings",
    "ShallowDetector",
    "Shares",
    "TorchDetector",
    "TrainingSettings",
    "Watch",
    "flat",
    "total",
    "versions",
]
