"""Heatmaps: anomaly maps drawn over their images, on one colour scale for all images."""

from math import ceil
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from egbad.arrays import Array, Floats
from egbad.errors import InvalidInputError
from egbad.plot.pixels import Pixels, apply_magma, to_channels_first, to_pixels

_MIN_SIDE = 256  # pixels of the longer side: smaller images are enlarged
_OPACITY = 0.6  # of the brightest colour
_RISE = 2.0  # the colour in the middle of the scale is as opaque as the brightest one
_DARKEST = 0.35  # place on the colour map of the darkest colour: black would darken normal pixels
_CONTOUR = (0, 229, 255)  # cyan, which the colour map lacks
_CONTOUR_SHARE = 1 / 150  # width of a contour as a fraction of the longer side
_WHITES = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


def heatmap(
    image: Any,
    anomaly_map: Any,
    *,
    scale: tuple[float, float],
    threshold: float | None = None,
    levels: tuple[float, float] | None = None,
) -> Image.Image:
    """Draw an anomaly map over its image.

    Colours become opaque from the lower to the upper end of the scale. Take one scale for all images: one that is stretched
    for each image shows defects in normal images.

    Parameters
    ----------
    image : PIL image or ndarray of shape (h, w), (c, h, w) or (h, w, c)
        Images whose longer side has less than 256 pixels are enlarged by a whole factor.
    anomaly_map : ndarray of shape (height, width)
        Interpolated where it has another size than the image.
    scale : tuple of float
        Values of the map for the darkest and the brightest colour, as `map_scale` of detectors returns them.
    threshold : float, optional
        Draw the contour of what is above this value, such as `pixel_threshold` of detectors.
    levels : tuple of float, optional
        Values of the image that are black and white. By default those of its type: 0 and 255 for 8 bits, 0 and 65535 for 16
        bits, 0 and 1 for fractions, and the range of the image for other numbers.

    Returns
    -------
    PIL.Image.Image
        In RGB.

    Raises
    ------
    InvalidInputError
        If the image or the map has another shape, a value of the map is not finite, or the scale is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.plot import heatmap
    >>> image, anomaly_map = np.full((300, 400), 120, dtype=np.uint8), np.zeros((300, 400))
    >>> anomaly_map[100:120, 50:90] = 3.0
    >>> drawn = heatmap(image, anomaly_map, scale=(0.0, 2.0), threshold=1.0)
    >>> drawn.size, drawn.getpixel((300, 200)), drawn.getpixel((46, 110))
    ((400, 300), (120, 120, 120), (120, 120, 120))
    >>> drawn.getpixel((49, 110))  # the contour
    (0, 229, 255)
    """
    pixels, values = _grey_or_rgb(image, levels), np.asarray(anomaly_map, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise InvalidInputError(f"anomaly_map must have shape (height, width), got {values.shape}.")
    if not np.isfinite(values).all():
        raise InvalidInputError("anomaly_map must be finite, got NaN or infinity.")
    low, high = scale
    if not (np.isfinite([low, high]).all() and low < high):
        raise InvalidInputError(f"scale must be two numbers, the lower first, got {scale}.")
    factor = max(1, ceil(_MIN_SIDE / max(pixels.shape[:2])))
    pixels = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    values = resize_map(values, (pixels.shape[0], pixels.shape[1]))
    return Image.fromarray(_overlay(pixels, values, low, high, threshold))


def resize_map(anomaly_map: Floats, size: tuple[int, int]) -> Floats:
    """Interpolate an anomaly map to another size.

    Parameters
    ----------
    anomaly_map : ndarray of shape (h, w)
    size : tuple of int
        Height and width.

    Returns
    -------
    ndarray of shape `size`
    """
    if anomaly_map.shape == size:
        return anomaly_map
    single = Image.fromarray(anomaly_map.astype(np.float32))
    return np.asarray(single.resize(size[::-1], Image.Resampling.BILINEAR), dtype=np.float64)


def contour(mask: Array, width: int = 1) -> Array:
    """Return the pixels around the parts of a mask.

    Parameters
    ----------
    mask : ndarray of bool of shape (h, w)
    width : int, default=1
        Width of the contour in pixels.

    Returns
    -------
    ndarray of bool of shape (h, w)
        Outside of the mask; at the border of the image there is none.

    Examples
    --------
    >>> import numpy as np
    >>> contour(np.array([[0, 0, 0, 1, 1]], dtype=bool)).astype(int)
    array([[0, 0, 1, 0, 0]])
    """
    widened = Image.fromarray(mask.astype(np.uint8)).filter(ImageFilter.MaxFilter(2 * width + 1))
    return np.asarray((np.asarray(widened) > 0) & ~mask)


def _overlay(pixels: Pixels, values: Floats, low: float, high: float, threshold: float | None) -> Pixels:
    """Return pixels (h, w, 3) under the colours of a map (h, w), with the contour of what is above the threshold."""
    strength = np.clip((values - low) / (high - low), 0, 1)
    opacity = _OPACITY * np.minimum(_RISE * strength, 1)[..., None]
    colours = apply_magma(_DARKEST + (1 - _DARKEST) * strength)
    mixed = ((1 - opacity) * pixels + opacity * colours).round().astype(np.uint8)
    if threshold is not None:
        width = max(1, round(_CONTOUR_SHARE * max(values.shape)))
        mixed[contour(values > threshold, width)] = _CONTOUR
    return mixed


def _grey_or_rgb(image: Any, levels: tuple[float, float] | None) -> Pixels:
    """Return an image as pixels (h, w, 3)."""
    x = np.asarray(image)
    if x.ndim == 3 and x.shape[0] not in (1, 3) and x.shape[2] in (1, 3, 4):
        x = np.moveaxis(x[..., :3], 2, 0)  # without transparency
    if x.ndim not in (2, 3) or not x.size:
        raise InvalidInputError(f"image must have shape (h, w), (c, h, w) or (h, w, c), got {x.shape}.")
    values = to_channels_first(x[None])[0]
    low, high = levels or _levels(x.dtype, values)
    pixels = to_pixels(values, low, high)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _levels(dtype: np.dtype[Any], values: Floats) -> tuple[float, float]:
    """Return the values of an image that are black and white, by its type or its range."""
    low, high = float(values.min()), float(values.max())
    white = _WHITES.get(dtype, 1.0 if low >= 0 and high <= 1 else None)
    return (low, high) if white is None else (0.0, white)
