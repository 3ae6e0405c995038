"""Scenes that the tests of several detectors share."""

from dataclasses import dataclass

import numpy as np
import pytest

N_TRAIN = 500


def correlated_rows(n, seed):
    """Five columns that depend on two hidden numbers, with noise."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, 5)) + rng.normal(scale=0.3, size=(n, 5))


@pytest.fixture(scope="session")
def ring():
    """Draw n rows on a circle: six columns, four of them depend on an angle, two are noise."""

    def draw(n, seed):
        rng = np.random.default_rng(seed)
        angle = rng.uniform(0, 2 * np.pi, n)
        zero = 0 * angle
        columns = [np.cos(angle), np.sin(angle), np.sin(angle), np.cos(angle), zero, zero]
        return np.column_stack(columns) + rng.normal(scale=0.05, size=(n, 6))

    return draw


@dataclass(frozen=True)
class Reference:
    """A fitted detector with the encoded rows that scikit-learn's estimator would see."""

    detector: object
    train: np.ndarray
    new: np.ndarray

    @property
    def random_state(self):
        """The RandomState that the detector gave to scikit-learn."""
        rng = np.random.default_rng(self.detector.seed_)
        rng.permutation(N_TRAIN)
        return np.random.RandomState(int(rng.integers(2**31)))


@pytest.fixture(scope="session")
def rows():
    """500 rows to learn from."""
    return correlated_rows(N_TRAIN, 0)


@pytest.fixture(scope="session")
def new_rows():
    """80 rows to score."""
    return correlated_rows(80, 1)


@pytest.fixture
def fit(rows, new_rows):
    """Fit a detector to `rows` and return it with the encoded training and new rows."""

    def fit_detector(detector):
        detector.set_params(alpha=0.05, random_state=0, preprocessing__drop_duplicates=False).fit(rows)
        kept = np.sort(np.random.default_rng(detector.seed_).permutation(N_TRAIN)[N_TRAIN // 10 :])
        train, new = (detector.encoder_.encode(x).astype(np.float64) for x in (rows[kept], new_rows))
        return Reference(detector, train, new)

    return fit_detector
