"""Axes without pyplot, in light and dark styles, and data to draw."""

import matplotlib.style
import numpy as np
import pytest
from matplotlib.figure import Figure

from egbad import EGBAD, EarlyStopping, TrainingConfig
from egbad.detectors import KNN


@pytest.fixture(params=["default", "dark_background"])
def style(request):
    with matplotlib.style.context(request.param):
        yield request.param


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(scope="session")
def knn():
    return KNN(alpha=0.05, calibration_fraction=0.3, random_state=0).fit(np.random.default_rng(0).normal(size=(600, 3)))


@pytest.fixture(scope="session")
def egbad_images():
    X = np.random.default_rng(0).uniform(size=(60, 8, 8))
    options = {"n_latent": 3, "members": 2, "early_stopping": EarlyStopping(patience=None)}
    return EGBAD(training=TrainingConfig(steps=20), alpha=0.3, random_state=0, **options).fit(X)
