"""Anomaly detection with adversarially learned models.

The detectors follow scikit-learn's interface. `EGBAD` is the reference method, `Blend` combines several methods, and
`load` reads a saved detector. Names are imported on first use, so that ``import egbad`` itself is fast.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from egbad.detection import detect
    from egbad.detectors.blend import Blend
    from egbad.detectors.egbad import EGBAD
    from egbad.loading import load
    from egbad.preprocessing.config import Preprocessing
    from egbad.training.config import EarlyStopping, TrainingConfig

    __version__: str

__all__ = ["EGBAD", "Blend", "EarlyStopping", "Preprocessing", "TrainingConfig", "__version__", "detect", "load"]

_MODULE_OF = {
    "Blend": "egbad.detectors.blend",
    "EGBAD": "egbad.detectors.egbad",
    "EarlyStopping": "egbad.training.config",
    "Preprocessing": "egbad.preprocessing.config",
    "TrainingConfig": "egbad.training.config",
    "detect": "egbad.detection",
    "load": "egbad.loading",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name == "__version__":
        return version("egbad")
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'egbad' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
