"""Arrhythmia, the ODDS version of the UCI data set: heart recordings, with the rarest classes as anomalies."""

import os

import numpy as np

from egbad.datasets.dataset import Dataset, DatasetSource
from egbad.datasets.files import RemoteFile

SOURCE = DatasetSource(
    name="arrhythmia",
    rows=452,
    shape="274 columns",
    size=105_540,
    terms="UCI offers its sets under CC BY 4.0",
    origin="UCI Arrhythmia; ODDS, S. Rayana 2016",
    files=(
        RemoteFile(
            "odds/arrhythmia.mat",
            "https://raw.githubusercontent.com/houssamzenati/Adversarially-Learned-Anomaly-Detection/1f1c310/data/arrhythmia.mat",
            "sha256:e4d47e499591ae31e5d7f0cd983367092353eac240f48e14c9b36457edb3460d",
        ),
    ),
)


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load the Arrhythmia data set.

    Parameters
    ----------
    data_dir : path, optional
        Local copy of the public data sets. By default the environment variable EGBAD_DATA, then the cache.

    Returns
    -------
    Dataset
        Rows of shape (452, 274) and labels, 1 for an anomaly.
    """
    from scipy.io import loadmat  # takes half a second to import, and `egbad data list` needs this module

    (path,) = SOURCE.obtain(data_dir)
    content = loadmat(path)
    labels = content["y"].ravel().astype(np.int64)
    return Dataset(
        SOURCE.name, content["X"].astype(np.float64), labels, None, SOURCE.digest, SOURCE.terms, SOURCE.origin
    )
