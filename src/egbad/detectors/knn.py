"""Distance to the nearest training rows (Ramaswamy et al., 2000), the baseline that every network must beat.

Departures: the score is the mean distance to the k nearest rows (Angiulli and Pizzuti, 2002) rather than the distance to the
k-th; the default recipe drops repeated rows, which would fill their own neighbourhood.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.neighbors import KDTree, NearestNeighbors

from egbad.arrays import ArraySpec, State
from egbad.detectors.base import Array, Encoded, Floats, Settings, SklearnDetector, flatten_rows
from egbad.explain.explanation import Attribution, concatenate

MIN_NORM = 1e-6  # a centred row that is shorter has no direction
_COMPARED_NEIGHBOURS = 64  # of each row that decides on the size of chunks
_MAX_TREE_VALUES = 15  # rows of more values are compared with all training rows sooner than with those of a tree
_EUCLIDEAN_METRICS = ("euclidean", "correlation")

# -- formulas ----------------------------------------------------------------------------------------------------------


def standardize_rows(x: Array) -> Array:
    """Shift and scale each row to mean 0 and length 1, so that Euclidean distances depend on correlations only.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_values)

    Returns
    -------
    ndarray of shape (n_samples, n_values)
        Constant rows become zero.
    """
    x = x - x.mean(axis=1, keepdims=True, dtype=np.float64)
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), MIN_NORM))


def distance_shares(differences: Floats, metric: str) -> Floats:
    """Split each distance into one summand per column.

    The summands of a Euclidean distance are squares divided by the distance.

    Parameters
    ----------
    differences : ndarray of shape (n_samples, n_neighbors, n_values)
        Differences between rows and their neighbours.
    metric : {"euclidean", "correlation", "manhattan"}

    Returns
    -------
    ndarray of shape (n_samples, n_neighbors, n_values)
    """
    shares: Floats = np.abs(differences)
    if metric == "manhattan":
        return shares
    lengths = np.linalg.norm(shares, axis=2, keepdims=True)
    return np.asarray(np.divide(shares**2, lengths, out=np.zeros_like(shares), where=lengths > 0))


# -- settings and recipe -----------------------------------------------------------------------------------------------


class KNNSettings(Settings):
    """Settings of `KNN`."""

    n_neighbors: int = Field(ge=1)
    metric: Literal["euclidean", "manhattan", "cosine", "correlation"]


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w)."""
    return {"preprocessing": {"drop_duplicates": True}}


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class KNN(SklearnDetector[KNNSettings]):
    """Mean distance to the k nearest training rows, by scikit-learn's `NearestNeighbors`.

    Keeps every training row in single precision, so that a model file is as large as the encoded training data.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of neighbours k, at most the number of training rows.
    metric : {"euclidean", "manhattan", "cosine", "correlation"}, default="euclidean"
        Distance of encoded columns or pixels. "correlation" is Euclidean after each row or image has been scaled to mean 0
        and length 1, so that brightness and contrast of an image do not count.
    recipe : str, default="default"
        Source of the values of parameters that are None. "default" is chosen for stability; there is no other.
    preprocessing : Preprocessing, optional
        Scaling, duplicates, range guard and trimming.
    alpha : float, default=0.01
        False-alarm rate of `predict`, in (0, 1).
    calibration_fraction : float, default=0.1
        Fraction of the rows that `fit` holds out of training to set the threshold, in (0, 1).
    n_exemplars : int, default=256
        Number of training images that the model keeps, at most 4 MiB of them, drawn at random. Reports show them.
    random_state : int, RandomState, Generator or None, default=None
        Seed of all random numbers. None draws a seed, which `seed_` holds.
    verbose : bool, default=False
        Show the progress of training on stderr.

    Attributes
    ----------
    settings_ : KNNSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    learned_ : dict of str to ndarray
        The training rows, under "rows".
    index_rows_ : ndarray of shape (n_train, n_values)
        The training rows as the metric compares them.

    References
    ----------
    Ramaswamy, Rastogi, Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets", SIGMOD 2000.
    Angiulli, Pizzuti, "Fast Outlier Detection in High Dimensional Spaces", PKDD 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import KNN
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> KNN(alpha=0.05, random_state=0).fit(X).predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "knn"
    settings_type: ClassVar = KNNSettings
    learned_specs: ClassVar = {"rows": ArraySpec("float32", ("n_rows", "n_values"))}
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"n_neighbors": (1, 5, 20)}
    tunable_on_images: ClassVar = {"metric": ("euclidean", "correlation")}

    n_neighbors: int = 5
    metric: str = "euclidean"

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        return {"rows": x.astype(np.float32)}  # the precision of encoded rows

    def _set_learned(self, learned: State) -> None:
        super()._set_learned(learned)
        rows, size = learned["rows"], self.chunk_rows
        k = min(self.settings_.n_neighbors, len(rows))
        metric = "euclidean" if self.settings_.metric == "correlation" else self.settings_.metric
        # Images have many values: single precision, converted chunk by chunk, saves memory and time.
        precision = np.float32 if self.kind_ == "images" else np.float64
        starts = range(0, len(rows), size)
        self.index_rows_ = np.concatenate([self._to_index(rows[i : i + size]).astype(precision) for i in starts])
        self._k, n_values = k, self.index_rows_.shape[1]
        if metric != "cosine" and n_values <= _MAX_TREE_VALUES and k < len(rows) // 2:
            self._index: KDTree | NearestNeighbors = KDTree(self.index_rows_, metric=metric)
        else:
            self._index = NearestNeighbors(metric=metric, algorithm="brute").fit(self.index_rows_)

    def _to_index(self, x: Array) -> Array:
        """Transform rows (n, d) to the form in which the metric compares them."""
        return standardize_rows(x) if self.settings_.metric == "correlation" else x

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        x = self._to_index(x)
        if self.settings_.metric not in _EUCLIDEAN_METRICS:
            return {"distance": self._query(x, self._k)[0].mean(1, dtype=np.float64)}
        # The index finds neighbours by products, whose rounding hides small distances. Differences are exact: the
        # distance of a training row to itself is 0.
        return {"distance": np.linalg.norm(self._differences(x, self._find_neighbours(x)), axis=2).mean(1)}

    def _compared_values(self, x: Floats) -> list[Array]:
        """Return the distances (n, k) of many neighbours: their rounding decides between neighbours at equal distances."""
        k = min(_COMPARED_NEIGHBOURS, len(self.index_rows_))
        return [*super()._compared_values(x), *self._query(self._to_index(x), k)]

    def _find_neighbours(self, x: Array) -> NDArray[np.intp]:
        """Return the positions of the neighbours (n, k) of transformed rows x (n, d)."""
        return self._query(x, self._k)[1]

    def _query(self, x: Array, k: int) -> tuple[Array, NDArray[np.intp]]:
        """Return distances and positions (n, k) of the k neighbours of transformed rows x (n, d), nearest first."""
        rows = x.astype(self.index_rows_.dtype)
        if isinstance(self._index, KDTree):  # the estimator checks its input for longer than the tree takes for a row
            distances, positions = self._index.query(rows, k)
        else:
            distances, positions = self._index.kneighbors(rows, k)
        return distances, positions

    def _differences(self, x: Array, neighbours: NDArray[np.intp]) -> Floats:
        """Return transformed rows x (n, d) minus their neighbours, (n, k, d)."""
        return np.asarray(x[:, None].astype(np.float64) - self.index_rows_[neighbours])

    def _batches_with_neighbours(self, x: Encoded) -> Iterator[tuple[Floats, NDArray[np.intp]]]:
        """Yield flat rows (n, d) of x in batches with the positions of their neighbours (n, k)."""
        for start in range(0, len(x), self.chunk_rows):
            rows = flatten_rows(x[start : start + self.chunk_rows])
            yield rows, self._find_neighbours(self._to_index(rows))

    def _attribute(self, x: Encoded) -> Attribution:
        """Attribute each distance exactly; the mean of the neighbours is the expected value.

        Cosine distances do not split into columns and are explained by occlusion.
        """
        metric, known = self.settings_.metric, self.learned_["rows"]
        if metric == "cosine":
            return super()._attribute(x)
        batches = []
        for rows, neighbours in self._batches_with_neighbours(x):
            shares = distance_shares(self._differences(self._to_index(rows), neighbours), metric).mean(1)
            expected = known[neighbours].mean(1, dtype=np.float64)
            batches.append(Attribution(shares, np.zeros(len(rows)), expected, "exact"))
        whole = concatenate(batches)
        return replace(whole, shares=whole.shares.reshape(x.shape), expected=whole.expected.reshape(x.shape))

    def _expected(self, x: Encoded) -> Array:
        known = self.learned_["rows"]
        means = [known[positions].mean(1, dtype=np.float64) for _, positions in self._batches_with_neighbours(x)]
        return np.concatenate(means).reshape(x.shape)
