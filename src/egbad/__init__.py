"""Anomaly detection with adversarially learned models that people can rely on."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from egbad.detectors.blend import Blend
    from egbad.detectors.egbad import EGBAD
    from egbad.loading import load
    from egbad.preprocessing.config import Preprocessing
    from egbad.training.config import EarlyStopping, TrainingConfig

    __version__: str

__all__ = ["EGBAD", "Blend", "EarlyStopping", "Preprocessing", "TrainingConfig", "__version__", "load"]

_HOMES = {
    "Blend": "egbad.detectors.blend",
    "EGBAD": "egbad.detectors.egbad",
    "EarlyStopping": "egbad.training.config",
    "Preprocessing": "egbad.preprocessing.config",
    "TrainingConfig": "egbad.training.config",
    "load": "egbad.loading",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: `import egbad` alone costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("egbad")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'egbad' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
