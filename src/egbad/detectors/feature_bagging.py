"""Feature bagging (Lazarevic and Kumar, 2005): distances to the nearest training row in random subsets of the columns.

A few columns that are odd are hidden in the distance over all columns, but not in all subsets.

Departures: the score of a subset is the distance to the nearest row instead of the local outlier factor. Distances of
subsets are combined as the mean of their logarithms. For small subsets, such as pairs of columns, there is the root mean
fourth power of their calibrated tails (`NegativeLogTail`), so that one odd pair counts among many. The columns that a category
or a time is encoded as stay together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from egbad.arrays import ArraySpec, State
from egbad.detectors.base import Array, Encoded, Floats, Settings, SklearnDetector, flatten_rows
from egbad.detectors.base.batching import pad_chunks
from egbad.errors import InvalidEntryError
from egbad.explain.explanation import Attribution, distribute
from egbad.nn.neighbors import NearestRows
from egbad.nn.threads import blas_threads
from egbad.scoring.calibration import NegativeLogTail

_RELATIVE_EPSILON = 1e-3  # distances below this fraction of the usual one count alike
_MIN_EPSILON = 1e-6
_POWER = 4
_DRAWS_PER_SUBSET = 20  # until subsets of fixed size are distinct

# -- formulas ----------------------------------------------------------------------------------------------------------


def subset_size(max_features: float, n_columns: int) -> int:
    """Return the columns of a subset: a fraction of all, rounded up, or their number.

    Examples
    --------
    >>> subset_size(0.5, 5), subset_size(2, 5), subset_size(2, 1)
    (3, 2, 1)
    """
    n = ceil(max_features * n_columns) if isinstance(max_features, float) else max_features
    return max(1, min(n, n_columns))


def draw_subsets(
    n_subsets: int, max_features: Sequence[float], n_columns: int, rng: np.random.RandomState
) -> NDArray[np.bool_]:
    """Draw random subsets of columns.

    Parameters
    ----------
    n_subsets : int
    max_features : sequence of int or float
        Sizes of the subsets in turn.
    n_columns : int
    rng : RandomState

    Returns
    -------
    ndarray of bool of shape (n_drawn, n_columns)
        Distinct subsets; fewer than `n_subsets` where there are no more.
    """
    drawn: dict[bytes, NDArray[np.bool_]] = {}
    for _ in range(_DRAWS_PER_SUBSET * n_subsets):
        if len(drawn) == n_subsets:
            break
        size = subset_size(max_features[len(drawn) % len(max_features)], n_columns)
        mask = np.zeros(n_columns, dtype=np.bool_)
        mask[rng.choice(n_columns, size, replace=False)] = True
        drawn.setdefault(mask.tobytes(), mask)
    return np.stack([*drawn.values()])


# -- settings ----------------------------------------------------------------------------------------------------------


class FeatureBaggingSettings(Settings):
    """Settings of `FeatureBagging`."""

    n_estimators: int = Field(ge=1)
    max_features: tuple[int | float, ...] = Field(min_length=1)
    combination: Literal["log", "tail"]

    def model_post_init(self, context: Any) -> None:
        """Check the sizes of subsets."""
        for size in self.max_features:
            if size <= 0 or (isinstance(size, float) and size > 1):
                raise ValueError("max_features must be numbers of columns, or fractions in (0, 1]")


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w)."""
    return {"preprocessing": {"scaling": "minmax"}}


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureBagging(SklearnDetector[FeatureBaggingSettings]):
    """Distance to the nearest training row in random subsets of the columns.

    Keeps every training row.

    Parameters
    ----------
    n_estimators : int, default=8
        Number of subsets, fewer where there are not as many.
    max_features : sequence of int or float, default=(0.75, 0.5)
        Sizes of the subsets in turn: numbers of columns, or fractions of all columns. `(2,)` are pairs of columns.
    combination : {"log", "tail"}, default="log"
        "log": mean of log(1 + distance / epsilon), with a thousandth of the median distance over all columns as epsilon.
        "tail": root mean fourth power of the negative log tail probability of each distance among the training rows.
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
    settings_ : FeatureBaggingSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    learned_ : dict of str to ndarray
        Training rows, subsets as masks of the encoded columns, epsilon, and the distances of training rows from other
        training rows in each subset, sorted, under "distances".

    References
    ----------
    Lazarevic, Kumar, "Feature Bagging for Outlier Detection", KDD 2005.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import FeatureBagging
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = FeatureBagging(alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "feature_bagging"
    parallel_batches: ClassVar[bool] = True
    settings_type: ClassVar = FeatureBaggingSettings
    learned_specs: ClassVar = {
        "rows": ArraySpec("float32", ("n_rows", "n_values")),
        "subsets": ArraySpec("bool", ("n_subsets", "n_values")),
        "epsilon": ArraySpec("float64", low=_MIN_EPSILON),
        "distances": ArraySpec("float64", ("n_subsets", "n_rows"), low=0),
    }
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"n_estimators": (8, 32), "max_features": ((0.75, 0.5), (2,))}
    tunable_on_rows: ClassVar = {"preprocessing__scaling": ("minmax", "rank_normal")}

    n_estimators: int = 8
    max_features: Sequence[int | float] = (0.75, 0.5)
    combination: str = "log"

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        s, table = self.settings_, self.table_encoder
        columns = np.arange(x.shape[1]) if table is None else table.source_columns
        subsets = draw_subsets(s.n_estimators, s.max_features, int(columns[-1]) + 1, rng)[:, columns]
        usual = float(np.median(NearestRows(x).query_others()[0]))
        return {
            "rows": x.astype(np.float32),
            "subsets": subsets,
            "epsilon": np.asarray(_RELATIVE_EPSILON * usual + _MIN_EPSILON),
            "distances": np.stack([np.sort(NearestRows(x[:, subset]).query_others()[0]) for subset in subsets]),
        }

    def _check_learned(self, learned: State) -> None:
        if not learned["subsets"].any(1).all():
            raise InvalidEntryError("subsets", "must hold at least one column each")

    def _set_learned(self, learned: State) -> None:
        super()._set_learned(learned)
        self._indexes = [NearestRows(learned["rows"][:, subset]) for subset in learned["subsets"]]
        self._epsilon = learned["epsilon"].item()
        self.tails_ = [NegativeLogTail(distances) for distances in learned["distances"]]

    def _combine(self, distances: Floats) -> Floats:
        """Combine the distances (n_subsets, n) to scores (n,)."""
        if self.settings_.combination == "log":
            return np.asarray(np.log1p(distances / self._epsilon).mean(0))
        return np.asarray((self._tail_values(distances) ** _POWER).mean(0) ** (1 / _POWER))

    def _tail_values(self, distances: Floats) -> Floats:
        return np.stack([tail(values) for tail, values in zip(self.tails_, distances, strict=True)])

    def _nearest(self, x: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Return distances and positions (n_subsets, n) of the nearest training rows in each subset."""
        pairs = zip(self._indexes, self.learned_["subsets"], strict=True)
        found = [index.query(x[:, subset]) for index, subset in pairs]
        return np.stack([distances for distances, _ in found]), np.stack([positions for _, positions in found])

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        return {"distance": self._combine(self._nearest(x)[0])}

    def leave_one_out_scores(self, x: Encoded) -> Floats:
        """Return the score of each of the encoded training rows x (n, ...) without the row itself."""
        return self._combine(np.stack([index.query_others()[0] for index in self._indexes]))

    def _attribute(self, x: Encoded) -> Attribution:
        """Attribute the term of each subset to its columns, in proportion to the squared differences."""
        with blas_threads.single_thread():  # chunks of one size, in which a row has the same bits
            parts = [
                tuple(values[:n] for values in self._shares_and_expected(chunk))
                for chunk, n in pad_chunks(flatten_rows(x), self.chunk_rows)
            ]
        shares, expected = (np.concatenate(arrays).reshape(x.shape) for arrays in zip(*parts, strict=True))
        return Attribution(shares, np.zeros(len(x)), expected, "differences")

    def _shares_and_expected(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the shares (n, d) of the columns of rows x (n, d) and the mean of their neighbours in the subsets."""
        distances, nearest = self._nearest(x)
        by_log = self.settings_.combination == "log"
        terms = np.log1p(distances / self._epsilon) if by_log else self._tail_values(distances) ** _POWER
        weights = distribute(terms.T, self._combine(distances)).T  # (n_subsets, n)
        known, subsets = self.learned_["rows"], self.learned_["subsets"]
        shares, neighbours = np.zeros(x.shape), np.zeros(x.shape)
        for subset, positions, weight in zip(subsets, nearest, weights, strict=True):
            rows = known[positions][:, subset]
            shares[:, subset] += distribute((x[:, subset] - rows) ** 2, weight)
            neighbours[:, subset] += rows
        n_subsets = subsets.sum(0)
        return shares, np.where(n_subsets > 0, neighbours / np.maximum(n_subsets, 1), x)

    def _expected(self, x: Encoded) -> Array:
        return self._attribute(x).expected
