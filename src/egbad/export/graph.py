"""A fitted detector as one torch module: raw rows or images -> score, terms and reconstruction.

The module contains the encoder, the range guard and all ensemble members; for a blend all parts with their calibration.
`egbad.export.to_onnx` converts it to ONNX.
"""

import copy
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from egbad.detectors.adgan import ADGAN
from egbad.detectors.anogan import AnoGAN
from egbad.detectors.base import Detector, Model, TorchDetector
from egbad.detectors.base.feature_encoder import FeatureEncoder
from egbad.detectors.blend import Blend
from egbad.detectors.column_density import ColumnDensity
from egbad.detectors.column_gap import ColumnGap
from egbad.detectors.feature_bagging import FeatureBagging
from egbad.detectors.gaussian import Gaussian
from egbad.detectors.knn import KNN
from egbad.detectors.patchcore import PatchCore
from egbad.detectors.tiled import Tiled
from egbad.errors import InvalidInputError
from egbad.export.encoder_graph import encoder_graph
from egbad.export.feature_graph import FeatureTerms, PatchCoreTerms
from egbad.export.row_terms import (
    ColumnDensityTerms,
    ColumnGapTerms,
    FeatureBaggingTerms,
    GaussianTerms,
    NearestNeighbourTerms,
    NegativeLogTailGraph,
    Terms,
    TermsGraph,
)
from egbad.preprocessing.image_encoder import IdentityEncoder
from egbad.preprocessing.range_guard import RangeGuard


class EnsembleTerms(TermsGraph):
    """Mean of the terms of all members of a model.

    Parameters
    ----------
    model : Model
        Copied to the CPU.
    """

    def __init__(self, model: Model[Any]) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).cpu().eval()
        self.n_members = len(model.generators)
        self.reconstructs = type(model).reconstruct is not Model.reconstruct

    def forward(self, x: Tensor) -> Terms:
        """Return the mean terms, each (n,), of encoded input (n, ...)."""
        terms = self.model.score_terms(self._for_members(x))
        return {name: (v[0] if self.n_members == 1 else v.double().mean(0)).double() for name, v in terms.items()}

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the mean reconstruction of the members."""
        return self.model.reconstruct(self._for_members(x)).mean(0)

    def _for_members(self, x: Tensor) -> Tensor:
        return x.unsqueeze(0).expand(self.n_members, *x.shape)


class GuardedTerms(TermsGraph):
    """Terms of input clipped to the range of the training rows, and the penalty for the distance to that range.

    Parameters
    ----------
    terms : TermsGraph
    guard : RangeGuard
    """

    low: Tensor
    high: Tensor
    score_std: Tensor

    def __init__(self, terms: TermsGraph, guard: RangeGuard) -> None:
        super().__init__()
        self.terms = terms
        self.reconstructs, self.n_compared = terms.reconstructs, terms.n_compared
        for name, value in guard.state().items():
            self.register_buffer(name, torch.from_numpy(np.array(value)))

    def forward(self, x: Tensor) -> Terms:
        """Return the terms, each (n,), of encoded rows (n, d)."""
        clipped = torch.minimum(torch.maximum(x, self.low), self.high)
        excess = (x.double() - clipped.double()).abs().sum(1)
        return {**self.terms(clipped), "range_penalty": self.score_std * excess}

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction of encoded rows, which are not clipped."""
        return self.terms.reconstruct(x)


class BlendTerms(TermsGraph):
    """Terms of a blend: the calibrated score of each part. Takes raw input.

    Parameters
    ----------
    blend : Blend
    """

    def __init__(self, blend: Blend) -> None:
        super().__init__()
        total = sum(blend.weights_.values())
        self.weights = {name: weight / total for name, weight in blend.weights_.items()}
        self.combination = blend.settings_.combination
        self.names = list(blend.parts_)
        self.parts = nn.ModuleList([DetectorGraph(part) for part in blend.parts_.values()])
        self.tails = nn.ModuleList([
            NegativeLogTailGraph(blend.tails_[name], 1.0) for name in blend.parts_
        ])  # fmt: skip

    def forward(self, x: Tensor) -> Terms:
        """Return the weighted score (n,) of each part for raw input (n, ...)."""
        parts = zip(self.names, self.parts, self.tails, strict=True)
        tails = {name: tail(sum(part.score_terms(x).values())) for name, part, tail in parts}  # type: ignore[operator]
        if self.combination == "mean":
            return {name: self.weights[name] * values for name, values in tails.items()}
        squares = {name: self.weights[name] * values**2 for name, values in tails.items()}
        score = torch.stack([*squares.values()]).sum(0).sqrt()
        return {name: s / torch.where(score > 0, score, 1.0) for name, s in squares.items()}


