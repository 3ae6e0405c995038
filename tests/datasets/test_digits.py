"""Digits of scikit-learn."""

import numpy as np

from egbad import datasets


def test_digits_have_the_published_counts() -> None:
    data = datasets.load("digits")
    assert data.x.shape == (1_797, 8, 8)
    assert data.x.max() == 16
    assert np.bincount(data.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
