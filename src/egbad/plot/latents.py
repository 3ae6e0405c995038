"""Figures of latent vectors."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from egbad.arrays import Array, Floats
from egbad.errors import InvalidInputError
from egbad.plot.axes import add_legend, as_axes, check_fitted, is_scorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_GROUPS = 24
_GROUPS_PER_MARKER = 8  # colours of a style repeat
_MARKERS = ("o", "^", "s")


def latent_scatter(source: Any, X: Any = None, *, labels: ArrayLike | None = None, ax: "Axes | None" = None) -> "Axes":
    """Draw latent vectors by their first two principal components.

    The components are those of the vectors that are drawn. Of an ensemble, the vectors of all members are side by side.

    Parameters
    ----------
    source : fitted detector or ndarray of shape (n_samples, n_latent)
        A detector with an encoder, such as `EGBAD`, or latent vectors as `transform` returns them.
    X : array-like or data frame of shape (n_samples, n_features), or images, optional
        Rows or images to encode, for a detector.
    labels : array-like of shape (n_samples,), optional
        Group of each row, such as a class or whether it is an anomaly. Groups have different colours, in the order of their
        labels; at most 24.
    ax : Axes, optional
        By default those of a new figure of pyplot.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If the detector has no encoder, X is missing or does not match it, or labels do not match the rows.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from egbad.plot import latent_scatter
    >>> z = [[0.0, 0.0, 1.0], [2.0, 1.0, 1.0], [4.0, 2.0, 1.0]]
    >>> ax = latent_scatter(z, ax=Figure().subplots())
    >>> ax.get_xlabel()
    'first principal component (100% of the variance)'
    """
    if is_scorer(source):
        check_fitted("latent_scatter", source, ("calibration_scores_", "transform"))
        if X is None:
            raise InvalidInputError("latent_scatter needs rows or images X with a detector, got none.")
        source = source.transform(X)
    elif X is not None:
        raise InvalidInputError("X must come with a fitted detector, got latent vectors. Leave X out.")
    z = np.asarray(source, dtype=np.float64)
    if z.ndim != 2 or not z.size or not np.isfinite(z).all():
        raise InvalidInputError(
            f"Latent vectors must be finite numbers of shape (n_samples, n_latent), got shape {z.shape}."
        )
    groups = _groups(labels, len(z))
    points, explained = principal_components(z)
    ax = as_axes(ax, 5.4, 4.4)
    for i, (name, chosen) in enumerate(groups.items()):
        marker = _MARKERS[i // _GROUPS_PER_MARKER]
        ax.scatter(
            points[chosen, 0], points[chosen, 1], s=12, marker=marker, linewidths=0, alpha=0.8, label=name or None
        )
    ax.set(
        xlabel=f"first principal component ({explained[0]:.0%} of the variance)",
        ylabel=f"second principal component ({explained[1]:.0%} of the variance)",
    )
    add_legend(ax, len(z))
    return ax


def principal_components(z: Floats) -> tuple[Floats, Floats]:
    """Return vectors by their first two principal components.

    The largest entry of each direction is positive, so that the signs do not depend on the machine.

    Parameters
    ----------
    z : ndarray of shape (n, k)

    Returns
    -------
    points : ndarray of shape (n, 2)
        Zeros in place of a component that there is not.
    explained : ndarray of shape (2,)
        Share of the variance along each of them.
    """
    centred = z - z.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])
    points, explained = np.zeros((len(z), 2)), np.zeros(2)
    n = min(2, len(sizes))
    points[:, :n] = centred @ (directions[:n] * signs[:n, None]).T
    total = float((sizes**2).sum())
    explained[:n] = sizes[:n] ** 2 / total if total else 0.0
    return points, explained


def _groups(labels: ArrayLike | None, n: int) -> dict[str, Array]:
    """Return a mask (n,) for each label, in their order."""
    if labels is None:
        return {"": np.ones(n, dtype=np.bool_)}
    values = np.asarray(labels)
    if values.shape != (n,):
        raise InvalidInputError(f"labels must have shape ({n},), one for each row, got {values.shape}.")
    distinct = np.unique(values)
    if len(distinct) > _MAX_GROUPS:
        raise InvalidInputError(f"labels must have at most {_MAX_GROUPS} different values, got {len(distinct):,}.")
    return {str(label): values == label for label in distinct.tolist()}
