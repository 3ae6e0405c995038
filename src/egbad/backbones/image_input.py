"""Images as a backbone takes them: RGB in [0, 1], of one size, of the usual brightness."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from egbad.arrays import Array, ArraySpec, State, check_arrays
from egbad.backbones.config import MAX_SIDE, MIN_SIDE, SIZE_MULTIPLE, FeatureSettings
from egbad.data.lazy_images import iterate_images
from egbad.data.pixel_scale import PixelScale
from egbad.data.ragged import is_ragged
from egbad.errors import InvalidEntryError, InvalidInputError
from egbad.nn.threads import map_threads

T = TypeVar("T")
Size = tuple[int, int]

MIN_GAIN, MAX_GAIN = 0.5, 2.0
LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
FAR_BELOW, FAR_ABOVE = -1.0, 2.0  # pixels in units of the training range are clipped to these
MIN_LUMINANCE = 1e-6
_LUMINANCE_IMAGES = 1000  # training images, at most, whose luminance gives the usual one
_SHARE_OF_IMAGES = 0.75
_SAME_ASPECT = 1.1  # largest quotient of aspect ratios that count as one
_MAX_PIXEL, _MIN_RANGE = 1e38, 1e-37
_SIZE = ArraySpec("int64", (2,), low=SIZE_MULTIPLE, high=2**14)


def median_size(shapes: Sequence[tuple[int, ...]]) -> tuple[float, float]:
    """Return the median height and width of images.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Shapes (..., h, w).

    Returns
    -------
    tuple of float
    """
    heights, widths = zip(*(shape[-2:] for shape in shapes), strict=True)
    return float(np.median(heights)), float(np.median(widths))


def share_aspect(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Return True if at least three quarters of the images have aspect ratios within 10 percent of one another.

    Images of many aspect ratios, such as cut-outs, are distorted in any case. No aspect ratio is then better than 1.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Shapes (..., h, w).

    Returns
    -------
    bool

    Examples
    --------
    >>> share_aspect([(30, 40), (60, 80), (61, 80), (40, 30)]), share_aspect([(30, 40), (60, 80), (40, 30), (80, 60)])
    (True, False)
    """
    ratios = np.sort([shape[-2] / shape[-1] for shape in shapes])
    n = ceil(_SHARE_OF_IMAGES * len(ratios))
    return bool((ratios[n - 1 :] <= _SAME_ASPECT * ratios[: len(ratios) - n + 1]).any())


def input_size(height: float, width: float, side: int | None, *, keep_aspect: bool) -> Size:
    """Return the size of images for a backbone, in multiples of 32 pixels.

    Parameters
    ----------
    height, width : float
        Usual size of the images.
    side : int, optional
        Side of a square with as many pixels. By default that of the images, held between 320 and 640.
    keep_aspect : bool
        False for a square.

    Returns
    -------
    tuple of int
        Height and width.

    Examples
    --------
    >>> input_size(460, 1130, None, keep_aspect=True), input_size(28, 28, None, keep_aspect=True)
    ((416, 992), (320, 320))
    """
    own = sqrt(height * width)
    wanted = min(max(own, MIN_SIDE), MAX_SIDE) if side is None else side
    sides = (height * wanted / own, width * wanted / own) if keep_aspect else (wanted, wanted)
    rows, columns = (max(SIZE_MULTIPLE, round(pixels / SIZE_MULTIPLE) * SIZE_MULTIPLE) for pixels in sides)
    return rows, columns


def pixel_range(x: Array) -> tuple[float, float]:
    """Return the pixel values of black and white.

    Parameters
    ----------
    x : ndarray of shape (n, ...)
        Training images. Of measurements, black and white are the extremes.

    Returns
    -------
    tuple of float
    """
    scale = PixelScale.of(x)
    low, high = (scale.low, scale.high) if scale.white is None else (0.0, scale.white)
    return low, (high if high > low else low + max(1.0, abs(low) / 2**16))


def check_channels(x: Array) -> None:
    """Check that images are grey or have the channels red, green and blue.

    Parameters
    ----------
    x : ndarray of shape (n, ...)

    Raises
    ------
    InvalidInputError
        If they have another number of channels.
    """
    shape = x[0].shape if is_ragged(x) else x.shape[1:]
    if len(shape) == 3 and shape[0] not in (1, 3):
        raise InvalidInputError(
            f"Images for a backbone must be grey or have the channels red, green and blue, got {shape[0]} channels. "
            "Convert them to RGB."
        )


def resize(image: Array, size: Size, low: float, high: float) -> Tensor:
    """Resize an image, and scale its pixels so that black is 0 and white is 1.

    Parameters
    ----------
    image : ndarray of shape (h, w) or (c, h, w)
    size : tuple of int
        Height and width of the result.
    low, high : float
        Pixel values of black and white.

    Returns
    -------
    Tensor of float32 of shape (c, *size)
        With one channel if it has none. Bilinear, with antialiasing.
    """
    pixels = np.ascontiguousarray(image if image.ndim == 3 else image[None])
    if pixels.dtype != np.uint8:
        scaled = (pixels.astype(np.float64) - low) / (high - low)
        pixels, low, high = np.clip(scaled, FAR_BELOW, FAR_ABOVE).astype(np.float32), 0.0, 1.0
    x = torch.tensor(pixels).to(torch.float32)[None]
    if x.shape[2:] != size:
        x = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)
    return x[0] if (low, high) == (0.0, 1.0) else (x[0] - low) / (high - low)


