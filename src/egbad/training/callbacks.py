"""Callbacks: code of the user that watches training."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from egbad.arrays import Array, Floats
from egbad.errors import InvalidInputError
from egbad.training.history import Curves, History, health_messages, loss_curves
from egbad.training.loop import TrainingLoop


class TrainingProgress:
    """State of training after a step, read when it is asked for.

    It describes the present step only while a callback runs: read what you need there, and keep the arrays.

    Parameters
    ----------
    loop : TrainingLoop
    n_before : int
        Steps of the stages before.
    n_steps : int
        Largest number of steps of all stages.
    completed : sequence of History
        Histories of the stages before.

    Attributes
    ----------
    step : int
        Number of steps so far, of all stages.
    n_steps : int
        Largest number of steps of all stages; early stopping may end training sooner.
    stage : int
        Stage of training, from 0. Most methods have one.
    """

    def __init__(self, loop: TrainingLoop, n_before: int, n_steps: int, completed: Sequence[History]) -> None:
        self._loop, self._completed = loop, completed
        self.step, self.n_steps, self.stage = n_before + loop.n_steps, n_steps, len(completed)

    @property
    def learning_rate(self) -> float:
        """Learning rate of the step, which players may scale and health checks may lower for single members."""
        return self._loop.schedule.learning_rate_at(self._loop.n_steps - 1)

    @property
    def losses(self) -> dict[str, Floats]:
        """Loss of each player and member in the last update.

        Returns
        -------
        dict of str to ndarray of shape (n_members,)
        """
        return {optimizer.player.name: _to_array(optimizer.last_losses) for optimizer in self._loop.optimizers}

    @property
    def gradient_norms(self) -> dict[str, Floats]:
        """Euclidean norm of the gradient of each player and member in the last update.

        Returns
        -------
        dict of str to ndarray of shape (n_members,)
        """
        return {optimizer.player.name: _to_array(optimizer.gradient_norms()) for optimizer in self._loop.optimizers}

    @property
    def validation_loss(self) -> Floats | None:
        """Validation loss of each member at the last check of early stopping.

        Returns
        -------
        ndarray of shape (n_members,), or None
            None before the first check, and without early stopping.
        """
        best = self._loop.best_weights
        return None if best is None or best.last_loss is None else _to_array(best.last_loss)

    @property
    def history(self) -> Curves:
        """Losses so far, as `history_` of the fitted detector has them.

        Returns
        -------
        dict of str to ndarray
            "step" of shape (n_records,), and the loss of each player of shape (n_records, n_members). Empty before the
            first record.
        """
        return loss_curves([*self._completed, self._loop.history], len(self._loop.generators))

    @property
    def health(self) -> list[str]:
        """Messages about symptoms so far, as `health_` of the fitted detector has them."""
        return health_messages([*self._completed, self._loop.history], len(self._loop.generators))[0]


class Callback:
    """Base class of callbacks of `fit`, with methods that do nothing.

    Training does not depend on callbacks: with and without them a fit ends with the same bits. Of a process group the first
    process calls them. Members that training starts again from another seed are not watched a second time. Detectors without
    training steps of their own, such as `KNN` and `Blend`, call `on_end` alone.

    See Also
    --------
    egbad.integrations : Ready callbacks for files and experiment trackers.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad import EGBAD, TrainingConfig
    >>> from egbad.training import Callback
    >>> class GradientLimit(Callback):
    ...     def on_step(self, progress):
    ...         assert all(norm.max() < 1e3 for norm in progress.gradient_norms.values())
    ...
    ...     def on_look(self, progress, detector):
    ...         print(progress.step, detector.anomaly_score([[9.0, 9.0, 9.0]]).shape)
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> detector = EGBAD(training=TrainingConfig(steps=40), alpha=0.1, random_state=0)
    >>> _ = detector.fit(X, callback=GradientLimit(), callback_interval=20)
    20 (1,)
    40 (1,)
    """

    def on_step(self, progress: TrainingProgress) -> None:
        """Watch a step. This is called after each of them, so it should be fast.

        Parameters
        ----------
        progress : TrainingProgress
        """

    def on_look(self, progress: TrainingProgress, detector: Any) -> None:
        """Watch the detector after every `callback_interval` steps.

        Parameters
        ----------
        progress : TrainingProgress
        detector : Detector
            Scores, explains and reconstructs as if training had ended here. `history_` and `health_` are those so far.
            There is no threshold yet.
        """

    def on_end(self, detector: Any) -> None:
        """Watch the fitted detector. This is not called if `fit` ends with an exception.

        Parameters
        ----------
        detector : Detector
        """


class FunctionCallback(Callback):
    """A callback that calls a function with the number of steps so far.

    Parameters
    ----------
    function : callable
    """

    def __init__(self, function: Callable[[int], None]) -> None:
        self.function = function

    def on_look(self, progress: TrainingProgress, detector: Any) -> None:
        """Call the function."""
        self.function(progress.step)


class CallbackList(Callback):
    """A callback that calls others, one after the other.

    Parameters
    ----------
    callbacks : sequence of Callback
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self.callbacks = callbacks

    def on_step(self, progress: TrainingProgress) -> None:
        """Call `on_step` of all."""
        for callback in self.callbacks:
            callback.on_step(progress)

    def on_look(self, progress: TrainingProgress, detector: Any) -> None:
        """Call `on_look` of all."""
        for callback in self.callbacks:
            callback.on_look(progress, detector)

    def on_end(self, detector: Any) -> None:
        """Call `on_end` of all."""
        for callback in self.callbacks:
            callback.on_end(detector)


def as_callback(callback: Any, *, is_first: bool = True) -> Callback | None:
    """Return what `fit` was given as one callback.

    Parameters
    ----------
    callback : callable, Callback, or list or tuple of these, or None
    is_first : bool, default=True
        False in a process group for all processes but the first: only functions are called there.

    Returns
    -------
    Callback or None
        None if there is nothing to call.

    Raises
    ------
    InvalidInputError
        If it is something else.
    """
    given = [*callback] if isinstance(callback, list | tuple) else [callback] if callback is not None else []
    for one in given:
        if isinstance(one, type) or not (isinstance(one, Callback) or callable(one)):
            raise InvalidInputError(
                f"callback must be a Callback, a function of the number of steps, or a list of these, got {one!r}."
            )
    found = [one if isinstance(one, Callback) else FunctionCallback(one) for one in given]
    called = [one for one in found if is_first or isinstance(one, FunctionCallback)]
    return CallbackList(called) if called else None


def _to_array(values: torch.Tensor) -> Floats:
    array: Array = values.detach().cpu().numpy()
    return array.astype(np.float64)
