"""Detectors: one method, one file. A new method is a line in `methods.CLASS_NAMES`, and one below for type checkers."""

from typing import TYPE_CHECKING, Any

from egbad.detectors.methods import CLASS_NAMES, METHODS

if TYPE_CHECKING:
    from egbad.detectors.adgan import ADGAN
    from egbad.detectors.alad import ALAD
    from egbad.detectors.anogan import AnoGAN
    from egbad.detectors.bigan import BiGAN
    from egbad.detectors.column_density import ColumnDensity
    from egbad.detectors.column_gap import ColumnGap
    from egbad.detectors.contrastive import Contrastive
    from egbad.detectors.dagmm import DAGMM
    from egbad.detectors.dsebm import DSEBM
    from egbad.detectors.egbad import EGBAD
    from egbad.detectors.f_anogan import FAnoGAN
    from egbad.detectors.feature_bagging import FeatureBagging
    from egbad.detectors.ganomaly import GANomaly
    from egbad.detectors.gaussian import Gaussian
    from egbad.detectors.isolation_forest import IsolationForest
    from egbad.detectors.knn import KNN
    from egbad.detectors.lof import LOF
    from egbad.detectors.one_class_svm import OneClassSVM
    from egbad.detectors.patchcore import PatchCore
    from egbad.detectors.pca import PCA
    from egbad.detectors.vae import VAE


__all__ = [
    "ADGAN",
    "ALAD",
    "DAGMM",
    "DSEBM",
    "EGBAD",
    "KNN",
    "LOF",
    "METHODS",
    "PCA",
    "VAE",
    "AnoGAN",
    "BiGAN",
    "ColumnDensity",
    "ColumnGap",
    "Contrastive",
    "FAnoGAN",
    "FeatureBagging",
    "GANomaly",
    "Gaussian",
    "IsolationForest",
    "OneClassSVM",
    "PatchCore",
]


def __getattr__(name: str) -> Any:
    """Import the class of a method when it is used."""
    for method, class_name in CLASS_NAMES.items():
        if class_name == name:
            return METHODS[method]
    raise AttributeError(f"module 'egbad.detectors' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *CLASS_NAMES.values()})
