"""One method, one file. A new one is a line in `METHODS`."""

from typing import Any

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

METHODS: dict[str, type[Detector[Any]]] = {
    detector.name: detector
    for detector in (
        *(ADGAN, ALAD, AnoGAN, BiGAN, Contrastive, DAGMM, DSEBM, EGBAD, FAnoGAN, GANomaly, VAE),
        *(IsolationForest, KNN, LOF, OneClassSVM, PCA),
    )
}
