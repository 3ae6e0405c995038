"""Images of different sizes in one array: shape (n,) of objects, each of shape (h, w) or (c, h, w).

The objects are arrays, or images of files that are decoded when they are asked for (`egbad.data.lazy_images`).
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np

from egbad.arrays import Array, Floats


class Digest(Protocol):
    """Anything with the `update` method of a `hashlib` object."""

    def update(self, data: memoryview | bytes, /) -> None:
        """Add bytes to the digest."""


def ragged_array(images: Sequence[Any]) -> Array:
    """Put images of different sizes into one array.

    Parameters
    ----------
    images : sequence of ndarray or LazyImage
        Each of shape (h, w) or (c, h, w).

    Returns
    -------
    ndarray of shape (n,)
        Array of objects.
    """
    array = np.empty(len(images), dtype=object)
    for i, image in enumerate(images):  # one by one: np.array would unpack images that share a size
        array[i] = image
    return array


def is_ragged(x: Array) -> bool:
    """Return True if x holds images of different sizes.

    Parameters
    ----------
    x : ndarray of shape (n, ...)

    Returns
    -------
    bool
    """
    return bool(x.ndim == 1 and x.dtype == object)


def is_lazy(x: Array) -> bool:
    """Return True if x holds images of files that are decoded when they are asked for.

    Parameters
    ----------
    x : ndarray of shape (n, ...)

    Returns
    -------
    bool
    """
    return is_ragged(x) and len(x) > 0 and not isinstance(x[0], np.ndarray)


def image_digest(image: Any) -> int:
    """Compute a digest of an image from its values.

    Parameters
    ----------
    image : ndarray of shape (..., h, w), or LazyImage
        The type of the numbers and the layout in memory do not matter.

    Returns
    -------
    int
        Of 64 bits.
    """
    if not isinstance(image, np.ndarray):
        return int(image.digest)
    found = blake2b(repr(image.shape).encode(), digest_size=8)
    found.update(np.ascontiguousarray(_with_few_bytes(image)).data)
    return int.from_bytes(found.digest(), "little")


def _with_few_bytes(image: Array) -> Array:
    """Return an image with 8 bits a pixel if it can have them, otherwise in double precision, without negative zeros."""
    if image.dtype == np.uint8:
        return image
    if image.size and image.min() >= 0 and image.max() <= 255:
        small = image.astype(np.uint8)
        if np.array_equal(small, image):
            return small
    return np.add(image, 0.0, dtype=np.float64)


def sample_shape(x: Array) -> tuple[int, ...]:
    """Return the shape of one row or image.

    Parameters
    ----------
    x : ndarray of shape (n, ...)

    Returns
    -------
    tuple of int
        For images of different sizes the smallest height and the smallest width.

    Examples
    --------
    >>> sample_shape(ragged_array([np.zeros((3, 20, 30)), np.zeros((3, 40, 10))]))
    (3, 20, 10)
    """
    if not is_ragged(x):
        return tuple(int(side) for side in x.shape[1:])
    heights, widths = zip(*(image.shape[-2:] for image in x), strict=True)
    return (*(int(c) for c in x[0].shape[:-2]), min(heights), min(widths))


def describe_shape(x: Array) -> str:
    """Describe the shape of the rows or images for an error message.

    Parameters
    ----------
    x : ndarray of shape (n, ...)

    Returns
    -------
    str
    """
    if not is_ragged(x):
        return f"{x.shape[1:]}"
    shapes = sorted({image.shape for image in x}, key=lambda shape: (len(shape), np.prod(shape)))
    return f"{shapes[0]}" if len(shapes) == 1 else f"shapes from {shapes[0]} to {shapes[-1]}"


def sum_per_sample(x: Array) -> Floats:
    """Sum all values of each row or image.

    Parameters
    ----------
    x : ndarray of shape (n, ...)

    Returns
    -------
    ndarray of shape (n,)
    """
    if is_ragged(x):
        return np.array([image.sum() for image in x], dtype=np.float64)
    return np.asarray(x.reshape(len(x), -1).sum(axis=1))


def update_digest(digest: Digest, x: Array) -> None:
    """Add the bytes of an array to a digest.

    Parameters
    ----------
    digest : hashlib object
    x : ndarray of shape (n, ...)
    """
    for part in x if is_ragged(x) else (x,):
        digest.update(part.tobytes() if is_ragged(x) else np.ascontiguousarray(part).data)
