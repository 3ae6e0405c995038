"""LOF: how much sparser it is around a row than around its neighbours (Breunig et al., 2000)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.neighbors import NearestNeighbors

from egbad import model_file
from egbad.detectors.base import Floats, Settings, SklearnDetector


def local_reachability_density(distances: Floats, reach: Floats) -> Floats:
    """One over the mean of max(distance to a neighbour, that neighbour's own reach), (n, k), (n, k) -> (n,).

    Definition 6 of the paper; a neighbour's reach is its distance to its k-th neighbour. The guard against rows that
    coincide is scikit-learn's.
    """
    return np.asarray(1 / (np.maximum(distances, reach).mean(1) + 1e-10))


class LOFSettings(Settings):
    """Every value decided."""

    n_neighbors: int = Field(ge=1)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return values for encoded rows (d,) or images (c, h, w)."""
    return {"preprocessing": {"drop_duplicates": True}}  # the density of repeated rows is unbounded


@dataclass(kw_only=True, eq=False, repr=False)
class LOF(SklearnDetector[LOFSettings]):
    """Local outlier factor of new rows among the training rows, as scikit-learn's with `novelty=True`.

    Its neighbours are scikit-learn's; densities are kept as arrays, so that a file needs no pickle. Keeps every
    training row.

    Parameters
    ----------
    n_neighbors : int
        k; where there are no more training rows than that, all but one of them.

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
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"n_neighbors": (5, 20, 50)}

    n_neighbors: int = 20

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> model_file.Arrays:
        if len(x) == 1:  # nobody to compare with
            return {"rows": x, "reach": np.zeros(1), "density": np.ones(1)}
        k = min(self.settings_.n_neighbors, len(x) - 1)
        distances, neighbours = NearestNeighbors(n_neighbors=k).fit(x).kneighbors()
        reach = distances[:, -1]
        return {"rows": x, "reach": reach, "density": local_reachability_density(distances, reach[neighbours])}

    def _set_learned(self, learned: model_file.Arrays) -> None:
        super()._set_learned(learned)
        k = max(1, min(self.settings_.n_neighbors, len(learned["rows"]) - 1))
        self._index = NearestNeighbors(n_neighbors=k).fit(learned["rows"])

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        neighbours: NDArray[Any]
        distances, neighbours = self._index.kneighbors(x)
        density = local_reachability_density(distances, self.learned_["reach"][neighbours])
        return {"factor": self.learned_["density"][neighbours].mean(1) / density}
