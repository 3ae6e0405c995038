"""Distance to the nearest training rows (Ramaswamy et al., 2000), the baseline that every network must beat.

Departures: the score is the mean distance to the k nearest rows (Angiulli and Pizzuti, 2002) rather than the distance to the
k-th; the default recipe drops repeated rows, which would fill their own neighbourhood.

Two options lead beyond the paper. `whitening` compares rows after a linear map that makes the differences between
neighbouring training rows equally large in all directions, so that a deviation counts more where neighbours hardly differ.
`score_type="density_ratio"` divides the distance by that of the neighbours, a simplified local outlier factor (Schubert et al.,
2014).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from egbad.arrays import ArraySpec, State
from egbad.detectors.base import Array, Encoded, Floats, Settings, SklearnDetector, flatten_rows
from egbad.detectors.base.batching import pad_chunks
from egbad.errors import InvalidEntryError, InvalidInputError
from egbad.explain.explanation import Attribution, concatenate
from egbad.nn.cells import CellIndex
from egbad.nn.distances import distance_shares, standardize_rows
from egbad.nn.neighbors import BruteIndex, NearestRows, SearchMethod, neighbor_index, other_neighbors, search_method
from egbad.nn.threads import blas_threads

_COMPARED_NEIGHBOURS = 64  # of each row that decides on the size of chunks
_BOUNDED_SCALINGS = ("minmax", "rank_normal")  # of which training columns have similar ranges
_EUCLIDEAN_METRICS = ("euclidean", "correlation")
_MAX_WHITENED_VALUES = 4096
_WHITENING_SHRINKAGE = 0.1  # weight of the spherical covariance
_WHITENING_ROUNDS = 2  # neighbours are sought among unwhitened rows first, then among whitened ones
_MIN_VARIANCE = 1e-12
_MIN_RELATIVE_DISTANCE = 1e-3  # least distance of a training row to its neighbours, as a fraction of the median

# -- formulas ----------------------------------------------------------------------------------------------------------


def whitening_matrix(differences: Floats) -> Floats:
    """Return the inverse square root of the shrunken covariance of differences between neighbours.

    Parameters
    ----------
    differences : ndarray of shape (n_rows, n_values)
        Rows minus their nearest neighbours.

    Returns
    -------
    ndarray of shape (n_values, n_values)
        W: the products of differences with W have the same variance in all directions, apart from the shrinkage.

    Examples
    --------
    >>> import numpy as np
    >>> whitening_matrix(np.array([[2.0, 0.0], [0.0, 2.0]])).round(3).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    n, d = differences.shape
    covariance = differences.T @ differences / (2 * n)
    sphere = np.eye(d) * max(float(np.trace(covariance)) / d, _MIN_VARIANCE)
    variances, axes = np.linalg.eigh((1 - _WHITENING_SHRINKAGE) * covariance + _WHITENING_SHRINKAGE * sphere)
    return np.asarray(axes / np.sqrt(np.maximum(variances, _MIN_VARIANCE)))


# -- settings and recipe -----------------------------------------------------------------------------------------------


