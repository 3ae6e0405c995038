"""Detectors and data that several tests of the export share."""

import numpy as np
import pandas as pd
import pytest

from egbad.detectors.registry import create
from egbad.export import export

QUICK = {"training__steps": 20, "encoder_steps": 20, "members": 2, "search_steps": 2}


def _fit_quickly(name, x, **options):
    """Fit a detector with few steps and two members."""
    known = create(name).get_params()
    given = {"random_state": 0, "alpha": 0.2, **QUICK, **options}
    return create(name, **{key: value for key, value in given.items() if key in known}).fit(x)


def _correlated_table(n, seed):
    """Return rows with correlated columns, a heavy-tailed count and a constant."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 9)) + 0.1 * rng.normal(size=(n, 9))
    x[:, 3] = np.floor(rng.pareto(0.7, n))
    x[:, 4] = 1.0
    return x


@pytest.fixture(scope="session")
def fit_quickly():
    return _fit_quickly


@pytest.fixture(scope="session")
def correlated_table():
    return _correlated_table


@pytest.fixture(scope="session")
def named_table():
    """Return a function that makes a correlated table with column names."""
    return lambda n, seed: pd.DataFrame(_correlated_table(n, seed), columns=[f"c{i}" for i in range(9)])


@pytest.fixture(scope="session")
def exported(tmp_path_factory, named_table):
    """Return an EGBAD of a table with column names, and the ONNX file that it was exported to."""
    detector, file = _fit_quickly("egbad", named_table(300, 0)), tmp_path_factory.mktemp("export") / "m.onnx"
    detector.normal_label_ = "ok"
    export(detector, file)
    return detector, file
