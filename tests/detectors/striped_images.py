"""Images of stripes that the tests of several detectors share."""

import numpy as np


def stripes(n, seed=0, shape=(120, 136)):
    """Grey images of stripes with noise, at a random offset."""
    rng = np.random.default_rng(seed)
    waves = 120 + 60 * np.sin(np.arange(shape[1]) / 3 + rng.uniform(0, 6, (n, 1, 1)))
    return (waves + rng.normal(scale=6, size=(n, *shape))).clip(0, 255).astype(np.uint8)


def spoiled(x):
    """Return images with a bright square in rows 40 to 63 and columns 72 to 95."""
    x = x.copy()
    x[..., 40:64, 72:96] = 250
    return x
