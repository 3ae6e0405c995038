"""`METHODS`: every method by name, imported when it is used.

Methods are kept apart from `egbad.detectors.registry` because `Blend` and `Tiled`, which are built from methods, need them
and the registry needs `Blend` and `Tiled`.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from egbad.detectors.base import Detector

# Name of a method and of its module -> name of its class. A new method is a line here.
CLASS_NAMES = {
    "adgan": "ADGAN",
    "alad": "ALAD",
    "anogan": "AnoGAN",
    "bigan": "BiGAN",
    "contrastive": "Contrastive",
    "dagmm": "DAGMM",
    "dsebm": "DSEBM",
    "egbad": "EGBAD",
    "f_anogan": "FAnoGAN",
    "ganomaly": "GANomaly",
    "vae": "VAE",
    "column_density": "ColumnDensity",
    "column_gap": "ColumnGap",
    "feature_bagging": "FeatureBagging",
    "gaussian": "Gaussian",
    "isolation_forest": "IsolationForest",
    "knn": "KNN",
    "lof": "LOF",
    "one_class_svm": "OneClassSVM",
    "patchcore": "PatchCore",
    "pca": "PCA",
}


class LazyMethods(Mapping[str, type[Detector[Any]]]):
    """Mapping from the name of a method to its class.

    A module is imported when its class is looked up, so that using one method does not cost the imports of the others.
    """

    def __getitem__(self, name: str) -> type[Detector[Any]]:
        if name not in CLASS_NAMES:
            raise KeyError(name)
        method: type[Detector[Any]] = getattr(import_module(f"egbad.detectors.{name}"), CLASS_NAMES[name])
        return method

    def __contains__(self, name: object) -> bool:
        return name in CLASS_NAMES

    def __iter__(self) -> Iterator[str]:
        return iter(CLASS_NAMES)

    def __len__(self) -> int:
        return len(CLASS_NAMES)


METHODS = LazyMethods()
