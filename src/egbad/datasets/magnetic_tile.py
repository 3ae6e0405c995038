"""Magnetic tiles: surfaces of industrial parts, five kinds of defects and the pixels that have them, as 64 x 64."""

import os

import numpy as np

from egbad.datasets.dataset import Dataset, Source
from egbad.datasets.files import Remote

NORMAL = "MT_Free"

SOURCE = Source(
    name="magnetic_tile",
    rows=1_344,
    shape="64 x 64",
    size=4_637_780,
    terms="no licence file; its authors welcome its use and ask to be cited",
    origin='Y. Huang et al., "Surface defect saliency of magnetic tile", The Visual Computer 2020; reduced to 64 x 64',
    files=(
        Remote(
            "magnetic-tile/magnetic_tile_64.npz",
            "",  # published as large photographs only
            "sha256:a35d8ea324d9578926f5246c90d04813b6089d62c9af08ad370f60c454466047",
        ),
    ),
)


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """x (1344, 64, 64) uint8, the class of each as its label ("MT_Free" is without defect), and masks of the defects."""
    (path,) = SOURCE.obtain(data_dir)
    with np.load(path, allow_pickle=False) as content:
        labels = content["class_names"][content["labels"]].astype(str)
        x, masks = content["images"], content["masks"].astype(np.bool_)
    return Dataset(SOURCE.name, x, labels, None, SOURCE.digest, SOURCE.terms, SOURCE.origin, masks)
