"""Training of ensembles: the loop, its options, health checks, early stopping, checkpoints and process groups."""

from egbad.training.config import EarlyStopping, TrainingConfig

__all__ = ["EarlyStopping", "TrainingConfig"]
