"""Handwritten digits of 8 x 8 pixels that scikit-learn ships."""

import hashlib
import os

from egbad.datasets.dataset import Dataset, DatasetSource

SOURCE = DatasetSource(
    name="digits",
    rows=1_797,
    shape="8 x 8",
    size=0,
    terms="CC BY 4.0",
    origin="E. Alpaydin, C. Kaynak, UCI; shipped by scikit-learn",
    package="sklearn",
)


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load the digits of scikit-learn.

    Parameters
    ----------
    data_dir : path, optional
        Local copy of the public data sets. By default the environment variable EGBAD_DATA, then the cache.

    Returns
    -------
    Dataset
        Images of shape (1797, 8, 8) with values from 0 to 16, and labels 0 to 9.
    """
    from sklearn.datasets import load_digits  # importing it takes seconds, and `egbad data list` needs this module

    bunch = load_digits()
    digest = hashlib.sha256(bunch.images.tobytes()).hexdigest()
    return Dataset(SOURCE.name, bunch.images, bunch.target, None, digest, SOURCE.terms, SOURCE.origin)
