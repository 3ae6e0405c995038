"""ColumnDensity: the least likely value of a row, by the density of each column.

Columns of few values have a frequency for each of them. Others have a histogram between quantiles, as HBOS with dynamic bin
widths (Goldstein and Dengel, 2012), and an exponential tail beyond the training range.

Departures: the score is the largest negative logarithm of the columns' densities instead of their sum, so that one odd
value is not hidden by many usual ones.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from egbad.arrays import ArraySpec, State
from egbad.detectors.base import Array, Encoded, Floats, Settings, SklearnDetector, flatten_rows
from egbad.errors import InvalidEntryError
from egbad.explain.explanation import Attribution

_MAX_LEVELS = 30  # of a column with frequencies instead of a histogram
_ROWS_PER_LEVEL = 10
_MIN_BINS = 5
_PRIOR = 0.5  # added to each count
_MIN_WIDTH = 1e-3  # of a bin, in standard deviations
MAX_OVERSHOOT = 50.0  # standard deviations beyond the range from which on the score no longer grows
_ROUNDING = 1e-5  # relative difference of values that count as equal

# -- formulas ----------------------------------------------------------------------------------------------------------


def column_histogram(x: Floats, max_bins: int) -> tuple[Floats, NDArray[np.int64], bool]:
    """Return the knots and counts of the values of a column.

    Parameters
    ----------
    x : ndarray of shape (n,)
    max_bins : int

    Returns
    -------
    knots : ndarray of shape (n_knots,)
        The values of a column of few values, otherwise the edges of bins between quantiles.
    counts : ndarray of int of shape (n_knots,)
        Rows with each value, or in each bin, followed by 0.
    is_discrete : bool
        True for a column of few values.

    Examples
    --------
    >>> column_histogram(np.array([1.0, 5.0, 1.0]), 40)
    (array([1., 5.]), array([2, 1]), True)
    """
    values, counts = np.unique(x, return_counts=True)
    if len(values) <= max(2, min(_MAX_LEVELS, len(x) / _ROWS_PER_LEVEL)):
        return values, counts, True
    n_bins = int(np.clip(np.sqrt(len(x)), min(_MIN_BINS, max_bins), max_bins))
    edges = np.unique(np.quantile(x, np.linspace(0, 1, n_bins + 1)))
    return edges, np.append(np.histogram(x, edges)[0], 0), False


# -- settings ----------------------------------------------------------------------------------------------------------


class ColumnDensitySettings(Settings):
    """Settings of `ColumnDensity`."""

    max_bins: int = Field(ge=2)


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class ColumnDensity(SklearnDetector[ColumnDensitySettings]):
    """Largest negative log density of a row's values.

    Finds rare values, not odd combinations of values. The model's size does not grow with the training rows.

    Parameters
    ----------
    max_bins : int, default=40
        Largest number of bins of a histogram; the square root of the number of training rows where that is smaller.
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
    settings_ : ColumnDensitySettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    learned_ : dict of str to ndarray
        Knots and counts of each column, padded with its last knot; standard deviations; number of training rows.

    References
    ----------
    Goldstein, Dengel, "Histogram-based Outlier Score (HBOS): A fast Unsupervised Anomaly Detection Algorithm", KI 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import ColumnDensity
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> ColumnDensity(alpha=0.05, random_state=0).fit(X).predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "column_density"
    parallel_batches: ClassVar[bool] = True
    settings_type: ClassVar = ColumnDensitySettings
    learned_specs: ClassVar = {
        "knots": ArraySpec("float64", ("n_knots", "n_values")),
        "counts": ArraySpec("int64", ("n_knots", "n_values"), low=0),
        "last": ArraySpec("int64", ("n_values",), low=0),  # position of each column's last knot
        "is_discrete": ArraySpec("bool", ("n_values",)),
        "deviation": ArraySpec("float64", ("n_values",), low=0),
        "n_rows": ArraySpec("int64", low=1),
    }
    tunable: ClassVar = {"max_bins": (10, 40)}

    max_bins: int = 40

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        columns = [column_histogram(column, self.settings_.max_bins) for column in x.T]
        n_knots = max(len(knots) for knots, _, _ in columns)
        return {
            "knots": np.stack([np.pad(k, (0, n_knots - len(k)), mode="edge") for k, _, _ in columns], axis=1),
            "counts": np.stack([np.pad(c, (0, n_knots - len(c))) for _, c, _ in columns], axis=1),
            "last": np.array([len(knots) - 1 for knots, _, _ in columns]),
            "is_discrete": np.array([is_discrete for _, _, is_discrete in columns]),
            "deviation": np.asarray(x.std(0)),
            "n_rows": np.asarray(len(x)),
        }

    def _check_learned(self, learned: State) -> None:
        knots, last = learned["knots"], learned["last"]
        if (np.diff(knots, axis=0) < 0).any():
            raise InvalidEntryError("knots", "must be ascending in each column")
        if (last >= len(knots)).any() or (last[~learned["is_discrete"]] < 1).any():
            raise InvalidEntryError("last", f"must be positions of {len(knots)} knots, at least 1 for histograms")

    def _set_learned(self, learned: State) -> None:
        super()._set_learned(learned)
        self.deviation_ = np.maximum(learned["deviation"], 1e-12)
        largest = np.abs(learned["knots"]).max(0)
        self.tolerance_ = _ROUNDING * np.where(learned["is_discrete"], np.maximum(largest, self.deviation_), 0.0)
        self.last_bin_ = learned["last"] - ~learned["is_discrete"]
        self.grows_ = ~learned["is_discrete"] & (learned["last"] >= 2)  # columns with a tail beyond the range
        self.inside_, self.outside_ = self._surprise(0)

    def _surprise(self, n_left_out: int) -> tuple[Floats, Floats]:
        """Return -log of the density at each knot (n_knots, d), and of values that are at none (d,).

        Parameters
        ----------
        n_left_out : int
            Number of rows, 0 or 1, that each count and their total are less by.
        """
        a, n = self.learned_, self.learned_["n_rows"].item() - n_left_out
        counts = np.maximum(a["counts"] - n_left_out, 0) + _PRIOR
        frequency = counts / (n + _PRIOR * (a["last"] + 2))
        width = np.append(np.diff(a["knots"], axis=0), np.zeros((1, len(a["last"]))), axis=0) / self.deviation_
        density = counts / (n + _PRIOR * np.maximum(a["last"], 1)) / (width + _MIN_WIDTH)
        outside = np.where(a["is_discrete"], _PRIOR / (n + _PRIOR * (a["last"] + 2)), _PRIOR / (n + 1))
        one_bin = ~a["is_discrete"] & (a["last"] < 2)  # nearly all values are equal, and the others are not known
        inside = np.where(one_bin, 0.0, -np.log(np.where(a["is_discrete"], frequency, density)))
        return np.asarray(inside), np.asarray(np.where(one_bin, 0.0, -np.log(outside)))

    def _densities(self, x: Floats, n_left_out: int = 0) -> Floats:
        """Return -log of the density (n, d) of each value of x (n, d)."""
        a = self.learned_
        inside, outside = (self.inside_, self.outside_) if not n_left_out else self._surprise(n_left_out)
        knots, last = a["knots"], a["last"]
        columns = enumerate(zip(last, self.tolerance_, strict=True))
        n_at_most = [knots[: k + 1, j].searchsorted(x[:, j] + t, side="right") for j, (k, t) in columns]
        position = np.clip(np.stack(n_at_most, axis=1) - 1, 0, self.last_bin_)
        at_level = np.abs(x - np.take_along_axis(knots, position, axis=0)) <= self.tolerance_
        overshoot = np.maximum(np.maximum(knots[0] - x, x - knots[-1]), 0)
        known = np.where(a["is_discrete"], at_level, overshoot == 0)
        beyond = np.where(self.grows_, np.minimum(overshoot / self.deviation_, MAX_OVERSHOOT), 0.0)
        return np.where(known, np.take_along_axis(inside, position, axis=0), outside + beyond)

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        return {"density": self._densities(x).max(1)}

    def leave_one_out_scores(self, x: Encoded) -> Floats:
        """Return the score of each of the encoded training rows x (n, ...) without the row itself."""
        return np.asarray(self._densities(flatten_rows(x), n_left_out=1).max(1))

    def _attribute(self, x: Encoded) -> Attribution:
        """Attribute the score to the column of the least likely value."""
        densities = self._densities(flatten_rows(x))
        shares = np.where(np.arange(densities.shape[1]) == densities.argmax(1)[:, None], densities, 0.0)
        return Attribution(shares.reshape(x.shape), np.zeros(len(x)), self._expected(x), "exact")

    def _expected(self, x: Encoded) -> Array:
        """Return the likeliest value of each column."""
        knots, last = self.learned_["knots"], self.learned_["last"]
        is_bin = np.arange(len(knots))[:, None] <= self.last_bin_
        start = np.where(is_bin, self.inside_, np.inf).argmin(0)
        stop = np.where(self.learned_["is_discrete"], start, np.minimum(start + 1, last))
        columns = np.arange(knots.shape[1])
        likeliest = (knots[start, columns] + knots[stop, columns]) / 2
        return np.broadcast_to(likeliest, (len(x), len(likeliest))).reshape(x.shape)
