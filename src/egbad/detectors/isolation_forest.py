"""Isolation forest (Liu et al., 2008): random cuts isolate anomalies after few steps.

The score is equation 2 of the paper, s(x) = 2^(-E[h(x)] / c(n)), with h(x) the depth at which a tree isolates x.

Departures: the trees are scikit-learn's and are stored as arrays, so that a model file needs no pickle. Outside the range of
the training rows the score no longer grows, so the default recipe has a range guard.
"""

from dataclasses import dataclass
from math import ceil, log2, prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.ensemble import IsolationForest as ScikitForest

from egbad.arrays import ArraySpec, State
from egbad.detectors.base import Floats, Settings, SklearnDetector
from egbad.errors import InvalidEntryError

_MAX_DEPTH = 64  # of a tree that cuts more rows than any machine holds

# -- formulas ----------------------------------------------------------------------------------------------------------


def average_path_length(n: NDArray[Any]) -> Floats:
    """Return c(n), the mean depth of an unsuccessful search in a binary tree of n rows; equation 1 of the paper.

    The harmonic number is approximated by ln(n - 1) plus Euler's constant. c(1) = 0 and c(2) = 1.

    Parameters
    ----------
    n : ndarray of int

    Returns
    -------
    ndarray
        Of the shape of `n`.
    """
    n = np.asarray(n, dtype=np.float64)
    at_least_3 = np.maximum(n, 3)
    harmonic = np.log(at_least_3 - 1) + np.euler_gamma
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, 2 * harmonic - 2 * (at_least_3 - 1) / at_least_3))


def leaf_path_lengths(tree: Any) -> Floats:
    """Return h of every node of a tree: its depth, plus c of the number of training rows that end there.

    Parameters
    ----------
    tree : sklearn.tree._tree.Tree

    Returns
    -------
    ndarray of shape (n_nodes,)
    """
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # parents come before their children
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1
    return depth + average_path_length(tree.n_node_samples)


def check_trees(left: NDArray[np.int32], right: NDArray[np.int32], max_depth: int) -> None:
    """Check that the path of every row through stored trees ends.

    Parameters
    ----------
    left, right : ndarray of int of shape (n_trees, n_nodes)
        Children of each node; -1 for a leaf. Node 0 is the root.
    max_depth : int
        Largest number of steps from the root to a leaf.

    Raises
    ------
    InvalidEntryError
        If a child does not exist or a path is longer.
    """
    n_nodes, is_inner = left.shape[1], left >= 0
    for name, children in (("left", left), ("right", right)):
        if (children >= n_nodes).any() or ((children >= 0) != is_inner).any():
            raise InvalidEntryError(name, f"must hold two of {n_nodes} nodes for each inner node, and -1 for each leaf")
    reached = np.zeros(left.shape, dtype=np.bool_)
    reached[:, 0] = True
    for _ in range(max_depth + 1):
        trees, nodes = np.nonzero(reached & is_inner)
        if not len(trees):
            return
        reached = np.zeros_like(reached)
        reached[trees, left[trees, nodes]] = reached[trees, right[trees, nodes]] = True
    raise InvalidEntryError(
        "left", f"must hold trees of depth {max_depth} at most, got a longer path in tree {trees[0]}"
    )


# -- settings and recipe -----------------------------------------------------------------------------------------------


class IsolationForestSettings(Settings):
    """Settings of `IsolationForest`."""

    n_estimators: int = Field(ge=1)
    max_samples: int = Field(ge=2)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w)."""
    return {"preprocessing": {"range_guard": True}}


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class IsolationForest(SklearnDetector[IsolationForestSettings]):
    """Isolation forest; the score is 2^(-E[h(x)] / c(n)), in (0, 1].

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees.
    max_samples : int, default=256
        Number of rows that each tree learns from, all of them where there are fewer.
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
        Number of training images that the model keeps, at most 4 MiB of them, drawn at random. Reports show them, and
        explanations compare images with them.
    random_state : int, RandomState, Generator or None, default=None
        Seed of all random numbers. None draws a seed, which `seed_` holds.
    verbose : bool, default=False
        Show a progress bar on a terminal and in a notebook, or lines on stderr.

    Attributes
    ----------
    settings_ : IsolationForestSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    learned_ : dict of str to ndarray
        Trees as arrays of shape (n_estimators, n_nodes).

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
    learned_specs: ClassVar = {
        "left": ArraySpec("int32", ("n_trees", "n_nodes"), low=-1),
        "right": ArraySpec("int32", ("n_trees", "n_nodes"), low=-1),
        "feature": ArraySpec("int32", ("n_trees", "n_nodes"), low=-2),
        "threshold": ArraySpec("float64", ("n_trees", "n_nodes")),
        "path_length": ArraySpec("float64", ("n_trees", "n_nodes"), low=0),
        "average_path_length": ArraySpec("float64", low=0),
    }
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"max_samples": (64, 256, 1024), "n_estimators": (100, 300)}

    n_estimators: int = 100
    max_samples: int = 256

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        s = self.settings_
        n = min(s.max_samples, len(x))
        forest = ScikitForest(n_estimators=s.n_estimators, max_samples=n, random_state=rng).fit(x)
        trees = [estimator.tree_ for estimator in forest.estimators_]
        n_nodes = max(tree.node_count for tree in trees)

        def stack(arrays: list[NDArray[Any]], fill: float) -> NDArray[Any]:
            return np.stack([np.pad(a, (0, n_nodes - len(a)), constant_values=fill) for a in arrays])

        return {
            "left": stack([tree.children_left for tree in trees], -1).astype(np.int32),
            "right": stack([tree.children_right for tree in trees], -1).astype(np.int32),
            "feature": stack([tree.feature for tree in trees], -2).astype(np.int32),
            "threshold": stack([tree.threshold for tree in trees], 0.0),
            "path_length": stack([leaf_path_lengths(tree) for tree in trees], 0.0),
            "average_path_length": np.asarray(average_path_length(np.array(n))),
        }

    def _check_learned(self, learned: State) -> None:
        # scikit-learn grows no tree deeper than this.
        max_depth = ceil(log2(self.settings_.max_samples))
        check_trees(learned["left"], learned["right"], min(max_depth, _MAX_DEPTH))
        feature, d = learned["feature"], prod(self.encoded_shape)
        if (wrong := (feature >= d) | ((feature < 0) & (learned["left"] >= 0))).any():
            tree, node = (int(i) for i in np.argwhere(wrong)[0])
            raise InvalidEntryError(
                "feature", f"must be in [0, {d}), got {feature[tree, node]} in tree {tree}, node {node}"
            )

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        a = self.learned_
        trees = np.arange(len(a["left"]))
        x = x.astype(np.float32)  # the precision in which scikit-learn's trees compare
        node = np.zeros((len(x), len(trees)), dtype=np.int64)
        while True:
            is_inner = a["left"][trees, node] >= 0
            if not is_inner.any():
                break
            value = np.take_along_axis(x, np.maximum(a["feature"][trees, node], 0), axis=1)
            goes_left = value <= a["threshold"][trees, node]
            child = np.where(goes_left, a["left"][trees, node], a["right"][trees, node])
            node = np.where(is_inner, child, node)
        h = a["path_length"][trees, node].mean(1)
        return {"isolation": 2.0 ** (-h / max(a["average_path_length"].item(), 1e-12))}
