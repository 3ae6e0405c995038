"""One method, one file. A new one is a line in `_CLASSES`, and one for type checkers."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from egbad.base import Detector

if TYPE_CHECKING:
    from egbad.detectors.adgan import ADGAN
    from egbad.detectors.alad import ALAD
    from egbad.detectors.anogan import AnoGAN
    from egbad.detectors.bigan import BiGAN
    from egbad.detectors.contrastive import Contrastive
    from egbad.detectors.dagmm import DAGMM
    from egbad.detectors.dsebm import DSEBM
    from egbad.detectors.egbad import EGBAD
    from egbad.detectors.f_anogan import FAnoGAN
    from egbad.detectors.ganomaly import GANomaly
    from egbad.detectors.isolation_forest import IsolationForest
    from egbad.detectors.knn import KNN
    from egbad.detectors.lof import LOF
    from egbad.detectors.one_class_svm import OneClassSVM
    from egbad.detectors.pca import PCA
    from egbad.detectors.vae import VAE

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
    "Contrastive",
    "FAnoGAN",
    "GANomaly",
    "IsolationForest",
    "OneClassSVM",
]


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


def __getattr__(name: str) -> Any:
    """The classes, imported when they are asked for."""
    for method, its_class in _CLASSES.items():
        if its_class == name:
            return METHODS[method]
    raise AttributeError(f"module 'egbad.detectors' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_CLASSES.values()})
