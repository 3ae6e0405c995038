"""Arrhythmia (ODDS version of the UCI set): heart recordings, the rarest classes are the anomalies."""

import os

import numpy as np

from egbad.datasets.dataset import Dataset, Source
from egbad.datasets.files import Remote

SOURCE = Source(
    name="arrhythmia",
    rows=452,
    shape="274 columns",
    size=105_540,
    terms="UCI offers its sets under CC BY 4.0",
    origin="UCI Arrhythmia; ODDS, S. Rayana 2016",
    files=(
        Remote(
            "odds/arrhythmia.mat",
            "https://raw.githubusercontent.com/houssamzenati/Adversarially-Learned-Anomaly-Detection/1f1c310/data/arrhythmia.mat",
            "sha256:e4d47e499591ae31e5d7f0cd983367092353eac240f48e14c9b36457edb3460d",
        ),
    ),
)


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """x (452, 274) and labels, 1 for an anomaly."""
    from scipy.io import loadmat

    (path,) = SOURCE.obtain(data_dir)
    content = loadmat(path)
    labels = content["y"].ravel().astype(np.int64)
    return Dataset(
        SOURCE.name, content["X"].astype(np.float64), labels, None, SOURCE.digest, SOURCE.terms, SOURCE.origin
    )
