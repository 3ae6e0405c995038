"""Encoder of images: pixels scaled to [-1, 1], and back."""

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, ArraySpec, State, check_arrays
from egbad.errors import InvalidEntryError

_MAX_PIXEL, _MIN_RANGE = 1e38, 1e-37  # beyond, pixels cannot be scaled in single precision
_ARRAYS = {"range": ArraySpec("float64", (2,), low=-_MAX_PIXEL, high=_MAX_PIXEL), "channels": ArraySpec("bool")}

ENCODED_LIMIT = 1e6  # encoded values are clipped to it: larger ones would lose precision and carry no information


class ImageEncoder:
    """Scale images to [-1, 1].

    The range of 8-bit images is 0 to 255. The range of other images is that of the training images.

    Attributes
    ----------
    low, high : float
        Pixel values that become -1 and 1.
    channels : bool
        True if images have an axis of channels.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[[0, 255], [51, 102]]], dtype=np.uint8)
    >>> ImageEncoder().fit(x).encode(x).shape
    (1, 1, 2, 2)
    """

    def fit(self, x: Array) -> "ImageEncoder":
        """Learn the range of pixel values.

        Parameters
        ----------
        x : ndarray of shape (n, h, w) or (n, c, h, w)

        Returns
        -------
        ImageEncoder
            The encoder itself.
        """
        self.low, self.high = (0.0, 255.0) if x.dtype == np.uint8 else (float(x.min()), float(x.max()))
        if self.high <= self.low:
            self.high = self.low + max(1.0, abs(self.low) / 2**16)  # other than `low`, also in single precision
        self.channels = x.ndim == 4
        return self

    def encode(self, x: Array) -> NDArray[np.float32]:
        """Scale images.

        Parameters
        ----------
        x : ndarray of shape (n, h, w) or (n, c, h, w)

        Returns
        -------
        ndarray of shape (n, c, h, w)
        """
        with np.errstate(over="ignore"):  # infinity is clipped, too
            u = (x.astype(np.float32) - np.float32(self.low)) * np.float32(2 / (self.high - self.low)) - np.float32(1)
        np.clip(u, -ENCODED_LIMIT, ENCODED_LIMIT, out=u)
        encoded: NDArray[np.float32] = u if self.channels else u[:, None]
        return encoded

    def decode(self, u: Array) -> Array:
        """Scale images back to pixel values.

        Parameters
        ----------
        u : ndarray of shape (n, c, h, w)

        Returns
        -------
        ndarray of shape (n, h, w) or (n, c, h, w)
        """
        x = (u.astype(np.float64) + 1) / 2 * (self.high - self.low) + self.low
        return x if self.channels else x[:, 0]

    def state(self) -> State:
        """Return the fitted values as arrays.

        Returns
        -------
        dict of str to ndarray
            State that `restore` takes.
        """
        return {"range": np.array([self.low, self.high]), "channels": np.array(self.channels)}

    def restore(self, state: State, shape: tuple[int, ...]) -> "ImageEncoder":
        """Restore the fitted values.

        Parameters
        ----------
        state : dict of str to ndarray
            State that `state` returned.
        shape : tuple of int
            Shape of an image, (h, w) or (c, h, w).

        Returns
        -------
        ImageEncoder
            The encoder itself.

        Raises
        ------
        InvalidEntryError
            If an array is not one that `state` returns.
        """
        check_arrays(state, _ARRAYS)
        if np.diff(state["range"])[0] < _MIN_RANGE:
            raise InvalidEntryError("range", f"must be in ascending order, got {state['range'].tolist()}")
        if bool(state["channels"]) != (len(shape) == 3):
            raise InvalidEntryError("channels", f"must fit images of shape {shape}, got {bool(state['channels'])}")
        self.low, self.high = (float(value) for value in state["range"])
        self.channels = bool(state["channels"])
        return self


class IdentityEncoder:
    """Leave rows or images as they are, for detectors whose parts have encoders of their own."""

    def fit(self, x: Array) -> "IdentityEncoder":
        """Do nothing.

        Parameters
        ----------
        x : ndarray of shape (n, ...)

        Returns
        -------
        IdentityEncoder
            The encoder itself.
        """
        return self

    def encode(self, x: Array) -> Array:
        """Return the rows or images.

        Parameters
        ----------
        x : ndarray of shape (n, ...)

        Returns
        -------
        ndarray of shape (n, ...)
        """
        return x

    def decode(self, u: Array) -> Array:
        """Return the rows or images.

        Parameters
        ----------
        u : ndarray of shape (n, ...)

        Returns
        -------
        ndarray of shape (n, ...)
        """
        return u

    def state(self) -> State:
        """Return an empty state.

        Returns
        -------
        dict of str to ndarray
        """
        return {}

    def restore(self, state: State, shape: tuple[int, ...]) -> "IdentityEncoder":
        """Do nothing.

        Parameters
        ----------
        state : dict of str to ndarray
            Empty.
        shape : tuple of int
            Shape of a row or image.

        Returns
        -------
        IdentityEncoder
            The encoder itself.

        Raises
        ------
        InvalidEntryError
            If the state is not empty.
        """
        check_arrays(state, {})
        return self
