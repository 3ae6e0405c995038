"""Images of different sizes in one array: (n,) of objects, each of them (h, w) or (c, h, w)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

Array = NDArray[Any]


def ragged_array(images: Sequence[Array]) -> Array:
    """Images as they are -> (n,)."""
    found = np.empty(len(images), dtype=object)
    for i, image in enumerate(images):  # all at once, NumPy would look into those of one size
        found[i] = image
    return found


def is_ragged(x: Array) -> bool:
    """Whether x holds images of different sizes."""
    return bool(x.ndim == 1 and x.dtype == object)


def sample_shape(x: Array) -> tuple[int, ...]:
    """Of one row or image of x (n, ...); of images of different sizes with the least height and the least width.

    >>> sample_shape(ragged_array([np.zeros((3, 20, 30)), np.zeros((3, 40, 10))]))
    (3, 20, 10)
    """
    if not is_ragged(x):
        return tuple(int(side) for side in x.shape[1:])
    heights, widths = zip(*(image.shape[-2:] for image in x), strict=True)
    return (*(int(c) for c in x[0].shape[:-2]), min(heights), min(widths))


def describe_shape(x: Array) -> str:
    """The shape of each of x (n, ...), for errors."""
    if not is_ragged(x):
        return f"{x.shape[1:]}"
    shapes = sorted({image.shape for image in x}, key=lambda shape: (len(shape), np.prod(shape)))
    return f"{shapes[0]}" if len(shapes) == 1 else f"shapes from {shapes[0]} to {shapes[-1]}"


def sum_per_sample(x: Array) -> NDArray[np.float64]:
    """Of all values of each row or image of x (n, ...) -> (n,)."""
    if is_ragged(x):
        return np.array([image.sum() for image in x], dtype=np.float64)
    return np.asarray(x.reshape(len(x), -1).sum(axis=1))


def update_digest(digest: "Hash", x: Array) -> None:
    """Let a digest take in all of x (n, ...)."""
    for part in x if is_ragged(x) else (x,):
        digest.update(np.ascontiguousarray(part).data)