class KNNSettings(Settings):
    """Settings of `KNN`."""

    n_neighbors: int = Field(ge=1)
    metric: Literal["euclidean", "manhattan", "cosine", "correlation"]
    whitening: Literal["none", "local"] = "none"
    score_type: Literal["distance", "density_ratio"] = "distance"
    recall: float = Field(default=1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _check_metric(self) -> Self:
        others = self.whitening != "none" or self.score_type != "distance" or self.recall < 1
        if self.metric != "euclidean" and others:
            raise ValueError("whitening, score_type='density_ratio' and recall below 1 need metric='euclidean'")
        return self


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w)."""
    return {"preprocessing": {"drop_duplicates": True}}


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class KNN(SklearnDetector[KNNSettings]):
    """Mean distance to the k nearest training rows.

    Keeps every training row in single precision, so that a model file is as large as the encoded training data.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of neighbours k, at most the number of training rows.
    metric : {"euclidean", "manhattan", "cosine", "correlation"}, default="euclidean"
        Distance of encoded columns or pixels. "correlation" is Euclidean after each row or image has been scaled to mean 0
        and length 1, so that brightness and contrast of an image do not count.
    whitening : {"none", "local"}, default="none"
        "local" compares rows after whitening by the differences between neighbouring training rows, of at most 4,096 encoded
        columns.
    score_type : {"distance", "density_ratio"}, default="distance"
        "density_ratio" divides the distance by its mean among the neighbours themselves: above 1 where training rows are denser
        than around the row. Both options need the metric "euclidean".
    recall : float, default=1.0
        Share of the true neighbours to find among 50,000 training rows or more, in (0, 1]. Below 1, fewer groups of rows are
        searched, which is faster; `fit` measures the share that is found. It needs the metric "euclidean".
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
    settings_ : KNNSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    learned_ : dict of str to ndarray
        The training rows, under "rows"; with whitening its matrix, under "whitening"; for density ratios the mean distance of
        each training row to its neighbours, under "neighbour_distance".
    index_rows_ : ndarray of shape (n_train, n_values)
        The training rows as the metric compares them.
    recall_ : float
        Share of the true neighbours that searches find, measured on training rows. 1 for exact searches.

    References
    ----------
    Ramaswamy, Rastogi, Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets", SIGMOD 2000.
    Angiulli, Pizzuti, "Fast Outlier Detection in High Dimensional Spaces", PKDD 2002.
    Schubert, Zimek, Kriegel, "Local Outlier Detection Reconsidered", Data Mining and Knowledge Discovery, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import KNN
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> KNN(alpha=0.05, random_state=0).fit(X).predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "knn"
    exact_shares: ClassVar = True
    settings_type: ClassVar = KNNSettings
    learned_specs: ClassVar = {
        "rows": ArraySpec("float32", ("n_rows", "n_values")),
        "whitening": ArraySpec("float64", ("n_values", "n_values"), optional=True),
        "neighbour_distance": ArraySpec("float64", ("n_rows",), low=0, optional=True),
        "n_probes": ArraySpec("int64", low=1, optional=True),
        "recall": ArraySpec("float64", low=0, high=1, optional=True),
    }
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"n_neighbors": (1, 5, 20)}
    tunable_on_images: ClassVar = {"metric": ("euclidean", "correlation")}

    n_neighbors: int = 5
    metric: str = "euclidean"
    whitening: str = "none"
    score_type: str = "distance"
    recall: float = 1.0

    @property
    def recall_(self) -> float:
        """Share of the true neighbours that searches find, measured on training rows."""
        return float(self.learned_.get("recall", np.ones(())).item())

    @property
    def pads_chunks(self) -> bool:
        """True if the bits of a score may depend on the number of rows: those of products do, those of `CellIndex` do not."""
        return "whitening" in self.learned_ or not isinstance(self._index, CellIndex)

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        learned: State = {"rows": x.astype(np.float32)}  # the precision of encoded rows
        if self.settings_.whitening == "local":
            if x.shape[1] > _MAX_WHITENED_VALUES:
                raise InvalidInputError(
                    f"whitening='local' needs at most {_MAX_WHITENED_VALUES} encoded columns or pixels, got {x.shape[1]}."
                )
            learned["whitening"] = np.eye(x.shape[1])
            for _ in range(_WHITENING_ROUNDS if len(x) > 1 else 0):
                nearest = self._other_neighbours(x, learned, 1)[1][:, 0]
                learned["whitening"] = whitening_matrix(x - x[nearest])
        if self.settings_.score_type == "density_ratio":
            learned["neighbour_distance"] = np.ones(len(x))
            if len(x) > 1:
                distances, _ = self._other_neighbours(x, learned, self.settings_.n_neighbors)
                least = _MIN_RELATIVE_DISTANCE * float(np.median(distances[:, 0])) + _MIN_VARIANCE
                learned["neighbour_distance"] = np.maximum(distances.mean(1), least)
        return learned

    def _other_neighbours(self, x: Floats, learned: State, k: int) -> tuple[Floats, NDArray[np.intp]]:
        """Return distances and positions (n, k) of the nearest other training rows of training rows x (n, d)."""
        rows = x @ learned["whitening"] if "whitening" in learned else x
        return other_neighbors(rows, min(k, len(x) - 1), self._search(*x.shape))

    def _search(self, n: int, d: int) -> SearchMethod:
        """Return the fastest search for n rows of d values."""
        return search_method(n, d, self.settings_.metric, images=self.kind_ == "images")

    def _searches_part_of(self, rows: Array) -> bool:
        """Return True if a search among training rows need not find all neighbours."""
        return self.settings_.recall < 1 and self._search(*rows.shape) == "cells"

    def _check_learned(self, learned: State) -> None:
        wanted = {
            "whitening": self.settings_.whitening == "local",
            "neighbour_distance": self.settings_.score_type == "density_ratio",
            **dict.fromkeys(("n_probes", "recall"), self._searches_part_of(learned["rows"])),
        }
        for name, is_wanted in wanted.items():
            if is_wanted != (name in learned):
                raise InvalidEntryError(name, "is missing" if is_wanted else "is not an array of such a model")

    def _set_learned(self, learned: State) -> None:
        super()._set_learned(learned)
        rows, size = learned["rows"], self.chunk_rows
        k = min(self.settings_.n_neighbors, len(rows))
        metric = "euclidean" if self.settings_.metric == "correlation" else self.settings_.metric
        search, is_plain = self._search(*rows.shape), "whitening" not in learned
        # Single precision, converted chunk by chunk, saves memory and time where there are many values.
        precision = np.float32 if self.kind_ == "images" or (search == "cells" and is_plain) else np.float64
        with blas_threads.single_thread():
            chunks = [self._to_index(chunk)[:n] for chunk, n in pad_chunks(rows, size)]
        self.index_rows_ = np.concatenate([chunk.astype(precision) for chunk in chunks])
        self._k = k
        self._index = neighbor_index(
            self.index_rows_, metric, "brute" if search == "kd_tree" and k >= len(rows) // 2 else search
        )
        if isinstance(self._index, CellIndex) and self._searches_part_of(rows):
            if "n_probes" not in learned:  # after a fit
                found = self._index.choose_probes(self.settings_.recall, k)
                learned |= {"recall": np.asarray(found), "n_probes": np.asarray(self._index.n_probes)}
            self._index.n_probes = int(learned["n_probes"].item())
        # Products in single precision are twice as fast, and exact enough where no column dwarfs the others.
        is_bounded = self.kind_ == "rows" and self.settings_.preprocessing.scaling in _BOUNDED_SCALINGS
        is_single = is_bounded and k == 1 and isinstance(self._index, BruteIndex) and metric == "euclidean"
        self._nearest = NearestRows(self.index_rows_) if is_single else None

    def _to_index(self, x: Array) -> Array:
        """Transform rows (n, d) to the form in which the metric compares them."""
        if (matrix := self.learned_.get("whitening")) is not None:
            return np.asarray(x.astype(np.float64) @ matrix)
        return standardize_rows(x) if self.settings_.metric == "correlation" else x

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        x = self._to_index(x)
        if self.settings_.metric not in _EUCLIDEAN_METRICS:
            return {"distance": self._query(x, self._k)[0].mean(1, dtype=np.float64)}
        # The index finds neighbours by products, whose rounding hides small distances. Differences are exact: the
        # distance of a training row to itself is 0.
        neighbours = self._find_neighbours(x)
        distance = np.linalg.norm(self._differences(x, neighbours), axis=2).mean(1)
        return {self.settings_.score_type: distance / self._usual_distance(neighbours)}

    def _usual_distance(self, neighbours: NDArray[np.intp]) -> Floats:
        """Return the divisors (n,) of the distances to neighbours (n, k)."""
        usual = self.learned_.get("neighbour_distance")
        return np.ones(len(neighbours)) if usual is None else np.asarray(usual[neighbours].mean(1))

    def leave_one_out_scores(self, x: Encoded) -> Floats:
        """Return the score of each of the encoded training rows x (n, ...) without the row itself."""
        if self.settings_.metric not in _EUCLIDEAN_METRICS or len(x) == 1:
            return self._score(x)
        scores = []
        for rows, n in pad_chunks(flatten_rows(x), self.chunk_rows):
            indexed = self._to_index(rows)
            neighbours = self._query(indexed, min(self._k + 1, len(self.index_rows_)))[1]
            distances = np.linalg.norm(self._differences(indexed, neighbours), axis=2)
            order = distances.argsort(1, kind="stable")[:, 1:]  # the nearest is the row itself, or one equal to it
            others = np.take_along_axis(neighbours, order, axis=1)
            mean = np.take_along_axis(distances, order, axis=1).mean(1)
            scores.append((mean / self._usual_distance(others))[:n])
        return np.concatenate(scores)

    def _compared_values(self, x: Floats) -> list[Array]:
        """Return the distances (n, k) of many neighbours: their rounding decides between neighbours at equal distances."""
        if self._nearest is not None:
            return [*super()._compared_values(x), self._to_index(x)]
        k = min(_COMPARED_NEIGHBOURS, len(self.index_rows_))
        return [*super()._compared_values(x), *self._query(self._to_index(x), k)]

    def _find_neighbours(self, x: Array) -> NDArray[np.intp]:
        """Return the positions of the neighbours (n, k) of transformed rows x (n, d)."""
        if self._nearest is not None:
            return self._nearest.query(np.asarray(x, dtype=np.float64))[1][:, None]
        return self._query(x, self._k)[1]

    def _query(self, x: Array, k: int) -> tuple[Array, NDArray[np.intp]]:
        """Return distances and positions (n, k) of the k neighbours of transformed rows x (n, d), nearest first."""
        return self._index.query(x.astype(self.index_rows_.dtype), k)

    def _differences(self, x: Array, neighbours: NDArray[np.intp]) -> Floats:
        """Return transformed rows x (n, d) minus their neighbours, (n, k, d)."""
        return np.asarray(x[:, None].astype(np.float64) - self.index_rows_[neighbours])

    def _batches_with_neighbours(self, x: Encoded) -> Iterator[tuple[Floats, NDArray[np.intp], int]]:
        """Yield flat rows (n, d) of x in chunks, the positions of their neighbours (n, k), and how many of them are rows of x.

        Chunks are padded where they are whitened, since the bits of a product depend on its shape.
        """
        for start in range(0, len(x), self.chunk_rows):
            chunk = flatten_rows(x[start : start + self.chunk_rows])
            rows = next(pad_chunks(chunk, self.chunk_rows))[0] if "whitening" in self.learned_ else chunk
            with blas_threads.single_thread():
                yield rows, self._find_neighbours(self._to_index(rows)), len(chunk)

    def _attribute(self, x: Encoded) -> Attribution:
        """Attribute each distance exactly; the mean of the neighbours is the expected value.

        Cosine distances do not split into columns and are explained by occlusion.
        """
        known = self.learned_["rows"]
        if self.settings_.metric == "cosine":
            return super()._attribute(x)
        batches = []
        for rows, neighbours, n in self._batches_with_neighbours(x):
            shares = self._shares(rows, neighbours).mean(1) / self._usual_distance(neighbours)[:, None]
            expected = known[neighbours].mean(1, dtype=np.float64)
            batches.append(Attribution(shares[:n], np.zeros(n), expected[:n], "exact"))
        whole = concatenate(batches)
        return replace(whole, shares=whole.shares.reshape(x.shape), expected=whole.expected.reshape(x.shape))

    def _shares(self, rows: Floats, neighbours: NDArray[np.intp]) -> Floats:
        """Return the shares (n, k, d) of columns in the distances of rows (n, d) to their neighbours (n, k).

        The summands of a whitened distance are those of the quadratic form u' W W' u, which may be negative.
        """
        differences, matrix = self._differences(self._to_index(rows), neighbours), self.learned_.get("whitening")
        if matrix is None:
            return distance_shares(differences, self.settings_.metric)
        lengths = np.linalg.norm(differences, axis=2, keepdims=True)
        unwhitened = rows[:, None] - self.learned_["rows"][neighbours]
        products = unwhitened * (differences @ matrix.T)
        return np.asarray(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0))

    def _expected(self, x: Encoded) -> Array:
        known = self.learned_["rows"]
        batches = self._batches_with_neighbours(x)
        means = [known[positions[:n]].mean(1, dtype=np.float64) for _, positions, n in batches]
        return np.concatenate(means).reshape(x.shape)
