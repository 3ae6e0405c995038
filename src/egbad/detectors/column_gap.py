"""ColumnGap: the largest distance of a value to the nearest training value of its column.

A value that no training row was near to is odd by itself: outside the range, in a hole of the distribution, or off the grid of
a column that takes few values. Distances are measured in the column's usual gap, the 90 percent quantile of the distances of
training values to their nearest other one. A level of a category that training rows did not have is such a value, too.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from egbad.arrays import ArraySpec, State
from egbad.detectors.base import Array, Encoded, Floats, Settings, SklearnDetector, flatten_rows
from egbad.errors import InvalidEntryError
from egbad.explain.explanation import Attribution

_MIN_UNIT = 1e-3  # in standard deviations, for columns whose values repeat

# -- formulas ----------------------------------------------------------------------------------------------------------


def own_gaps(x: Floats) -> Floats:
    """Return the distance of each value to the nearest other one of its column.

    Parameters
    ----------
    x : ndarray of shape (n, d)

    Returns
    -------
    ndarray of shape (n, d)
        0 for a single row.

    Examples
    --------
    >>> own_gaps(np.array([[3.0], [0.0], [1.0]])).ravel().tolist()
    [2.0, 1.0, 1.0]
    """
    if len(x) == 1:
        return np.zeros(x.shape)
    order = x.argsort(0, kind="stable")
    steps = np.diff(np.take_along_axis(x, order, axis=0), axis=0)
    edge = np.full((1, x.shape[1]), np.inf)
    gaps = np.empty(x.shape)
    np.put_along_axis(gaps, order, np.minimum(np.vstack([edge, steps]), np.vstack([steps, edge])), axis=0)
    return gaps


# -- settings ----------------------------------------------------------------------------------------------------------


class ColumnGapSettings(Settings):
    """Settings of `ColumnGap`."""

    quantile: float = Field(ge=0, le=1)


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class ColumnGap(SklearnDetector[ColumnGapSettings]):
    """Largest gap of a row's values to the training values of their columns.

    Finds values that never occurred, not odd combinations of values that did. Keeps every training row.

    Parameters
    ----------
    quantile : float, default=0.9
        Quantile of a column's gaps among training values that is its usual gap.
    backbone : str or Backbone, optional
        Frozen network whose features of images are learned in place of pixels, such as "efficientnet_lite0".
    features : {"global", "patches"}, default="global"
        A vector for each image, or one for each patch; the score is then that of the most anomalous patches.
    feature_config : FeatureConfig, optional
        Size of the images, layers and scaling of the features.
    recipe : str, default="default"
        Source of the values of parameters that are None. "default" is chosen for stability; there is no other.
    preprocessing : Preprocessing, optional
        Scaling, duplicates, range guard and trimming.
    alpha : float, default=0.01
        False-alarm rate of `predict`, in (0, 1).
    calibration_fraction : float, default=0.1
        Fraction of the rows that `fit` holds out of training to set the threshold, in (0, 1).
    n_exemplars : int, default=256
        Number of training images or calibration rows of tables that the model keeps, for reports and drift. 0 keeps none.
    random_state : int, RandomState, Generator or None, default=None
        Seed of all random numbers. None draws a seed, which `seed_` holds.
    verbose : bool, default=False
        Show a progress bar on a terminal and in a notebook, or lines on stderr.

    Attributes
    ----------
    settings_ : ColumnGapSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    learned_ : dict of str to ndarray
        Training values, each column sorted, and the unit of each column.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import ColumnGap
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> ColumnGap(alpha=0.05, random_state=0).fit(X).predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "column_gap"
    parallel_batches: ClassVar[bool] = True
    chunk_rows: ClassVar[int] = 1024
    small_chunk_rows: ClassVar[tuple[int, ...]] = (1, 16, 256)
    settings_type: ClassVar = ColumnGapSettings
    learned_specs: ClassVar = {
        "values": ArraySpec("float32", ("n_rows", "n_values")),
        "unit": ArraySpec("float64", ("n_values",), low=_MIN_UNIT),
    }
    tunable: ClassVar = {"quantile": (0.5, 0.9, 1.0)}

    quantile: float = 0.9

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        unit = np.quantile(own_gaps(x), self.settings_.quantile, axis=0) + _MIN_UNIT
        return {"values": np.sort(x, axis=0).astype(np.float32), "unit": unit}

    def _check_learned(self, learned: State) -> None:
        if (np.diff(learned["values"], axis=0) < 0).any():
            raise InvalidEntryError("values", "must be ascending in each column")

    def _set_learned(self, learned: State) -> None:
        super()._set_learned(learned)
        self._distinct = [np.unique(column).astype(np.float64) for column in learned["values"].T]

    def _nearest_values(self, x: Floats) -> Floats:
        """Return the nearest training value (n, d) of each value of x (n, d)."""
        nearest = np.empty(x.shape)
        for j, values in enumerate(self._distinct):
            # The middles between values decide which is nearest.
            nearest[:, j] = values[np.searchsorted((values[1:] + values[:-1]) / 2, x[:, j])]
        return nearest

    def _gaps(self, x: Floats) -> Floats:
        return np.asarray(np.abs(x - self._nearest_values(x)) / self.learned_["unit"])

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        return {"gap": self._gaps(x).max(1)}

    def leave_one_out_scores(self, x: Encoded) -> Floats:
        """Return the score of each of the encoded training rows x (n, ...) without the row itself."""
        return np.asarray((own_gaps(flatten_rows(x)) / self.learned_["unit"]).max(1))

    def _attribute(self, x: Encoded) -> Attribution:
        """Attribute the score to the column with the largest gap."""
        rows = flatten_rows(x)
        gaps = self._gaps(rows)
        shares = np.where(np.arange(gaps.shape[1]) == gaps.argmax(1)[:, None], gaps, 0.0)
        return Attribution(shares.reshape(x.shape), np.zeros(len(x)), self._expected(x), "exact")

    def _expected(self, x: Encoded) -> Array:
        """Return the nearest training value of each column."""
        return self._nearest_values(flatten_rows(x)).reshape(x.shape)
