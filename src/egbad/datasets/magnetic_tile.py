"""Magnetic tiles: surfaces of industrial parts at 64 x 64 pixels, with masks of five kinds of defects."""

import os

import numpy as np

from egbad.datasets.dataset import Dataset, DatasetSource
from egbad.datasets.files import RemoteFile

NORMAL = "MT_Free"

SOURCE = DatasetSource(
    name="magnetic_tile",
    rows=1_344,
    shape="64 x 64",
    size=4_637_780,
    terms="no licence file; its authors welcome its use and ask to be cited",
    origin='Y. Huang et al., "Surface defect saliency of magnetic tile", The Visual Computer 2020; reduced to 64 x 64',
    files=(
        RemoteFile(
            "magnetic-tile/magnetic_tile_64.npz",
            "",  # not published in this form, only as large photographs
            "sha256:a35d8ea324d9578926f5246c90d04813b6089d62c9af08ad370f60c454466047",
        ),
    ),
)


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load the magnetic tiles.

    Parameters
    ----------
    data_dir : path, optional
        Local copy of the public data sets. By default the environment variable EGBAD_DATA, then the cache.

    Returns
    -------
    Dataset
        Images of shape (1344, 64, 64) and type uint8, the class of each as its label ("MT_Free" has no defect), and masks
        of the defects.
    """
    (path,) = SOURCE.obtain(data_dir)
    with np.load(path, allow_pickle=False) as content:
        labels = content["class_names"][content["labels"]].astype(str)
        x, masks = content["images"], content["masks"].astype(np.bool_)
    return Dataset(SOURCE.name, x, labels, None, SOURCE.digest, SOURCE.terms, SOURCE.origin, masks)
