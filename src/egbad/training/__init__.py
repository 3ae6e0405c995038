"""Training: the loop, its options, health checks, checkpoints and process groups."""

from egbad.training.config import EarlyStopping, TrainingConfig

__all__ = ["EarlyStopping", "TrainingConfig"]
