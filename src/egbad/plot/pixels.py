"""Images as 8-bit pixels, colours of maps, and PNG data URIs."""

import base64
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from egbad.arrays import Array, Floats
from egbad.data import as_data
from egbad.data.lazy_images import decode_all
from egbad.data.ragged import is_ragged
from egbad.errors import InvalidInputError

Pixels = NDArray[np.uint8]

# Every sixteenth colour of matplotlib's magma map (CC0). Its lightness rises evenly, so it also reads in grey.
_MAGMA = (
    *("#000004", "#0c0926", "#221150", "#400f74", "#5f187f", "#7b2382", "#982d80", "#b73779"),
    *("#d3436e", "#eb5760", "#f8765c", "#fd9a6a", "#febb81", "#fddc9e", "#fcfdbf"),
)


def apply_magma(values: Floats) -> Pixels:
    """Map values to colours of the magma map, from black through purple to pale yellow.

    Parameters
    ----------
    values : ndarray of shape (h, w)
        Values in [0, 1].

    Returns
    -------
    ndarray of uint8 of shape (h, w, 3)
    """
    anchors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in _MAGMA], dtype=np.float64)
    positions = np.linspace(0, 1, len(anchors))
    return np.stack([np.interp(values, positions, anchors[:, c]) for c in range(3)], axis=-1).round().astype(np.uint8)


def png_data_uri(pixels: Pixels) -> str:
    """Encode pixels as a PNG data URI.

    Parameters
    ----------
    pixels : ndarray of uint8 of shape (h, w) or (h, w, 3)
        Grey or RGB pixels.

    Returns
    -------
    str
    """
    file = BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def to_channels_first(x: Array) -> Floats:
    """Convert images to float64 with a channel axis. Replace values that are not finite by 0.

    Parameters
    ----------
    x : ndarray of shape (n, h, w) or (n, c, h, w)

    Returns
    -------
    ndarray of shape (n, c, h, w)
    """
    floats = np.nan_to_num(np.asarray(x, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return floats[:, None] if floats.ndim == 3 else floats


def check_images(name: str, X: Any, most: int) -> Floats:
    """Return a few images of one size, as `to_channels_first` does.

    Parameters
    ----------
    name : str
        Name of the parameter.
    X : images
        As detectors take them.
    most : int
        Largest number of images.

    Returns
    -------
    ndarray of shape (n, c, h, w)

    Raises
    ------
    InvalidInputError
        If they differ in size, or there are none or too many.
    """
    x: Array = decode_all(as_data(X).x)
    if is_ragged(x) or x.ndim not in (3, 4):
        raise InvalidInputError(f"{name} must be images of one size, of shape (n_samples, [channels,] height, width).")
    if not 1 <= len(x) <= most:
        raise InvalidInputError(f"{name} must be 1 to {most} images, got {len(x):,}. Pass a few of them.")
    return to_channels_first(x)


def to_pixels(image: Floats, low: float, high: float) -> Pixels:
    """Convert an image to 8-bit pixels.

    Parameters
    ----------
    image : ndarray of shape (c, h, w)
    low, high : float
        Values that become 0 and 255. Values outside are clipped.

    Returns
    -------
    ndarray of uint8 of shape (h, w) or (h, w, 3)
        RGB for three channels, else the grey mean over the channels.
    """
    values = np.moveaxis(image, 0, -1) if len(image) == 3 else image.mean(0)
    scaled = (values - low) / ((high - low) or 1.0)
    return (255 * scaled.clip(0, 1)).round().astype(np.uint8)
