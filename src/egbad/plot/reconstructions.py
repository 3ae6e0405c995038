"""Figures of images with their reconstructions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from egbad.errors import InvalidInputError, require_extra
from egbad.plot.axes import as_figure, check_fitted, is_axes, is_scorer
from egbad.plot.pixels import check_images, to_pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

_MAX_IMAGES = 20
_ROWS = ("image", "reconstruction", "difference")


def reconstruction_grid(
    source: Any,
    X: Any,
    *,
    titles: Sequence[str] | None = None,
    levels: tuple[float, float] | None = None,
    axes: Any = None,
) -> Any:
    """Draw images, their reconstructions and the differences, one image in each column.

    In the last line red places are brighter in the image than in the reconstruction, and blue ones are darker. All images share
    one scale, and so do all differences. Differences of colour images are means over their channels.

    Parameters
    ----------
    source : fitted detector or images of the shape of X
        A detector with `reconstruct`, or reconstructions.
    X : images of shape (n_samples, [channels,] height, width)
        At most 20.
    titles : sequence of str, optional
        Title of each image. By default its anomaly score, if there is a detector.
    levels : tuple of float, optional
        Values of pixels that are black and white. By default the range of X.
    axes : ndarray of Axes of shape (3, n_samples), or Figure, optional
        By default a new figure of pyplot.

    Returns
    -------
    ndarray of Axes of shape (3, n_samples)

    Raises
    ------
    InvalidInputError
        If the detector has no reconstructions, X is not a stack of at most 20 images, or shapes do not match.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from egbad.plot import reconstruction_grid
    >>> X = np.random.default_rng(0).uniform(size=(4, 8, 8))
    >>> axes = reconstruction_grid(X.round(), X, axes=Figure())
    >>> axes.shape, [ax.get_ylabel() for ax in axes[:, 0]]
    ((3, 4), ['image', 'reconstruction', 'difference'])
    """
    images = check_images("X", X, _MAX_IMAGES)
    if is_scorer(source):
        check_fitted("reconstruction_grid", source, ("calibration_scores_", "reconstruct"))
        titles = [f"{score:.3g}" for score in source.anomaly_score(X)] if titles is None else titles
        source = source.reconstruct(X)
    redrawn = check_images("reconstructions", source, _MAX_IMAGES)
    if redrawn.shape != images.shape:
        raise InvalidInputError(f"Reconstructions must have the shape of X, {images.shape}, got {redrawn.shape}.")
    if titles is not None and len(titles) != len(images):
        raise InvalidInputError(f"titles must be one for each of {len(images)} images, got {len(titles)}.")
    low, high = (float(images.min()), float(images.max())) if levels is None else levels
    if not low < high:
        low, high = low - 0.5, low + 0.5
    own_figure, grid = _grid(axes, len(images))
    differences = (images - redrawn).mean(axis=1)
    reach = float(np.abs(differences).max()) or 1.0
    for column in range(len(images)):
        for line, image in enumerate((images[column], redrawn[column])):
            grid[line, column].imshow(to_pixels(image, low, high), cmap="gray", vmin=0, vmax=255)
        drawn = grid[2, column].imshow(differences[column], cmap="RdBu_r", vmin=-reach, vmax=reach)
        if titles is not None:
            grid[0, column].set_title(titles[column], fontsize="medium")
    for ax in grid.flat:
        ax.set(xticks=[], yticks=[])
    for ax, name in zip(grid[:, 0], _ROWS, strict=True):
        ax.set_ylabel(name)
    if own_figure is not None:
        own_figure.colorbar(drawn, ax=list(grid[2]), label="difference\nin pixel values", aspect=8)
    return grid


def _grid(axes: Any, n: int) -> tuple["Figure | SubFigure | None", "np.ndarray[Any, Any]"]:
    """Return a figure that is free for a scale, and Axes (3, n); no figure if the user gave the Axes."""
    require_extra("A figure", "plot", "matplotlib")
    if isinstance(axes, np.ndarray):
        if axes.shape != (len(_ROWS), n) or not all(is_axes(ax) for ax in axes.flat):
            raise InvalidInputError(
                f"axes must be an array of Axes of shape ({len(_ROWS)}, {n}), got shape {axes.shape}."
            )
        return None, axes
    figure = as_figure(axes, 1.2 + 1.15 * n, 3.9)
    grid: np.ndarray[Any, Any] = figure.subplots(len(_ROWS), n, squeeze=False)
    return figure, grid