def luminance(x: Tensor) -> float:
    """Return the mean luminance of an image.

    Parameters
    ----------
    x : Tensor of shape (1, h, w) or (3, h, w)

    Returns
    -------
    float
    """
    means = x.mean(dim=(1, 2), dtype=torch.float64).tolist()
    return float(means[0] if len(means) == 1 else sum(m * w for m, w in zip(means, LUMINANCE, strict=True)))


def to_rgb(x: Tensor, usual_luminance: float | None) -> Tensor:
    """Match the brightness of an image, and repeat a grey one for red, green and blue.

    Parameters
    ----------
    x : Tensor of shape (1, h, w) or (3, h, w)
    usual_luminance : float or None
        None leaves the brightness as it is.

    Returns
    -------
    Tensor of shape (3, h, w)
        Contiguous.
    """
    if usual_luminance is not None:
        gain = max(usual_luminance, MIN_LUMINANCE) / max(luminance(x), MIN_LUMINANCE)
        x = x * min(max(gain, MIN_GAIN), MAX_GAIN)
    return x.expand(3, -1, -1).contiguous()


def image_shapes(x: Any) -> list[tuple[int, ...]]:
    """Return the shape of each image.

    Parameters
    ----------
    x : ndarray of shape (n, ...)

    Returns
    -------
    list of tuple of int
    """
    return [image.shape for image in x] if is_ragged(x) else [x.shape[1:]] * len(x)


def map_images(function: Callable[[Array, int], T], images: Array, *, parallel: bool) -> list[T]:
    """Apply a function to each image and its position.

    Parameters
    ----------
    function : callable
    images : ndarray of shape (n, ...)
        Images of files are decoded when they are needed.
    parallel : bool
        True for several threads, each of which computes on one.

    Returns
    -------
    list
        The results, in the order of the images.
    """
    items = ((image, i) for i, image in enumerate(iterate_images(images)))
    if parallel:
        return map_threads(lambda item: function(*item), items, len(images))
    return [function(*item) for item in items]


@dataclass(frozen=True)
class ImageInput:
    """Sizes and brightness of images as a backbone takes them, learned from training images.

    Attributes
    ----------
    size, global_size : tuple of int
        Height and width of images for patches, and for vectors.
    low, high : float
        Pixel values of black and white.
    luminance : float or None
        Median of the mean luminance of training images. None leaves the brightness as it is.
    """

    size: Size
    global_size: Size
    low: float
    high: float
    luminance: float | None

    @classmethod
    def fit(cls, images: Array, rng: np.random.Generator, settings: FeatureSettings) -> Self:
        """Learn from training images (n, ...); `rng` draws the images for the brightness, if there are many."""
        check_channels(images)
        shapes = image_shapes(images)
        median = median_size(shapes)
        keep_aspect = share_aspect(shapes) if settings.keep_aspect is None else settings.keep_aspect
        size = input_size(*median, settings.image_size, keep_aspect=keep_aspect)
        global_size = input_size(*median, settings.global_size, keep_aspect=keep_aspect)
        low, high = pixel_range(images)
        usual = None
        if settings.match_brightness:
            some = np.sort(rng.permutation(len(images))[:_LUMINANCE_IMAGES])
            chosen = images if len(some) == len(images) else images[some]
            found = map_images(lambda image, _: luminance(resize(image, global_size, low, high)), chosen, parallel=True)
            usual = float(np.median(found))
        return cls(size, global_size, low, high, usual)

    def prepare(self, image: Array, size: Size) -> Tensor:
        """Return an image (h, w) or (c, h, w) as a tensor (3, *size)."""
        return to_rgb(resize(image, size, self.low, self.high), self.luminance)

    def state(self) -> State:
        """Return the values as arrays, which `restore` takes."""
        state = {
            "size": np.array(self.size),
            "global_size": np.array(self.global_size),
            "range": np.array([self.low, self.high]),
        }
        return state if self.luminance is None else state | {"luminance": np.array(self.luminance)}

    @classmethod
    def restore(cls, state: State, settings: FeatureSettings) -> Self:
        """Return what `state` described.

        Raises
        ------
        InvalidEntryError
            If an array is not one that `state` returns.
        """
        specs = {
            "size": _SIZE,
            "global_size": _SIZE,
            "range": ArraySpec("float64", (2,), low=-_MAX_PIXEL, high=_MAX_PIXEL),
        }
        if settings.match_brightness:
            specs["luminance"] = ArraySpec("float64", (), low=FAR_BELOW, high=FAR_ABOVE)
        check_arrays(state, specs)
        sizes: dict[str, Size] = {}
        for name in ("size", "global_size"):
            height, width = state[name].tolist()
            if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
                raise InvalidEntryError(name, f"must be multiples of {SIZE_MULTIPLE}, got {[height, width]}")
            sizes[name] = height, width
        low, high = state["range"].tolist()
        if not high - low > _MIN_RANGE:
            raise InvalidEntryError("range", f"must be in ascending order, got {[low, high]}")
        return cls(**sizes, low=low, high=high, luminance=state["luminance"].item() if "luminance" in state else None)
