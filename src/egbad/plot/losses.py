"""Figures of losses during training, with what its health checks found."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.errors import InvalidInputError, unknown
from egbad.plot.axes import add_legend, as_axes, check_fitted, is_scorer, text_colour
from egbad.training.health import parse_message

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINES = (":", "--", "-.")  # of symptoms
_MEMBER_OPACITY = 0.35
_OLDEST_LISTED = 6  # kinds of symptoms that the legend lists; the others share an entry


def loss_curves(
    history: Any,
    *,
    health: Iterable[str] | None = None,
    players: Iterable[str] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the losses of the players during training, with the steps at which health checks found a symptom.

    Of an ensemble, a thick line is the mean and thin lines are members. Losses that are not finite leave gaps.

    Parameters
    ----------
    history : fitted detector or mapping of str to array-like
        A detector, or its `history_`: "step" of shape (n_records,), and the loss of each player of shape (n_records,) or
        (n_records, n_members).
    health : iterable of str, optional
        Messages about training. By default `health_` of the detector.
    players : iterable of str, optional
        Names of the losses to draw. By default all.
    ax : Axes, optional
        By default those of a new figure of pyplot.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If the detector has no losses, or losses do not have as many records as there are steps.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from egbad.plot import loss_curves
    >>> ax = loss_curves({"step": [10, 20], "D": [0.7, 0.6], "G": [0.8, 0.9]}, ax=Figure().subplots())
    >>> ax.get_xlabel(), [line.get_label() for line in ax.get_lines()]
    ('training step', ['D', 'G'])
    """
    if is_scorer(history):
        check_fitted("loss_curves", history, ("history_",))
        health = history.health_ if health is None else health
        history = history.history_
    steps, losses = _losses(history, players)
    ax = as_axes(ax)
    for name, values in losses.items():
        (line,) = ax.plot(steps, _mean(values), linewidth=1.5, label=name)
        if values.shape[1] > 1:
            ax.plot(steps, values, color=line.get_color(), linewidth=0.6, alpha=_MEMBER_OPACITY)
    _mark_health(ax, list(health or ()), float(steps[-1]))
    ax.set(xlabel="training step", ylabel="loss")
    add_legend(ax)
    return ax


def _losses(history: Any, players: Iterable[str] | None) -> tuple[NDArray[Any], dict[str, Floats]]:
    """Return the steps (n_records,) and the losses (n_records, n_members) of players by name."""
    if not isinstance(history, Mapping):
        raise InvalidInputError(
            f"history must be a fitted detector or its history_, a mapping with 'step', got {type(history).__name__}."
        )
    if not len(history.get("step", ())):
        raise InvalidInputError("history must have at least one record of losses, got none. Train for more steps.")
    names = [name for name in history if name != "step"]
    for name in players or ():
        if name not in names:
            raise unknown("player", name, names)
    steps = np.asarray(history["step"])
    losses: dict[str, Floats] = {}
    for name in names if players is None else players:
        values: Array = np.asarray(history[name], dtype=np.float64)
        if values.ndim not in (1, 2) or len(values) != len(steps):
            raise InvalidInputError(
                f"The loss of '{name}' must have {len(steps)} records, one for each step, got shape {values.shape}."
            )
        losses[name] = values.reshape(len(steps), -1)
    return steps, losses


def _mean(values: Floats) -> Floats:
    """Return the mean (n_records,) over the members whose losses (n_records, n_members) are finite, NaN for none."""
    finite = np.isfinite(values)
    n = finite.sum(axis=1)
    total = np.where(finite, values, 0).sum(axis=1)
    return np.asarray(np.divide(total, n, out=np.full(len(values), np.nan), where=n > 0))


def _mark_health(ax: "Axes", messages: Sequence[str], last_step: float) -> None:
    """Draw a line at each step with a symptom; symptoms of one kind share an entry of the legend."""
    found: dict[str, list[float]] = {}
    for message in messages:
        step, symptom = parse_message(message)
        kind = symptom if step is not None else f"at the end: {symptom}"
        if kind not in found and len(found) >= _OLDEST_LISTED:
            kind = "other symptoms, see health_"
        found.setdefault(kind, []).append(last_step if step is None else step)
    for i, (kind, steps) in enumerate(found.items()):
        line = _LINES[i % len(_LINES)]
        label = kind if len(steps) == 1 else f"{kind} ({len(steps)} times)"
        for j, place in enumerate(sorted(steps)):
            hidden = "_" if j else ""
            ax.axvline(place, color=text_colour(ax), alpha=0.7, linewidth=1, linestyle=line, label=f"{hidden}{label}")
