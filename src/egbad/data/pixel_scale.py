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
_VERY_FAR = 64  # a picture this many times as bright as all learned measurements has another scale
_EIGHT_BITS, _TWELVE_BITS = 255, 4095  # largest values


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
        if self.white is not None and given == self.white:
            return x
        whites = np.array([self._white_of(image, first + i) for i, image in enumerate(x)], dtype=np.float64)
        if self.white is None or (whites == self.white).all():
            return x
        # 65535 / 255 is a whole number and its inverse is not: divide, so that 8-bit values come back exactly.
        factor, divisor = np.maximum(self.white / whites, 1), np.maximum(whites / self.white, 1)
        by_image = (-1, *(1,) * (x.ndim - 1))
        scaled: Array = (x * factor.reshape(by_image) / divisor.reshape(by_image)).astype(np.float32)
        return scaled

    def _white_of(self, image: Array, position: int) -> float:
        """Return the value of white of an image of another type than that of the learned ones; NaN for measurements."""
        low, high, given = float(image.min()), float(image.max()), WHITES.get(image.dtype)
        if self.white is None:
            refused, white = self._refuses_measurement(image, low, high), np.nan
        elif given is not None:
            refused, white = self._may_have_12_bits(given, high) and not _is_8_bit_times_257(image), given
        elif self.white > 1:
            fraction = image.dtype.kind == "f" and self.high > 1 and low >= 0 and 0 < high <= 1
            white = 1.0 if fraction else self.white
            too_dark = not fraction and 0 < high <= _EIGHT_BITS < self.high / _FAR  # 8 bits for 16
            refused = low < -self.white or high > 2 * self.white or (low < 0 and high <= _FAR) or too_dark
            refused = refused or (fraction and self._may_have_12_bits(1.0, high))
        else:
            white = 255.0 if _is_8_bit(low, high) and _is_whole(image) else 1.0
            refused = white == 1 and (low < -_FAR or high > _FAR or low < -0.5)
        if refused:
            raise self._refusal(position, low, high)
        return white

    def _may_have_12_bits(self, white: float, high: float) -> bool:
        """Return True if the learned images, or one with another value of white, may have 10 or 12 bits within 16.

        Such images do not tell the value of white.
        """
        deep = WHITES[np.dtype(np.uint16)]
        if self.white == deep:
            return _EIGHT_BITS < self.high <= _TWELVE_BITS
        return white == deep and _EIGHT_BITS < high <= _TWELVE_BITS and self.high > (self.white or 1) / 2

    def _refuses_measurement(self, image: Array, low: float, high: float) -> bool:
        """Return True if an image is a picture whose scale is certainly not that of the learned measurements."""
        typed = image.dtype in WHITES
        known = typed or (_is_8_bit(low, high) and _is_whole(image))
        normalised = self.low < 0 and (typed or max(-self.low, self.high) <= _FAR)
        if known and (normalised or self.high <= 1 < high):
            return True
        if typed and self.low >= 0:
            return high > _VERY_FAR * self.high or WHITES[image.dtype] * _VERY_FAR < self.high
        return bool(self.low >= 0 and self.high > _BRIGHT and low >= -1 and 0 < high <= 1 and not _is_whole(image))

    def _refusal(self, position: int, low: float, high: float) -> InvalidInputError:
        white = "" if self.white is None else f", where white is {self.white:g}"
        return InvalidInputError(
            f"Images must have the scale that the detector learned, {self.low:g} to {self.high:g}{white}, got values from "
            f"{low:g} to {high:g} in image {position}. Scale them like the training images."
        )


def _is_8_bit(low: float, high: float) -> bool:
    """Return True if whole numbers of this range are an 8-bit picture."""
    return low >= 0 and _BRIGHT < high <= WHITES[np.dtype(np.uint8)]


def _is_8_bit_times_257(image: Array) -> bool:
    """Return True if a 16-bit picture was made from one of 8 bits."""
    return image.dtype == np.uint16 and not (image % np.uint16(257)).any()


def _is_whole(x: Array) -> bool:
    """Return True if all values are whole numbers."""
    return x.dtype.kind != "f" or bool((x == np.rint(x)).all())