class DetectorGraph(nn.Module):
    """A fitted detector as one torch module.

    Parameters
    ----------
    detector : Detector
        Of a `Tiled`, the module takes tiles of images, and `OnnxScorer` cuts them.

    Attributes
    ----------
    reconstructs : bool
        True if `forward` also returns the reconstruction.

    Raises
    ------
    InvalidInputError
        If the detector cannot be written as a graph.
    """

    def __init__(self, detector: Detector[Any]) -> None:
        super().__init__()
        is_tiled = isinstance(detector, Tiled)
        detector = detector.detector_ if isinstance(detector, Tiled) else detector
        terms, encoder = terms_graph(detector), detector.encoder_
        terms = GuardedTerms(terms, detector.range_guard_) if detector.range_guard_ else terms
        self.terms = FeatureTerms(encoder, terms) if isinstance(encoder, FeatureEncoder) else terms
        takes_raw = isinstance(encoder, FeatureEncoder | IdentityEncoder)
        self.encode = nn.Identity() if takes_raw else encoder_graph(encoder)
        self.reconstructs = self.terms.reconstructs and not is_tiled

    def score_terms(self, x: Tensor) -> Terms:
        """Return the terms, each (n,), of raw input (n, ...)."""
        terms: Terms = self.terms(self.encode(x))
        return terms

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return score (n,), every term (n,) and, if there is one, the reconstruction (n, ...) of raw input (n, ...)."""
        encoded = self.encode(x)
        terms = self.terms(encoded)
        outputs = (sum(terms.values()), *terms.values())
        if not self.reconstructs:
            return outputs
        return (*outputs, self.encode.decode(self.terms.reconstruct(encoded)))  # type: ignore[operator]


@singledispatch
def terms_graph(detector: Any) -> TermsGraph:
    """Return a module that computes a detector's terms from encoded input, or from raw input for a blend or PatchCore.

    Parameters
    ----------
    detector : Detector
        Fitted.

    Returns
    -------
    TermsGraph

    Raises
    ------
    InvalidInputError
        If the detector cannot be written as a graph.
    """
    raise InvalidInputError(
        f"{type(detector).__name__} cannot be exported: it has no graph. Use EGBAD, KNN, PatchCore or Blend."
    )


@terms_graph.register(TorchDetector)
def _(detector: TorchDetector[Any]) -> TermsGraph:
    return EnsembleTerms(detector.model_)


@terms_graph.register(KNN)
def _(detector: KNN) -> TermsGraph:
    if detector.settings_.metric not in ("euclidean", "correlation"):
        raise InvalidInputError(
            f"metric must be 'euclidean' or 'correlation' for KNN to be exported, got '{detector.settings_.metric}'."
        )
    return NearestNeighbourTerms(detector)


@terms_graph.register(Gaussian)
def _(detector: Gaussian) -> TermsGraph:
    return GaussianTerms(detector)


@terms_graph.register(PatchCore)
def _(detector: PatchCore) -> TermsGraph:
    return PatchCoreTerms(detector)


@terms_graph.register(FeatureBagging)
def _(detector: FeatureBagging) -> TermsGraph:
    return FeatureBaggingTerms(detector)


@terms_graph.register(ColumnGap)
def _(detector: ColumnGap) -> TermsGraph:
    return ColumnGapTerms(detector)


@terms_graph.register(ColumnDensity)
def _(detector: ColumnDensity) -> TermsGraph:
    return ColumnDensityTerms(detector)


@terms_graph.register(Blend)
def _(detector: Blend) -> TermsGraph:
    return BlendTerms(detector)


@terms_graph.register(AnoGAN)
@terms_graph.register(ADGAN)
def _(detector: Any) -> TermsGraph:
    raise InvalidInputError(
        f"{type(detector).__name__} cannot be exported: it searches for the latent of every row, which a fixed graph "
        "cannot do. Use FAnoGAN or EGBAD."
    )
