"""Detectors of other packages, for comparison in benchmarks only: PyOD's and TabICL's outlier score.

References
----------
Zhao, Nasrullah, Li, "PyOD: A Python Toolbox for Scalable Outlier Detection", JMLR 2019.
Qu, Holzmüller, Varoquaux, Le Morvan, "TabICL: A Tabular Foundation Model for In-Context Learning on Large Data", ICML 2025.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Self

import numpy as np
import torch

from egbad.arrays import Array, Floats
from egbad.data import Data
from egbad.detectors.base import Detector
from egbad.detectors.registry import create
from egbad.errors import InvalidInputError, require_extra

_CALIBRATION_FRACTION = 0.1  # of the rows, held out for thresholds, as by egbad's detectors

Score = Callable[[Floats], Floats]


@dataclass(frozen=True)
class External:
    """A class of another package.

    Parameters
    ----------
    module, class_name : str
    parameters : mapping
        Parameters that differ from the defaults of the package.
    takes_seed : bool, default=False
        True if the class has a parameter `random_state`.
    takes_n_features : bool, default=False
        True if the class has a parameter `n_features`.
    is_density : bool, default=False
        True if the class returns densities by `score_samples`, False if anomaly scores by `decision_function`.
    """

    module: str
    class_name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    takes_seed: bool = False
    takes_n_features: bool = False
    is_density: bool = False

    @property
    def package(self) -> str:
        """Name of the package."""
        return self.module.partition(".")[0]


EXTERNAL = {
    "pyod-knn": External("pyod.models.knn", "KNN"),
    "pyod-ecod": External("pyod.models.ecod", "ECOD"),
    "pyod-copod": External("pyod.models.copod", "COPOD"),
    "pyod-iforest": External("pyod.models.iforest", "IForest", takes_seed=True),
    "pyod-lunar": External("pyod.models.lunar", "LUNAR"),
    "pyod-deep-svdd": External(
        "pyod.models.deep_svdd", "DeepSVDD", {"verbose": 0}, takes_seed=True, takes_n_features=True
    ),
    "tabicl": External("tabicl", "TabICLUnsupervised", {"device": "cpu"}, takes_seed=True, is_density=True),
}


def is_available(name: str) -> bool:
    """Return True for detectors of egbad, and for those of other packages that are installed.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool
    """
    return name not in EXTERNAL or find_spec(EXTERNAL[name].package) is not None


class ExternalDetector:
    """A detector of another package with the attributes that a benchmark reads.

    Columns are scaled to [0, 1] by the training rows, as ADBench does; missing values become the median of their column.
    Some of these detectors score a row by the rows scored with it, so all test rows must be scored at once.

    Parameters
    ----------
    name : str
        A key of `EXTERNAL`.
    random_state : int
        Seed of the detector and of the choice of calibration rows.
    **parameters
        Parameters of the class. None of egbad's are known to it.

    Attributes
    ----------
    calibration_scores_ : ndarray
        Scores of the tenth of the rows that was held out of training.
    n_train_ : int
        Number of rows that were learned.
    fit_seconds_ : float
    fit_versions_ : dict of str to str
    """

    def __init__(self, name: str, random_state: int, **parameters: Any) -> None:
        if own := [key for key in parameters if "__" in key]:
            raise InvalidInputError(f"'{name}' must get parameters of its own package, got '{own[0]}' of egbad.")
        self.external, self.seed = EXTERNAL[name], random_state
        self.name, self.parameters = name, {**self.external.parameters, **parameters}

    def fit(self, data: Data) -> Self:
        """Learn normal rows.

        Parameters
        ----------
        data : Data
            Rows whose columns are all numbers.

        Returns
        -------
        ExternalDetector

        Raises
        ------
        InvalidInputError
            If the data are images or have columns of other types.
        MissingExtraError
            If the package is not installed.
        """
        require_extra(self.name, "bench", self.external.package)
        x = np.asarray(data.x, dtype=np.float64)
        if x.ndim != 2 or data.column_types is not None:
            raise InvalidInputError(f"'{self.name}' must learn rows of numbers. Use a detector of egbad.")
        started = time.perf_counter()
        order = np.random.default_rng(self.seed).permutation(len(x))
        n_held_out = max(1, round(_CALIBRATION_FRACTION * len(x)))
        train = x[np.sort(order[n_held_out:])]
        self._set_scale(train)
        with _seeded(self.seed):
            self._score: Score = self._fit_class(self._scale(train))
            self.calibration_scores_ = self._score(self._scale(x[np.sort(order[:n_held_out])]))
        self.n_train_ = len(train)
        self.fit_seconds_ = time.perf_counter() - started
        self.fit_versions_ = {package: version(package) for package in ("egbad", self.external.package)}
        return self

    def anomaly_score(self, x: Array) -> Floats:
        """Score rows, higher for more anomalous ones.

        Parameters
        ----------
        x : ndarray of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        with _seeded(self.seed):
            return self._score(self._scale(np.asarray(x, dtype=np.float64)))

    def _fit_class(self, x: Floats) -> Score:
        """Fit the class of the package and return its score."""
        parameters = dict(self.parameters)
        if self.external.takes_seed:
            parameters["random_state"] = self.seed
        if self.external.takes_n_features:
            parameters["n_features"] = x.shape[1]
        fitted = getattr(import_module(self.external.module), self.external.class_name)(**parameters).fit(x)
        if self.external.is_density:
            return lambda rows: negative_log_density(np.asarray(fitted.score_samples(rows), dtype=np.float64))
        return lambda rows: np.asarray(fitted.decision_function(rows), dtype=np.float64)

    def _set_scale(self, x: Floats) -> None:
        observed = np.where(np.isnan(x).all(axis=0), 0.0, x)
        self._low, high = np.nanmin(observed, axis=0), np.nanmax(observed, axis=0)
        self._width = np.where(high > self._low, high - self._low, 1.0)
        self._median = np.nanmedian(observed, axis=0)

    def _scale(self, x: Floats) -> Floats:
        return np.asarray((np.where(np.isnan(x), self._median, x) - self._low) / self._width)


def create_any(name: str, **parameters: Any) -> Detector[Any] | ExternalDetector:
    """Return a new detector of egbad or of another package.

    Parameters
    ----------
    name : str
        Name of a detector, or a key of `EXTERNAL`.
    **parameters
        Parameters of the detector, with `random_state`.

    Returns
    -------
    Detector or ExternalDetector

    Raises
    ------
    InvalidInputError
        If there is no detector or parameter of that name.
    """
    return ExternalDetector(name, **parameters) if name in EXTERNAL else create(name, **parameters)


def negative_log_density(density: Floats) -> Floats:
    """Return the anomaly score of densities, finite where a density is beyond the numbers that a float can hold.

    Parameters
    ----------
    density : ndarray of shape (n_samples,)

    Returns
    -------
    ndarray of shape (n_samples,)

    Examples
    --------
    >>> negative_log_density(np.array([1.0, 0.0, np.inf])).round(1).tolist()
    [-0.0, 708.4, -709.8]
    """
    limits = np.finfo(np.float64)
    return np.asarray(-np.log(np.clip(density, limits.tiny, limits.max)))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of numpy and torch, which some packages use, and restore them afterwards."""
    state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
