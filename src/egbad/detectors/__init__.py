"""One method, one file. A new one is a line in `all_detectors`."""

import os
from typing import Any

from egbad import persistence
from egbad.base import Detector
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
from egbad.errors import UnreadableFileError, unknown

_ALL = (
    *(ADGAN, ALAD, AnoGAN, BiGAN, Contrastive, DAGMM, DSEBM, EGBAD, FAnoGAN, GANomaly, VAE),
    *(IsolationForest, KNN, LOF, OneClassSVM, PCA),
)


def all_detectors() -> dict[str, type[Detector[Any]]]:
    """Every detector by the name that the command line and model files use."""
    return {detector.name: detector for detector in _ALL}


def create(name: str, **options: Any) -> Detector[Any]:
    """A fresh detector by name.

    Raises
    ------
    InvalidInputError
        For a name or an option that doesn't exist, with the nearest that does.
    """
    detectors = all_detectors()
    if name not in detectors:
        raise unknown("detector", name, detectors)
    known = detectors[name]().get_params(deep=False)
    for option in options:
        if option not in known:
            raise unknown("option", option, known)
    return detectors[name](**options)


def load(path: str | os.PathLike[str]) -> Detector[Any]:
    """Read a fitted detector from a file that `save` wrote. It never runs code from the file.

    Raises
    ------
    UnreadableFileError
        When the file is missing, no model, damaged, of a newer format or of an unknown detector.
    """
    manifest, arrays = persistence.read(path)
    detectors = all_detectors()
    if manifest.detector not in detectors:
        raise UnreadableFileError(
            f"{path} holds a detector '{manifest.detector}' that this release doesn't have. Upgrade egbad or fit again."
        )
    return detectors[manifest.detector].from_file(manifest, arrays)
