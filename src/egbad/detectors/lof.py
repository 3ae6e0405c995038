"""Local outlier factor (Breunig et al., 2000): density around a row compared with the density around its neighbours.

Departures: the neighbours are scikit-learn's and densities are stored as arrays, so that a model file needs no pickle. The
default recipe drops repeated rows, whose density is unbounded.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.neighbors import NearestNeighbors

from egbad.arrays import ArraySpec, State
from egbad.detectors.base import Floats, Settings, SklearnDetector
from egbad.nn.cells import CellIndex
from egbad.nn.neighbors import other_neighbors, search_method

# -- formulas ----------------------------------------------------------------------------------------------------------


def local_reachability_density(distances: Floats, k_distances: Floats) -> Floats:
    """Return one over the mean reachability distance; definition 6 of the paper.

    The reachability distance from a neighbour (definition 5) is max(distance, k-distance of the neighbour). 1e-10 is
    added to the mean, as in scikit-learn, so that the density of coinciding rows is finite.

    Parameters
    ----------
    distances : ndarray of shape (n_samples, n_neighbors)
        Distances to the neighbours.
    k_distances : ndarray of shape (n_samples, n_neighbors)
        Distance of each of these neighbours to its own k-th neighbour.

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    return np.asarray(1 / (np.maximum(distances, k_distances).mean(1) + 1e-10))


# -- settings and recipe -----------------------------------------------------------------------------------------------


class LOFSettings(Settings):
    """Settings of `LOF`."""

    n_neighbors: int = Field(ge=1)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w)."""
    return {"preprocessing": {"drop_duplicates": True}}


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class LOF(SklearnDetector[LOFSettings]):
    """Local outlier factor of new rows among the training rows, as scikit-learn's with ``novelty=True``.

    Keeps every training row.

    Parameters
    ----------
    n_neighbors : int, default=20
        Number of neighbours k; at most one less than the number of training rows.
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
    settings_ : LOFSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    learned_ : dict of str to ndarray
        Training rows, their k-distances and densities.

    References
    ----------
    Breunig, Kriegel, Ng, Sander, "LOF: Identifying Density-Based Local Outliers", SIGMOD 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import LOF
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> LOF(alpha=0.05, random_state=0).fit(X).predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "lof"
    settings_type: ClassVar = LOFSettings
    learned_specs: ClassVar = {
        "rows": ArraySpec("float64", ("n_rows", "n_values")),
        "k_distance": ArraySpec("float64", ("n_rows",), low=0),
        "density": ArraySpec("float64", ("n_rows",), low=0),
    }
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"n_neighbors": (5, 20, 50)}

    n_neighbors: int = 20

    @property
    def pads_chunks(self) -> bool:
        """True if the bits of a score may depend on the number of rows."""
        return not isinstance(self._index, CellIndex)

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        if len(x) == 1:  # a single row has no neighbours
            return {"rows": x, "k_distance": np.zeros(1), "density": np.ones(1)}
        k = min(self.settings_.n_neighbors, len(x) - 1)
        if search_method(*x.shape) == "cells":
            distances, neighbours = other_neighbors(x, k, "cells")
        else:
            distances, neighbours = NearestNeighbors(n_neighbors=k).fit(x).kneighbors()
        k_distance = distances[:, -1]
        density = local_reachability_density(distances, k_distance[neighbours])
        return {"rows": x, "k_distance": k_distance, "density": density}

    def _set_learned(self, learned: State) -> None:
        super()._set_learned(learned)
        rows = learned["rows"]
        self._k = max(1, min(self.settings_.n_neighbors, len(rows) - 1))
        is_large = search_method(*rows.shape) == "cells"
        self._index = CellIndex(rows) if is_large else NearestNeighbors(n_neighbors=self._k).fit(rows)

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        neighbours: NDArray[Any]
        if isinstance(self._index, CellIndex):
            distances, neighbours = self._index.query(x, self._k)
        else:
            distances, neighbours = self._index.kneighbors(x)
        density = local_reachability_density(distances, self.learned_["k_distance"][neighbours])
        return {"factor": self.learned_["density"][neighbours].mean(1) / density}
