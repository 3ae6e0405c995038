"""TODO."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from egbad.detectors.base import Detector

if TYPE_CHECKING:
    pass


# A detector's name, which its file has too -> its class.
_CLASSES = {
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
    "isolation_forest": "IsolationForest",
    "knn": "KNN",
    "lof": "LOF",
    "one_class_svm": "OneClassSVM",
    "pca": "PCA",
}


class _Methods(Mapping[str, type[Detector[Any]]]):
    """Every method by name; its file is imported when it is asked for, so that one model costs no other's imports."""

    def __getitem__(self, name: str) -> type[Detector[Any]]:
        if name not in _CLASSES:
            raise KeyError(name)
        found: type[Detector[Any]] = getattr(import_module(f"egbad.detectors.{name}"), _CLASSES[name])
        return found

    def __contains__(self, name: object) -> bool:
        return name in _CLASSES

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)


METHODS = _Methods()
