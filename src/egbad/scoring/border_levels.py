"""Level of anomaly maps near the border of an image, where zero padding in a backbone makes normal patches look unusual."""

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.data.ragged import is_ragged, ragged_array

N_BANDS, BORDER = 20, 0.05  # narrow bands of equal width, and the share of each side that they cover at each end


def border_bands(height: int, width: int) -> NDArray[np.intp]:
    """Return the band of each pixel of an image, counted from the border.

    Parameters
    ----------
    height, width : int

    Returns
    -------
    ndarray of int of shape (height, width)
        0 at the border, `N_BANDS` inside.

    Examples
    --------
    >>> border_bands(1, 80).tolist()[0][:6]
    [2, 7, 12, 17, 20, 20]
    """
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5 for n in (height, width))
    depth = np.minimum((rows / height)[:, None], columns / width) / BORDER
    return np.minimum(depth * N_BANDS, N_BANDS).astype(np.intp)


def border_excess(n_pixels: Floats, sums: Floats, squares: Floats) -> Floats:
    """Return how much higher the maps of normal images are in each band than inside: in mean plus standard deviation.

    Parameters
    ----------
    n_pixels, sums, squares : ndarray of shape (N_BANDS + 1,)
        Number of pixels of each band, the sum of their values and that of the squares.

    Returns
    -------
    ndarray of shape (N_BANDS + 1,)
        At least 0, the inside last. Bands without a pixel, as in small maps, have the excess between those of their
        neighbours.

    Examples
    --------
    >>> n_pixels = np.r_[2, np.zeros(N_BANDS - 1), 4]
    >>> border_excess(n_pixels, n_pixels * np.r_[3, np.ones(N_BANDS)], n_pixels * np.r_[10, np.ones(N_BANDS)])[:3].tolist()
    [3.0, 2.85, 2.7]
    """
    n = np.maximum(n_pixels, 1)
    levels = sums / n + np.sqrt(np.maximum(squares / n - (sums / n) ** 2, 0))
    known = np.flatnonzero(n_pixels)
    return np.asarray(np.interp(np.arange(N_BANDS + 1), known, np.maximum(levels - levels[-1], 0)[known]))


def lower_border(maps: Array, excess: Floats) -> Array:
    """Subtract from maps what `border_excess` returned.

    Parameters
    ----------
    maps : ndarray of shape (n, h, w), or (n,) for images of different sizes
    excess : ndarray of shape (N_BANDS + 1,)

    Returns
    -------
    ndarray of the shape of `maps`

    Examples
    --------
    >>> lower_border(np.full((1, 1, 80), 5.0), np.linspace(2, 0, N_BANDS + 1))[0, 0, :5].round(1).tolist()
    [3.2, 3.7, 4.2, 4.7, 5.0]
    """
    if is_ragged(maps):
        return ragged_array([one - excess[border_bands(*one.shape)] for one in maps])
    return np.asarray(maps - excess[border_bands(*maps.shape[-2:])])
