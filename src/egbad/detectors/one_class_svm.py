"""One-class SVM with an RBF kernel (Schoelkopf et al., 2001): exact, or approximated where there are many rows."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import OneClassSVM as ScikitSVM

from egbad import model_file
from egbad.detectors.base import Floats, Settings, SklearnDetector


class OneClassSVMSettings(Settings):
    """Every value decided."""

    nu: float = Field(gt=0, le=1)
    gamma: Literal["scale", "auto"] | float
    max_exact: int = Field(ge=1)
    n_components: int = Field(ge=1)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return values for encoded rows (d,) or images (c, h, w)."""
    return {"preprocessing": {"range_guard": True}}  # the score stops growing outside the training rows


@dataclass(kw_only=True, eq=False, repr=False)
class OneClassSVM(SklearnDetector[OneClassSVMSettings]):
    """Score -sum_i a_i k(x_i, x), k(a, b) = exp(-gamma |a - b|^2), over support vectors x_i.

    Up to `max_exact` training rows this is scikit-learn's exact `OneClassSVM`, whose cost grows with the square of the
    rows. Beyond, the kernel is approximated by `Nystroem` on `n_components` of the rows and the rest is learned by
    `SGDOneClassSVM`; `describe` says which it was, under "kernel".

    Parameters
    ----------
    nu : float
        Bound on the share of training rows left outside, in (0, 1].
    gamma : {"scale", "auto"} or float
        Width of the kernel: 1 / (d var(X)), 1 / d, or the number itself.
    max_exact : int
        Up to how many training rows to solve exactly.
    n_components : int
        Rows that the approximation is built on.

    References
    ----------
    Schoelkopf, Platt, Shawe-Taylor, Smola, Williamson, "Estimating the Support of a High-Dimensional Distribution",
    Neural Computation, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import OneClassSVM
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = OneClassSVM(alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "one_class_svm"
    parallel_chunks: ClassVar[bool] = True
    settings_type: ClassVar = OneClassSVMSettings
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"nu": (0.01, 0.1, 0.5), "gamma": (0.001, 0.01, 0.1)}

    nu: float = 0.1
    gamma: str | float = "scale"
    max_exact: int = 5000
    n_components: int = 500

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> model_file.Arrays:
        s = self.settings_
        gamma = 1 / x.shape[1] if s.gamma == "auto" else s.gamma
        if gamma == "scale":
            gamma = 1 / (x.shape[1] * x.var()) if x.var() > 0 else 1.0
        if len(x) <= s.max_exact:
            svm = ScikitSVM(nu=s.nu, gamma=gamma)
            svm.random_state = rng  # its solver draws, and would do so from the global generator
            svm.fit(x)
            basis, weights = svm.support_vectors_, svm.dual_coef_[0]
        else:
            kernel = Nystroem(gamma=gamma, n_components=s.n_components, random_state=rng)
            mapped = kernel.fit_transform(x)
            svm = SGDOneClassSVM(nu=s.nu, random_state=rng).fit(mapped)
            # A linear function of the map is one of the kernel with the rows it is built on.
            basis, weights = kernel.components_, kernel.normalization_.T @ svm.coef_
        return {"basis": basis, "weights": weights, "gamma": np.asarray(float(gamma))}

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        a = self.learned_
        similar = rbf_kernel(x, a["basis"], gamma=a["gamma"].item())
        return {"distance": -(similar * a["weights"]).sum(1)}

    def describe(self) -> dict[str, Any]:
        """What this detector is and how it came about, JSON-able."""
        exact = self.n_train_ <= self.settings_.max_exact
        return super().describe() | {"kernel": "exact" if exact else f"Nystroem on {len(self.learned_['basis'])} rows"}
