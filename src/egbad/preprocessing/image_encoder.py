"""TODO."""

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, State


class ImageEncoder:
    """Scale images (n, h, w) or (n, c, h, w) to [-1, 1], as (n, c, h, w).

    Eight-bit images are taken to range over 0 to 255, others over what the training images show.
    """

    def fit(self, x: Array) -> "ImageEncoder":
        """Learn the range of pixels from x (n, h, w) or (n, c, h, w)."""
        self.low, self.high = (0.0, 255.0) if x.dtype == np.uint8 else (float(x.min()), float(x.max()))
        if self.high <= self.low:
            self.high = self.low + 1.0
        self.channels = x.ndim == 4
        return self

    def encode(self, x: Array) -> NDArray[np.float32]:
        """x (n, h, w) or (n, c, h, w) -> (n, c, h, w)."""
        u = (x.astype(np.float32) - np.float32(self.low)) * np.float32(2 / (self.high - self.low)) - np.float32(1)
        encoded: NDArray[np.float32] = u if self.channels else u[:, None]
        return encoded

    def decode(self, u: Array) -> Array:
        """The way back, in the user's units and shape."""
        x = (u.astype(np.float64) + 1) / 2 * (self.high - self.low) + self.low
        return x if self.channels else x[:, 0]

    def state(self) -> State:
        """What was learned, as arrays."""
        return {"range": np.array([self.low, self.high]), "channels": np.array(self.channels)}

    def restore(self, state: State) -> "ImageEncoder":
        """Take up what `state` gave."""
        self.low, self.high = (float(v) for v in state["range"])
        self.channels = bool(state["channels"])
        return self


class IdentityEncoder:
    """Rows or images as they are: for detectors that leave encoding to those they are made of."""

    def fit(self, x: Array) -> "IdentityEncoder":
        """Nothing is to be learned."""
        return self

    def encode(self, x: Array) -> Array:
        """x (n, ...), untouched."""
        return x

    def decode(self, u: Array) -> Array:
        """u (n, ...), untouched."""
        return u

    def state(self) -> State:
        """Nothing was learned."""
        return {}

    def restore(self, state: State) -> "IdentityEncoder":
        """Nothing is to be taken up."""
        return self
