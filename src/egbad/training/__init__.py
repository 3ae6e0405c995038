"""Training of ensembles: the loop, its options, health checks, early stopping, checkpoints and process groups."""

from egbad.training.callbacks import Callback, TrainingProgress
from egbad.training.config import EarlyStopping, TrainingConfig

__all__ = ["Callback", "EarlyStopping", "TrainingConfig", "TrainingProgress"]
