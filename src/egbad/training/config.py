"""Options of training that every detector with networks shares."""

from dataclasses import dataclass

from egbad.preprocessing.sklearn_base import BaseEstimator


@dataclass(kw_only=True, repr=False)
class TrainingConfig(BaseEstimator):
    """Optimizer, schedule and precision of a detector's networks.

    Options that are None take the value of the detector's recipe.

    Parameters
    ----------
    learning_rate : float, optional
        Learning rate of Adam.
    learning_rate_decay : bool, optional
        Decay the learning rate linearly to a hundredth over the second half of training.
    beta1 : float, optional
        Adam's decay rate of the first moment, in [0, 1).
    batch_size : int, optional
        Rows or images per batch.
    steps : int, optional
        Number of optimizer steps of each player. 0 leaves the networks untrained.
    epochs : float, optional
        Number of passes over the training rows, instead of `steps`.
    ema_decay : float, optional
        Decay of the exponential moving average of the weights, in [0, 1). Scores use the averaged weights. 0 turns
        averaging off.
    ema_warmup : bool, optional
        Start with a small decay, so that the average soon forgets the initial weights.
    health_interventions : bool, optional
        Slow down, roll back or train again the members that show a symptom of failed training. Without it symptoms are
        only reported. Default True; with ``recipe="paper"`` False.
    precision : {"float32", "tf32", "bf16"}, optional
        Precision of matrix products and convolutions, in training and in scoring. "tf32" matters on a GPU only and
        changes a score by 1/2000 in the median and by 1/200 at most; "bf16" by ten times that. Default "float32".

    Examples
    --------
    >>> from egbad import EGBAD
    >>> from egbad.training import TrainingConfig
    >>> detector = EGBAD(training=TrainingConfig(steps=200))
    >>> detector.set_params(training__learning_rate=1e-3).training.learning_rate
    0.001
    """

    learning_rate: float | None = None
    learning_rate_decay: bool | None = None
    beta1: float | None = None
    batch_size: int | None = None
    steps: int | None = None
    epochs: float | None = None
    ema_decay: float | None = None
    ema_warmup: bool | None = None
    health_interventions: bool | None = None
    precision: str | None = None


@dataclass(kw_only=True, repr=False)
class EarlyStopping(BaseEstimator):
    """Choice of the best weights by rows held out of training, and of the end of training.

    Options that are None take the value of the detector's recipe.

    Parameters
    ----------
    criterion : {"validation", "none"}, optional
        "validation" holds rows out of training and keeps the weights with the lowest validation loss; some methods have
        no such loss. "none" keeps the last weights.
    fraction : float, optional
        Fraction of the training rows to hold out, in (0, 1). At most 4,096 rows are held out.
    patience : int, optional
        Number of checks without sufficient improvement after which training ends. None trains for all steps.
    min_gain : float, optional
        Relative improvement that counts as sufficient, in [0, 1).
    interval : int, optional
        Number of steps between two checks. None checks fifty times per run.

    Examples
    --------
    >>> from egbad import EGBAD
    >>> from egbad.training import EarlyStopping
    >>> EGBAD(early_stopping=EarlyStopping(patience=3)).get_params()["early_stopping__patience"]
    3
    """

    criterion: str | None = None
    fraction: float | None = None
    patience: int | None = None
    min_gain: float | None = None
    interval: int | None = None
