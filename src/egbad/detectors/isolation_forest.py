"""Isolation forest: what few random cuts set apart is strange (Liu et al., 2008)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.ensemble import IsolationForest as ScikitForest

from egbad import model_file
from egbad.detectors.base import Floats, Settings, SklearnDetector


def average_path_length(n: NDArray[Any]) -> Floats:
    """c(n): mean depth at which a search among n rows fails, n (...) -> (...).

    Equation 1 of the paper with the harmonic number by ln(n - 1) + Euler's constant, and 0 and 1 for n = 1 and 2.
    """
    n = np.asarray(n, dtype=np.float64)
    more = np.maximum(n, 3)
    harmonic = np.log(more - 1) + np.euler_gamma
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, 2 * harmonic - 2 * (more - 1) / more))


class IsolationForestSettings(Settings):
    """Every value decided."""

    n_estimators: int = Field(ge=1)
    max_samples: int = Field(ge=2)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return values for encoded rows (d,) or images (c, h, w)."""
    return {"preprocessing": {"range_guard": True}}  # the score stops growing outside the training rows


@dataclass(kw_only=True, eq=False, repr=False)
class IsolationForest(SklearnDetector[IsolationForestSettings]):
    """s(x) = 2^(-E[h(x)] / c(n)) in (0, 1], h the depth at which a tree sets x apart.

    The trees are scikit-learn's; they are kept as the arrays that they are, so that a file needs no pickle.

    Parameters
    ----------
    n_estimators : int
        Trees.
    max_samples : int
        Rows a tree learns from; where there are fewer, all of them.

    References
    ----------
    Liu, Ting, Zhou, "Isolation Forest", ICDM 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import IsolationForest
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = IsolationForest(alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "isolation_forest"
    settings_type: ClassVar = IsolationForestSettings
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"max_samples": (64, 256, 1024), "n_estimators": (100, 300)}

    n_estimators: int = 100
    max_samples: int = 256

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> model_file.Arrays:
        s = self.settings_
        n = min(s.max_samples, len(x))
        forest = ScikitForest(n_estimators=s.n_estimators, max_samples=n, random_state=rng).fit(x)
        trees = [estimator.tree_ for estimator in forest.estimators_]
        size = max(tree.node_count for tree in trees)

        def stack(name: str, fill: float) -> NDArray[Any]:
            return np.stack([np.pad(a := getattr(t, name), (0, size - len(a)), constant_values=fill) for t in trees])

        depth = [_path_lengths(tree) for tree in trees]
        return {
            "left": stack("children_left", -1).astype(np.int32),
            "right": stack("children_right", -1).astype(np.int32),
            "feature": stack("feature", -2).astype(np.int32),
            "threshold": stack("threshold", 0.0),
            "path_length": np.stack([np.pad(d, (0, size - len(d))) for d in depth]),
            "usual": np.asarray(average_path_length(np.array(n))),
        }

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        a = self.learned_
        trees = np.arange(len(a["left"]))
        x = x.astype(np.float32)  # as scikit-learn's trees see it
        node = np.zeros((len(x), len(trees)), dtype=np.int64)
        while True:
            inner = a["left"][trees, node] >= 0
            if not inner.any():
                break
            value = np.take_along_axis(x, np.maximum(a["feature"][trees, node], 0), axis=1)
            goes_left = value <= a["threshold"][trees, node]
            below = np.where(goes_left, a["left"][trees, node], a["right"][trees, node])
            node = np.where(inner, below, node)
        h = a["path_length"][trees, node].mean(1)
        return {"isolation": 2.0 ** (-h / max(a["usual"].item(), 1e-12))}


def _path_lengths(tree: Any) -> Floats:
    """h of every leaf of a tree (nodes,): its depth, and c of the rows that it did not tell apart."""
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # a parent stands before its children
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1
    return depth + average_path_length(tree.n_node_samples)
