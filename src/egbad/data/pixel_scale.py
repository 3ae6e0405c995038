"""Scale of pixel values: a picture has the same values with 8 bits, with 16 bits and as fractions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from egbad.arrays import Array
from egbad.data.ragged import is_ragged, ragged_array
from egbad.errors import InvalidInputError

WHITES = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}  # value of white by type of pixels
_BRIGHT = 127  # whole numbers up to 255 are 8-bit pictures if one of them is above
_FAR = 16  # values beyond this multiple of white 1, or normalised values beyond it, have another scale


@dataclass(frozen=True)
class PixelScale:
    """Scale of the pixel values that a detector learned.

    Images of another scale are converted if theirs is certain, and refused if they cannot have the learned one. Each image
    is judged by itself.

    Attributes
    ----------
    white : float, optional
        Value of white: 255 for 8 bits, 65535 for 16 bits, 1 for fractions. None for measurements such as temperatures.
    low, high : float
        Range of the learned values.

    Examples
    --------
    >>> x = np.array([[[0, 255], [51, 102]]], dtype=np.uint8)
    >>> scale = PixelScale.of(x)
    >>> scale.white, bool((scale.convert(x / 255) == x).all()), bool((scale.convert(x * np.uint16(257)) == x).all())
    (255.0, True, True)
    """

    white: float | None
    low: float
    high: float

    @classmethod
    def of(cls, x: Array) -> Self:
        """Return the scale of images to learn from.

        Parameters
        ----------
        x : ndarray of shape (n, ...)

        Returns
        -------
        PixelScale
        """
        images = [*x] if is_ragged(x) else [x]
        low, high = min(float(image.min()) for image in images), max(float(image.max()) for image in images)
        white = WHITES.get(images[0].dtype)
        if white is None and low >= 0:
            whole = all(_is_whole(image) for image in images)
            if whole and _is_8_bit(low, high):
                white = 255.0
            elif not whole and high <= 1:  # zeros and ones alone may be marks instead of brightness
                white = 1.0
        return cls(white, low, high)

    @classmethod
    def from_state(cls, state: Mapping[str, Any] | None) -> Self | None:
        """Return the scale that `state` describes.

        Parameters
        ----------
        state : mapping or None
            Result of the method `state`; None for models of rows, and for files of releases that stored no scale.

        Returns
        -------
        PixelScale or None
        """
        return None if state is None else cls(**state)

    def state(self) -> dict[str, Any]:
        """Return the fields, as JSON stores them.

        Returns
        -------
        dict of str to float or None
        """
        return asdict(self)

    def convert(self, x: Array) -> Array:
        """Convert images to this scale.

        Parameters
        ----------
        x : ndarray of shape (n, ...)

        Returns
        -------
        ndarray of shape (n, ...)
            x itself if it has this scale.

        Raises
        ------
        InvalidInputError
            If an image cannot have this scale.
        """
        if is_ragged(x):
            return ragged_array([self._convert_stack(image[None], i)[0] for i, image in enumerate(x)])
        return self._convert_stack(x, 0)

    def _convert_stack(self, x: Array, first: int) -> Array:
        """Convert images of one size, the first of which has the position `first` in the input."""
        given = WHITES.get(x.dtype)
        if self.white is None or given is None:
            whites = np.array([self._white_of(image, first + i) for i, image in enumerate(x)], dtype=np.float64)
        else:
            whites = np.full(len(x), given)
        if self.white is None or (whites == self.white).all():
            return x
        # 65535 / 255 is a whole number and its inverse is not: divide, so that 8-bit values come back exactly.
        factor, divisor = np.maximum(self.white / whites, 1), np.maximum(whites / self.white, 1)
        by_image = (-1, *(1,) * (x.ndim - 1))
        scaled: Array = (x * factor.reshape(by_image) / divisor.reshape(by_image)).astype(np.float32)
        return scaled

    def _white_of(self, image: Array, position: int) -> float:
        """Return the value of white of an image whose type does not tell it; NaN for measurements."""
        low, high = float(image.min()), float(image.max())
        if self.white is None:
            known = image.dtype in WHITES or (_is_8_bit(low, high) and _is_whole(image))
            normalised = self.low < 0 and (image.dtype in WHITES or max(-self.low, self.high) <= _FAR)
            if known and (normalised or self.high <= 1 < high):
                raise self._refusal(position, low, high)
            return np.nan
        if self.white > 1:
            if image.dtype.kind == "f" and self.high > 1 and low >= 0 and 0 < high <= 1:
                return 1.0
            refused = low < -self.white or high > 2 * self.white or low < 0 < high <= _FAR
        else:
            if _is_8_bit(low, high) and _is_whole(image):
                return 255.0
            refused = low < -_FAR or high > _FAR or -1 <= low < -0.5 < high <= 1
        if refused:
            raise self._refusal(position, low, high)
        return self.white

    def _refusal(self, position: int, low: float, high: float) -> InvalidInputError:
        white = "" if self.white is None else f", where white is {self.white:g}"
        return InvalidInputError(
            f"Images must have the scale that the detector learned, {self.low:g} to {self.high:g}{white}, got values from "
            f"{low:g} to {high:g} in image {position}. Scale them like the training images."
        )


def _is_8_bit(low: float, high: float) -> bool:
    """Return True if whole numbers of this range are an 8-bit picture."""
    return low >= 0 and _BRIGHT < high <= WHITES[np.dtype(np.uint8)]


def _is_whole(x: Array) -> bool:
    """Return True if all values are whole numbers."""
    return x.dtype.kind != "f" or bool((x == np.rint(x)).all())
