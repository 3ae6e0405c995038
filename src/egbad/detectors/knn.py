"""Distance to the nearest normal rows (Ramaswamy et al., 2000): the neighbour that every network must beat."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.neighbors import NearestNeighbors

from egbad import model_file
from egbad.detectors.base import Array, Encoded, Floats, Settings, SklearnDetector, flat
from egbad.explain.explanation import Attribution, concatenate

_BY_PRODUCTS = ("euclidean", "correlation")
MIN_NORM = 1e-6  # a centred row that is shorter has no direction


class KNNSettings(Settings):
    """Every value decided."""

    n_neighbors: int = Field(ge=1)
    metric: Literal["euclidean", "manhattan", "cosine", "correlation"]


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return values for encoded rows (d,) or images (c, h, w)."""
    return {"preprocessing": {"drop_duplicates": True}}  # a repeated row would fill its own neighbourhood


@dataclass(kw_only=True, eq=False, repr=False)
class KNN(SklearnDetector[KNNSettings]):
    """Mean distance to the k nearest training rows, by scikit-learn's `NearestNeighbors`.

    Keeps every training row, in single precision as they are encoded, so that its file is as large as they are.

    Parameters
    ----------
    n_neighbors : int
        k; where there are fewer training rows, all of them.
    metric : {"euclidean", "manhattan", "cosine", "correlation"}
        The distance, on encoded columns or pixels. "correlation" is Euclidean, once every row or image by itself has mean 0
        and length 1: neither brightness nor contrast of an image count.

    References
    ----------
    Ramaswamy, Rastogi, Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets", SIGMOD 2000.

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
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"n_neighbors": (1, 5, 20)}
    tunable_on_images: ClassVar = {"metric": ("euclidean", "correlation")}

    n_neighbors: int = 5
    metric: str = "euclidean"

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> model_file.Arrays:
        return {"rows": x.astype(np.float32)}  # as they were encoded

    def _set_learned(self, learned: model_file.Arrays) -> None:
        super()._set_learned(learned)
        k = min(self.settings_.n_neighbors, len(learned["rows"]))
        metric = "euclidean" if self.settings_.metric == "correlation" else self.settings_.metric
        # Images are long: their rows are compared in single precision, and a chunk at a time made ready for it.
        precision = np.float32 if self.kind_ == "images" else np.float64
        known, size = learned["rows"], self.chunk_rows
        starts = range(0, len(known), size)
        self.index_rows_ = np.concatenate([self._compared(known[i : i + size]).astype(precision) for i in starts])
        self._index = NearestNeighbors(n_neighbors=k, metric=metric).fit(self.index_rows_)

    def _compared(self, x: Array) -> Array:
        """Rows x (n, d) as the index compares them."""
        if self.settings_.metric != "correlation":
            return x
        x = x - x.mean(axis=1, keepdims=True, dtype=np.float64)
        return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), MIN_NORM))

    def _near(self, x: Array) -> NDArray[np.intp]:
        """The places of the neighbours (n, k) of rows x (n, d), as they are compared."""
        places: NDArray[np.intp] = self._index.kneighbors(x.astype(self.index_rows_.dtype), return_distance=False)
        return places

    def _attribute(self, x: Encoded) -> Attribution:
        """Of each distance, by squares or absolute differences; what is expected is the mean of the neighbours.

        Those of a cosine have no exact parts, and are hidden one by one.
        """
        if self.settings_.metric == "cosine":
            return super()._attribute(x)
        parts = []
        for rows, near in self._neighbours(x):
            ways = np.abs(self._ways(self._compared(rows), near))  # (n, k, d)
            if self.settings_.metric != "manhattan":
                lengths = np.linalg.norm(ways, axis=2, keepdims=True)
                ways = np.divide(ways**2, lengths, out=np.zeros_like(ways), where=lengths > 0)
            parts.append(
                Attribution(
                    ways.mean(1), np.zeros(len(rows)), self.learned_["rows"][near].mean(1, dtype=np.float64), "exact"
                )
            )
        whole = concatenate(parts)
        return replace(whole, shares=whole.shares.reshape(x.shape), expected=whole.expected.reshape(x.shape))

    def _expected(self, x: Encoded) -> Array:
        found = [self.learned_["rows"][near].mean(1, dtype=np.float64) for _, near in self._neighbours(x)]
        return np.concatenate(found).reshape(x.shape)

    def _neighbours(self, x: Encoded) -> Iterator[tuple[Floats, NDArray[np.intp]]]:
        """Flat rows (n, d) of x in parts, and the places of their neighbours (n, k)."""
        for start in range(0, len(x), self.chunk_rows):
            rows = flat(x[start : start + self.chunk_rows])
            yield rows, self._near(self._compared(rows))

    def _ways(self, x: Array, near: NDArray[np.intp]) -> Floats:
        """From rows x (n, d), as they are compared, to their neighbours (n, k, d)."""
        return np.asarray(x[:, None].astype(np.float64) - self.index_rows_[near])

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        x = self._compared(x)
        if self.settings_.metric not in _BY_PRODUCTS:
            return {"distance": self._index.kneighbors(x.astype(self.index_rows_.dtype))[0].mean(1, dtype=np.float64)}
        # Found by products, which lose the digits of what is near, and measured one by one: a known row is at 0.
        return {"distance": np.linalg.norm(self._ways(x, self._near(x)), axis=2).mean(1)}
