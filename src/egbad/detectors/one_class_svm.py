"""One-class SVM with an RBF kernel (Schoelkopf et al., 2001), exact or approximate depending on the number of rows.

The score is -sum_i a_i k(x_i, x) with k(a, b) = exp(-gamma |a - b|^2) over the support vectors x_i.

Departures: the cost of the exact solution grows with the square of the number of rows. Above `max_exact` rows, scikit-learn's
`Nystroem` approximates the kernel and `SGDOneClassSVM` learns the rest. Outside the range of the training rows the score no
longer grows, so the default recipe has a range guard.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import OneClassSVM as ScikitSVM

from egbad.arrays import ArraySpec, State
from egbad.detectors.base import Floats, Settings, SklearnDetector

# -- settings and recipe -----------------------------------------------------------------------------------------------


class OneClassSVMSettings(Settings):
    """Settings of `OneClassSVM`."""

    nu: float = Field(gt=0, le=1)
    gamma: Literal["scale", "auto"] | float
    max_exact: int = Field(ge=1)
    n_components: int = Field(ge=1)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w)."""
    return {"preprocessing": {"range_guard": True}}


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class OneClassSVM(SklearnDetector[OneClassSVMSettings]):
    """One-class SVM with an RBF kernel.

    Up to `max_exact` training rows this is scikit-learn's exact `OneClassSVM`, above it an approximation. `describe` says
    under "kernel" which of them was used.

    Parameters
    ----------
    nu : float, default=0.1
        Upper bound on the fraction of training rows outside the boundary, in (0, 1].
    gamma : {"scale", "auto"} or float, default="scale"
        Coefficient of the kernel: 1 / (d var(X)), 1 / d, or a number.
    max_exact : int, default=5000
        Largest number of training rows for the exact solution.
    n_components : int, default=500
        Number of training rows that the approximation is built on.
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
    settings_ : OneClassSVMSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    learned_ : dict of str to ndarray
        Support vectors or basis rows, their weights, and gamma.

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
    parallel_batches: ClassVar[bool] = True
    settings_type: ClassVar = OneClassSVMSettings
    learned_specs: ClassVar = {
        "basis": ArraySpec("float64", ("n_basis", "n_values")),
        "weights": ArraySpec("float64", ("n_basis",)),
        "gamma": ArraySpec("float64", low=0),
    }
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"nu": (0.01, 0.1, 0.5), "gamma": (0.001, 0.01, 0.1)}

    nu: float = 0.1
    gamma: str | float = "scale"
    max_exact: int = 5000
    n_components: int = 500

    def _fit_rows(self, x: Floats, rng: np.random.RandomState) -> State:
        s = self.settings_
        gamma = 1 / x.shape[1] if s.gamma == "auto" else s.gamma
        if gamma == "scale":
            gamma = 1 / (x.shape[1] * x.var()) if x.var() > 0 else 1.0
        if len(x) <= s.max_exact:
            svm = ScikitSVM(nu=s.nu, gamma=gamma)
            svm.random_state = rng  # the constructor takes none; the solver would draw from the global generator
            svm.fit(x)
            basis, weights = svm.support_vectors_, svm.dual_coef_[0]
        else:
            kernel = Nystroem(gamma=gamma, n_components=s.n_components, random_state=rng)
            mapped = kernel.fit_transform(x)
            svm = SGDOneClassSVM(nu=s.nu, random_state=rng).fit(mapped)
            # A linear function of the kernel map is a weighted sum of kernels with the basis rows.
            basis, weights = kernel.components_, kernel.normalization_.T @ svm.coef_
        return {"basis": basis, "weights": weights, "gamma": np.asarray(float(gamma))}

    def _score_rows(self, x: Floats) -> dict[str, Floats]:
        a = self.learned_
        kernel = rbf_kernel(x, a["basis"], gamma=a["gamma"].item())
        return {"distance": -(kernel * a["weights"]).sum(1)}

    def describe(self) -> dict[str, Any]:
        """Return what `Detector.describe` returns, and under "kernel" the solution that was used.

        Returns
        -------
        dict of str to object
        """
        is_exact = self.n_train_ <= self.settings_.max_exact
        kernel = "exact" if is_exact else f"Nystroem on {len(self.learned_['basis'])} rows"
        return super().describe() | {"kernel": kernel}
