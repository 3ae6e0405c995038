"""Axes to draw on, colours that follow the style in use, and checks of what is drawn."""

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from egbad.arrays import Floats
from egbad.errors import InvalidInputError, require_extra, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_POINTS = 500  # of a curve: more than a figure has pixels across
_LEGEND_POINTS = 20_000  # from which on the best place of a legend takes long to find


def as_axes(ax: Any, width: float = 7.0, height: float = 3.6) -> "Axes":
    """Return the Axes to draw on.

    Parameters
    ----------
    ax : Axes or None
        By default those of a new figure of pyplot.
    width, height : float
        Size of a new figure in inches.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidInputError
        If `ax` is something else.
    MissingExtraError
        If matplotlib is not installed.
    """
    require_extra("A figure", "plot", "matplotlib")
    if ax is None:
        new: Axes = import_module("matplotlib.pyplot").subplots(figsize=(width, height), layout="constrained")[1]
        return new
    if not is_axes(ax):
        raise InvalidInputError(f"ax must be Axes of matplotlib, got {type(ax).__name__}. Pass ax=figure.subplots().")
    found: Axes = ax
    return found


def as_figure(figure: Any, width: float, height: float) -> Any:
    """Return the figure to draw on.

    Parameters
    ----------
    figure : Figure, SubFigure or None
        By default a new figure of pyplot.
    width, height : float
        Size of a new figure in inches.

    Returns
    -------
    Figure or SubFigure

    Raises
    ------
    InvalidInputError
        If `figure` is something else.
    """
    if figure is None:
        return import_module("matplotlib.pyplot").figure(figsize=(width, height), layout="constrained")
    if not isinstance(figure, import_module("matplotlib.figure").FigureBase):
        raise InvalidInputError(
            f"axes must be a figure of matplotlib or an array of Axes, got {type(figure).__name__}."
        )
    return figure


def is_axes(value: Any) -> bool:
    """Return True for Axes of matplotlib."""
    return isinstance(value, import_module("matplotlib.axes").Axes)


def text_colour(ax: "Axes") -> Any:
    """Return the colour of the labels of Axes, which can be seen on their background."""
    return ax.xaxis.label.get_color()


def label_once(ax: "Axes", label: str) -> str:
    """Return a label for the legend, or one that hides the entry if the legend has it already."""
    return "_" + label if label in ax.get_legend_handles_labels()[1] else label


def add_legend(ax: "Axes", n_points: int = 0) -> None:
    """Add a legend for all labelled artists, if there are any."""
    if ax.get_legend_handles_labels()[1]:
        ax.legend(fontsize="small", loc="best" if n_points < _LEGEND_POINTS else "upper right")


def check_numbers(name: str, values: Any) -> Floats:
    """Return numbers as an array after a check.

    Parameters
    ----------
    name : str
        Name of the parameter.
    values : array-like of shape (n,)

    Returns
    -------
    ndarray of float of shape (n,)

    Raises
    ------
    InvalidInputError
        If they are not one-dimensional and finite, or there are none.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"{name} must be an array of numbers of shape (n_samples,), got {shorten(repr(values))}."
        ) from None
    if array.ndim != 1 or not len(array):
        raise InvalidInputError(f"{name} must have shape (n_samples,) with at least one value, got {array.shape}.")
    if not np.isfinite(array).all():
        first = int(np.flatnonzero(~np.isfinite(array))[0])
        raise InvalidInputError(f"{name} must be finite, got {array[first]} at position {first}.")
    return array


def check_fitted(function: str, detector: Any, needed: Iterable[str]) -> None:
    """Raise unless a detector is fitted and has some attributes.

    Parameters
    ----------
    function : str
        Function that draws.
    detector : object
    needed : iterable of str
        Names of attributes.

    Raises
    ------
    InvalidInputError
        If one of them is missing.
    """
    missing = [name for name in needed if not hasattr(detector, name)]
    if missing:
        raise InvalidInputError(
            f"{function} needs a fitted detector with {missing[0]}, got {shorten(repr(detector))}. Fit it first, or take "
            "a detector that has it."
        )


def is_scorer(source: Any) -> bool:
    """Return True for a detector or another scorer, fitted or not, False for arrays."""
    return hasattr(source, "anomaly_score")
