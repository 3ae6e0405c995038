"""Principal component analysis: distance to the principal subspace, or likelihood under probabilistic PCA.

Probabilistic PCA (Tipping and Bishop, 1999) is a Gaussian whose covariance is that of the components plus the same noise in
every other direction. Its negative log-likelihood also grows with the distance along the components.

Departures: the components are scikit-learn's; the noise has a floor, since columns that never change have no variance.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from sklearn.decomposition import PCA as ScikitPCA

from egbad.arrays import ArraySpec, State
from egbad.detectors.base import Array, Encoded, Floats, Settings, SklearnDetector, flatten_rows
from egbad.detectors.base.batching import map_chunks
from egbad.explain.explanation import Attribution

_NOISE_FLOOR = 1e-3  # as a fraction of the mean variance of the components

# -- settings ----------------------------------------------------------------------------------------------------------


class PCASettings(Settings):
    """Settings of `PCA`."""

    n_components: int | float = Field(gt=0)
    score_type: Literal["residual", "likelihood"]


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class PCA(SklearnDetector[PCASettings]):
    """Principal component analysis; the score is a squared residual or a negative log-likelihood.

    Parameters
    ----------
    n_components : int or float, default=0.9
        Number of components, at most the number of columns or rows. Below 1: fraction of the variance to explain.
    score_type : {"residual", "likelihood"}, default="likelihood"
        "residual" is ``|x - x_hat|^2``, the squared distance to the space of the components. "likelihood" is -log p(x) of
        probabilistic PCA, which also grows along the components.
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
    settings_ : PCASettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    learned_ : dict of str to ndarray
        Mean, components, and the precision matrix and log-determinant of the Gaussian.

    References
    ----------
    Tipping, Bishop, "Mixtures of Probabilistic Principal Component Analysers", Neural Computation, 1999.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import PCA
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> PCA(alpha=0.05, random_state=0).fit(X).predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "pca"
    exact_shares: ClassVar = True
    parallel_batches: ClassVar[bool] = True
    settings_type: ClassVar = PCASettings
    learned_specs: ClassVar = {
        "mean": ArraySpec("float64", ("n_values",)),
        "components": ArraySpec("float64", ("n_components", "n_values"), empty=True),
        "precision": ArraySpec("float64", ("n_values", "n_values")),
        "log_det": ArraySpec("float64"),
    }
    tunable: ClassVar = {"n_components": (0.8, 0.9, 0.99)}

    n_components: int | float = 0.9
    score_type: str = "likelihood"

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        s = self.settings_
        if len(x) == 1:
            x = np.concatenate([x, x])  # the variance of one row would be 0 / 0
        n = s.n_components if s.n_components < 1 else min(int(s.n_components), *x.shape)
        with np.errstate(invalid="ignore"):  # without any variance, scikit-learn computes unused ratios 0 / 0
            pca = ScikitPCA(n_components=n, svd_solver="full", random_state=rng).fit(x)
        d = x.shape[1]
        noise = max(pca.noise_variance_, _NOISE_FLOOR * float(np.mean(pca.explained_variance_)), 1e-12)
        variances = np.maximum(pca.explained_variance_, noise)
        precision = np.eye(d) / noise - (pca.components_.T * (1 / noise - 1 / variances)) @ pca.components_
        log_det = np.log(variances).sum() + (d - len(variances)) * np.log(noise)
        return {
            "mean": pca.mean_,
            "components": pca.components_,
            "precision": precision,
            "log_det": np.asarray(log_det),
        }

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        a = self.learned_
        centred = x - a["mean"]
        if self.settings_.score_type == "residual":
            return {"residual": ((centred - centred @ a["components"].T @ a["components"]) ** 2).sum(1)}
        constant = x.shape[1] * np.log(2 * np.pi) + a["log_det"].item()
        return {"likelihood": 0.5 * (((centred @ a["precision"]) * centred).sum(1) + constant)}

    def _attribute(self, x: Encoded) -> Attribution:
        """Attribute squared residuals exactly, or the summands of the likelihood's quadratic form."""
        a, rows = self.learned_, flatten_rows(x)
        expected = self._expected(x)
        base = np.zeros(len(x))
        shares = (rows - flatten_rows(expected)) ** 2
        if self.settings_.score_type == "likelihood":
            shares = map_chunks(lambda x: 0.5 * (x @ a["precision"]) * x, rows - a["mean"], self.chunk_rows)
            base += 0.5 * (rows.shape[1] * np.log(2 * np.pi) + a["log_det"].item())
        return Attribution(shares.reshape(x.shape), base, expected, "exact")

    def _expected(self, x: Encoded) -> Array:
        a = self.learned_
        centred = flatten_rows(x) - a["mean"]
        projected = map_chunks(lambda x: x @ a["components"].T @ a["components"], centred, self.chunk_rows)
        return np.asarray(a["mean"] + projected).reshape(x.shape)
