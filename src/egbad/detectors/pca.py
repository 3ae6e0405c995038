"""PCA: what a linear map through few components can't rebuild, or what its Gaussian finds unlikely."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from sklearn.decomposition import PCA as ScikitPCA

from egbad import model_file
from egbad.detectors.base import Array, Encoded, Floats, Settings, SklearnDetector, flat
from egbad.explain.explanation import Attribution


class PCASettings(Settings):
    """Every value decided."""

    n_components: int | float = Field(gt=0)
    score_type: Literal["residual", "likelihood"]


@dataclass(kw_only=True, eq=False, repr=False)
class PCA(SklearnDetector[PCASettings]):
    """Squared distance of a row to the space of the first principal components, by scikit-learn's `PCA`.

    Parameters
    ----------
    n_components : int or float
        Components, fewer where there are fewer columns or rows; below 1, the share of variance that they must hold.
    score_type : {"residual", "likelihood"}
        "residual" is |x - x_hat|^2. "likelihood" is -log p(x) of probabilistic PCA, which also sees how far a row lies
        along the components.

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
    parallel_chunks: ClassVar[bool] = True
    settings_type: ClassVar = PCASettings
    tunable: ClassVar = {"n_components": (0.8, 0.9, 0.99)}

    n_components: int | float = 0.9
    score_type: str = "likelihood"

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> model_file.Arrays:
        s = self.settings_
        if len(x) == 1:
            x = np.concatenate([x, x])  # one row varies by nothing, not by 0 / 0
        n = s.n_components if s.n_components < 1 else min(int(s.n_components), *x.shape)
        # Columns that never move have no variance to whiten by.
        with np.errstate(invalid="ignore"):  # where nothing varies it divides 0 by 0, for shares that aren't used
            pca = ScikitPCA(n_components=n, svd_solver="full", random_state=rng).fit(x)
        d = x.shape[1]
        noise = max(pca.noise_variance_, 1e-3 * float(np.mean(pca.explained_variance_)), 1e-12)
        spread = np.maximum(pca.explained_variance_, noise)
        precision = np.eye(d) / noise - (pca.components_.T * (1 / noise - 1 / spread)) @ pca.components_
        log_det = np.log(spread).sum() + (d - len(spread)) * np.log(noise)
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
        """Squared residuals; or of the likelihood the products of its quadratic form, and its constant."""
        a, rows = self.learned_, flat(x)
        centred = rows - a["mean"]
        expected = self._expected(x)
        base = np.zeros(len(x))
        shares = (rows - flat(expected)) ** 2
        if self.settings_.score_type == "likelihood":
            shares = 0.5 * (centred @ a["precision"]) * centred
            base += 0.5 * (rows.shape[1] * np.log(2 * np.pi) + a["log_det"].item())
        return Attribution(shares.reshape(x.shape), base, expected, "exact")

    def _expected(self, x: Encoded) -> Array:
        a = self.learned_
        return np.asarray(a["mean"] + (flat(x) - a["mean"]) @ a["components"].T @ a["components"]).reshape(x.shape)
