"""Gaussian: Mahalanobis distance to the mean of the training rows, with a shrunken covariance (Ledoit and Wolf, 2004).

The covariance of n rows of d values is hardly known where d is not far below n, as for feature vectors of images. Ledoit and
Wolf mix it with a multiple of the identity, (1 - s) S + s mu I, where mu is the mean variance, and estimate the best s from
the rows. A negative log-likelihood is half the squared distance up to a constant.

Departures: the covariance is kept as the principal components of S, of which there are at most n, so that images need no
matrix of all pairs of pixels; no variance is below a thousandth of mu, since columns that never change have none.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field
from sklearn.covariance import ledoit_wolf_shrinkage

from egbad.arrays import ArraySpec, State
from egbad.detectors.base import Array, Encoded, Floats, Settings, SklearnDetector, flatten_rows
from egbad.detectors.base.batching import map_chunks
from egbad.explain.explanation import Attribution

_VARIANCE_FLOOR = 1e-3  # as a fraction of the mean variance
_MIN_VARIANCE = 1e-12  # for rows without any variance

# -- formulas ----------------------------------------------------------------------------------------------------------


def shrunken_components(centred: Floats, shrinkage: float) -> tuple[Floats, Floats, float]:
    """Return the components of (1 - s) S + s mu I, their variances, and the variance in all other directions.

    Parameters
    ----------
    centred : ndarray of shape (n, d)
        Rows minus their mean. S is their covariance, and mu the mean of its diagonal.
    shrinkage : float
        s, in [0, 1].

    Returns
    -------
    components : ndarray of shape (min(n, d), d)
    variances : ndarray of shape (min(n, d),)
        At least a thousandth of mu.
    noise : float
        At least a thousandth of mu.
    """
    n, d = centred.shape
    if n < d:
        singular, components = np.linalg.svd(centred, full_matrices=False)[1:]
        variances = singular**2 / n
    else:
        variances, vectors = np.linalg.eigh(centred.T @ centred / n)
        components = vectors.T
    mu = float((centred**2).mean())
    floor = max(_VARIANCE_FLOOR * mu, _MIN_VARIANCE)
    return components, np.maximum((1 - shrinkage) * variances + shrinkage * mu, floor), max(shrinkage * mu, floor)


# -- settings ----------------------------------------------------------------------------------------------------------


class GaussianSettings(Settings):
    """Settings of `Gaussian`."""

    shrinkage: float | None = Field(default=None, ge=0, le=1)


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class Gaussian(SklearnDetector[GaussianSettings]):
    """Squared Mahalanobis distance to the mean of the training rows, with the covariance of Ledoit and Wolf.

    A model of fixed size for normal rows of one kind. Groups of different normal rows need `KNN` or a network.

    Parameters
    ----------
    shrinkage : float, optional
        Weight s of the spherical covariance, in [0, 1]. With 1 all directions count alike. By default the estimate of Ledoit and
        Wolf.
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
    settings_ : GaussianSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    learned_ : dict of str to ndarray
        Mean, components of the covariance, their variances, and the variance "noise" in all other directions.

    References
    ----------
    Ledoit, Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices", Journal of Multivariate Analysis,
    2004.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import Gaussian
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> Gaussian(alpha=0.05, random_state=0).fit(X).predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "gaussian"
    exact_shares: ClassVar = True
    parallel_batches: ClassVar[bool] = True
    settings_type: ClassVar = GaussianSettings
    learned_specs: ClassVar = {
        "mean": ArraySpec("float64", ("n_values",)),
        "components": ArraySpec("float64", ("n_components", "n_values")),
        "variances": ArraySpec("float64", ("n_components",), low=_MIN_VARIANCE),
        "noise": ArraySpec("float64", low=_MIN_VARIANCE),
    }
    tunable: ClassVar = {"shrinkage": (0.01, 0.1, 0.5)}

    shrinkage: float | None = None

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        mean = x.mean(0)
        centred, shrinkage = x - mean, self.settings_.shrinkage
        if shrinkage is None:
            shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True)) if len(x) > 1 else 1.0
        components, variances, noise = shrunken_components(centred, shrinkage)
        return {"mean": mean, "components": components, "variances": variances, "noise": np.asarray(noise)}

    def _set_learned(self, learned: State) -> None:
        super()._set_learned(learned)
        self._weights = 1 / learned["variances"] - 1 / learned["noise"].item()  # relative to the other directions

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        centred = x - self.learned_["mean"]
        along = ((centred @ self.learned_["components"].T) ** 2 * self._weights).sum(1)
        return {"distance": along + (centred**2).sum(1) / self.learned_["noise"].item()}

    def _attribute(self, x: Encoded) -> Attribution:
        """Attribute the summands of the quadratic form to the columns."""
        centred = flatten_rows(x) - self.learned_["mean"]
        shares = centred * self._precision_times(centred)
        return Attribution(shares.reshape(x.shape), np.zeros(len(x)), self._expected(x), "exact")

    def _expected(self, x: Encoded) -> Array:
        """Return the mean of each column given all others."""
        rows, a = flatten_rows(x), self.learned_
        precision = 1 / a["noise"].item() + (a["components"] ** 2 * self._weights[:, None]).sum(0)  # the diagonal
        return np.asarray(rows - self._precision_times(rows - a["mean"]) / precision).reshape(x.shape)

    def _precision_times(self, centred: Floats) -> Floats:
        """Return the product of the inverse covariance with each of the centred rows (n, d)."""
        components, noise = self.learned_["components"], self.learned_["noise"].item()
        return map_chunks(
            lambda z: z / noise + ((z @ components.T) * self._weights) @ components, centred, self.chunk_rows
        )
