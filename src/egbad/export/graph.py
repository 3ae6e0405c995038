"""A fitted detector as one torch module: from raw rows or images to score, terms and reconstruction.

Encoding, guard, every member and, for a blend, every part and its tail are in it. `egbad.export.to_onnx` writes it down.
"""

import copy
from functools import singledispatch
from math import pi
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from egbad.data.column_types import CATEGORY, TIME
from egbad.detectors.adgan import ADGAN
from egbad.detectors.anogan import AnoGAN
from egbad.detectors.base import Detector, Model, TorchDetector
from egbad.detectors.blend import Blend
from egbad.detectors.knn import KNN, MIN_NORM
from egbad.errors import InvalidInputError
from egbad.preprocessing.column_encoder import PERIODS, ColumnEncoder, TableEncoder
from egbad.preprocessing.image_encoder import ImageEncoder
from egbad.preprocessing.range_guard import RangeGuard
from egbad.preprocessing.row_encoder import CENTRED_SCALINGS, ENCODED_LIMIT, UNSCALED_LIMIT, Encoder, RowEncoder
from egbad.scoring.calibration import NegativeLogTail

# -- encoding ----------------------------------------------------------------------------------------------------------


class ExpandedRows(nn.Module):
    """What `Blocks` does, x (n, d) -> (n, width) in double precision, and the way back."""

    def __init__(self, table_encoder: TableEncoder) -> None:
        super().__init__()
        self.columns = table_encoder.columns
        self.stops = [0, *table_encoder.stops.tolist()]
        for j, column in enumerate(self.columns):
            self.register_buffer(f"levels_{j}", torch.from_numpy(column.levels))
            self.register_buffer(f"seen_{j}", torch.from_numpy(column.known_levels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part for j, column in enumerate(self.columns) for part in self._parts(j, column, x)], dim=1)

    def _parts(self, j: int, column: ColumnEncoder, x: Tensor) -> list[Tensor]:
        v = x[:, j : j + 1]
        missing = torch.isnan(v)
        flag = [missing.double()] if column.has_missing else []
        if column.column_type == CATEGORY:
            return [*self._levels(j, column, v, missing.double()), *flag]
        if column.column_type == TIME:
            known = torch.where(missing, torch.zeros_like(v), v)
            turns = torch.cat([2 * pi * torch.remainder(known, period) / period for period in PERIODS], dim=1)
            parts = torch.cat(
                [torch.sin(turns), torch.sin(turns + pi / 2)], dim=1
            )  # not every runtime has cos in double
            return [torch.where(missing, torch.zeros_like(parts) if column.has_missing else torch.nan, parts), *flag]
        return [torch.where(missing, torch.full_like(v, column.fill_value), v) if column.has_missing else v, *flag]

    def _levels(self, j: int, column: ColumnEncoder, v: Tensor, missing: Tensor) -> list[Tensor]:
        def found(codes: Tensor) -> Tensor:
            return (v == codes).double().sum(1, keepdim=True)

        levels, seen = getattr(self, f"levels_{j}"), getattr(self, f"seen_{j}")
        own = [(v == levels).double()] if len(levels) else []
        other = 1 - missing - (found(levels) if len(levels) else 0)
        never = other - other * found(seen) if len(seen) else other * (not column.n_buckets)
        shared = torch.fmod(torch.where(missing > 0, torch.zeros_like(v), v), max(1, column.n_buckets))
        places = torch.arange(column.n_buckets, dtype=torch.float64)
        buckets = [(shared == places).double() * (other - never)] if column.n_buckets else []
        return [*own, *buckets, never if column.has_missing else never + missing]

    def back(self, x: Tensor) -> Tensor:
        """The way back, NaN for what is missing or has no one value."""
        return torch.stack([self._whole(j, column, x) for j, column in enumerate(self.columns)], dim=1)

    def _whole(self, j: int, column: ColumnEncoder, x: Tensor) -> Tensor:
        own = x[:, self.stops[j] : self.stops[j + 1]]
        nothing = torch.full_like(own[:, 0], torch.nan)
        if column.column_type == CATEGORY:
            levels = getattr(self, f"levels_{j}")
            values = torch.cat([levels, levels.new_full((column.width - len(levels),), torch.nan)])
            return values[own.argmax(1)]
        if column.column_type == TIME:
            return nothing
        return torch.where(own[:, 1] > 0.5, nothing, own[:, 0]) if column.has_missing else own[:, 0]


class EncodedRows(nn.Module):
    """What `RowEncoder` does, x (n, d) in double precision -> (n, width), and the way back."""

    log: Tensor
    factor: Tensor
    shift: Tensor
    unseen: Tensor

    def __init__(self, encoder: RowEncoder) -> None:
        super().__init__()
        self.expand = None if encoder.table_encoder is None else ExpandedRows(encoder.table_encoder)
        self.register_buffer("unseen", torch.from_numpy(np.asarray(encoder.missing_values(), dtype=np.float32)))
        self.scaled, self.any_log = encoder.scaling != "none", bool(encoder.log.any())
        # All scaling is one product and one sum, for a row alone every step counts.
        factor, shift = 1 / encoder.span, -encoder.low / encoder.span
        if encoder.scaling in CENTRED_SCALINGS:
            factor, shift = factor / encoder.scale, (shift - encoder.mean) / encoder.scale
        for name, value in {"log": encoder.log, "factor": factor, "shift": shift}.items():
            self.register_buffer(name, torch.from_numpy(np.array(value)))

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.expand is None else self.expand(x)
        return torch.where(torch.isnan(x), self.unseen, self._scaled(x))

    def _scaled(self, x: Tensor) -> Tensor:
        if not self.scaled:
            return x.clamp(-UNSCALED_LIMIT, UNSCALED_LIMIT).float()
        u = torch.where(self.log, torch.log1p(x.clamp(min=0)), x) if self.any_log else x
        return (u * self.factor + self.shift).clamp(-ENCODED_LIMIT, ENCODED_LIMIT).float()

    def back(self, u: Tensor) -> Tensor:
        """The way back, in the user's units."""
        x = (u.double() - self.shift) / self.factor if self.scaled else u.double()
        if self.scaled and self.any_log:
            x = torch.where(self.log, torch.expm1(torch.where(self.log, x, torch.zeros_like(x))), x)
        return x if self.expand is None else self.expand.back(x)


class EncodedImages(nn.Module):
    """What `ImageEncoder` does, x (n, h, w) or (n, c, h, w) -> (n, c, h, w), and the way back."""

    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        self.low, self.high, self.channels = encoder.low, encoder.high, encoder.channels

    def forward(self, x: Tensor) -> Tensor:
        u = (x - float(np.float32(self.low))) * float(np.float32(2 / (self.high - self.low))) - 1.0
        return u if self.channels else u.unsqueeze(1)

    def back(self, u: Tensor) -> Tensor:
        """The way back, in the user's units and shape."""
        x = (u.double() + 1) / 2 * (self.high - self.low) + self.low
        return x if self.channels else x.squeeze(1)


def _encoded(encoder: Encoder) -> EncodedRows | EncodedImages:
    return EncodedRows(encoder) if isinstance(encoder, RowEncoder) else EncodedImages(cast(ImageEncoder, encoder))


# -- terms -------------------------------------------------------------------------------------------------------------


class MeanOfMembers(nn.Module):
    """Terms of a model's members, averaged: encoded x (n, ...) -> each (n,), in double precision."""

    def __init__(self, model: Model[Any]) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).cpu().eval()
        self.members = len(model.generators)
        self.reconstructs = type(model).reconstruct is not Model.reconstruct

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        terms = self.model.score_terms(x.unsqueeze(0).expand(self.members, *x.shape))
        return {name: (v[0] if self.members == 1 else v.double().mean(0)).double() for name, v in terms.items()}

    def rebuilt(self, x: Tensor) -> Tensor:
        """The mean of the members' reconstructions."""
        return self.model.reconstruct(x.unsqueeze(0).expand(self.members, *x.shape)).mean(0)


class Nearest(nn.Module):
    """Mean distance to the k nearest rows, found by products and measured one by one."""

    rows: Tensor
    squares: Tensor

    def __init__(self, detector: KNN) -> None:
        super().__init__()
        self.centred = detector.settings_.metric == "correlation"
        rows = detector.index_rows_.astype(np.float64)
        self.k = min(detector.settings_.n_neighbors, len(rows))
        self.register_buffer("rows", torch.from_numpy(rows))
        self.register_buffer("squares", torch.from_numpy((rows**2).sum(1)))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = x.flatten(1).double()
        if self.centred:
            x = x - x.mean(1, keepdim=True)
            x = x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp(min=MIN_NORM)
        near = torch.topk(2 * x @ self.rows.T - self.squares, self.k, dim=1).indices  # (n, k)
        return {"distance": torch.linalg.vector_norm(x[:, None] - self.rows[near], dim=2).mean(1)}


class Guarded(nn.Module):
    """Terms inside the range of training, and the way there."""

    low: Tensor
    high: Tensor
    score_std: Tensor

    def __init__(self, terms: nn.Module, guard: RangeGuard) -> None:
        super().__init__()
        self.terms = terms
        self.reconstructs = getattr(terms, "reconstructs", False)
        for name, value in guard.state().items():
            self.register_buffer(name, torch.from_numpy(np.array(value)))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        inside = torch.minimum(torch.maximum(x, self.low), self.high)
        excess = (x.double() - inside.double()).abs().sum(1)
        return {**self.terms(inside), "range_penalty": self.score_std * excess}

    def rebuilt(self, x: Tensor) -> Tensor:
        """As of the terms: a reconstruction has no guard."""
        return self.terms.rebuilt(x)  # type: ignore[operator, no-any-return]


class OnScale(nn.Module):
    """What `calibration.NegativeLogTail` does, scores (n,) -> (n,)."""

    values: Tensor
    p: Tensor

    def __init__(self, tail: NegativeLogTail, weight: float) -> None:
        super().__init__()
        self.register_buffer("values", torch.from_numpy(tail.values))
        self.register_buffer("p", torch.from_numpy(tail.p))
        self.start, self.from_start, self.scale = tail.tail_start, -float(np.log(tail.tail_start_p)), tail.scale
        self.weight = weight

    def forward(self, scores: Tensor) -> Tensor:
        values, p = self.values, self.p
        last = len(values) - 1
        above = (scores[:, None] >= values).sum(1)  # of how many known ones it is no lower
        left, right = (above - 1).clamp(0, last), above.clamp(0, last)
        width = values[right] - values[left]  # none below the first and above the last
        way = ((scores - values[left]) / torch.where(width > 0, width, 1.0)).clamp(0, 1)
        within = -torch.log(p[left] + way * (p[right] - p[left]))
        beyond = self.from_start + (scores - self.start) / self.scale
        return self.weight * torch.where(scores > self.start, beyond, within)


class Parts(nn.Module):
    """Terms of a blend: each part, from raw input, on the common scale."""

    def __init__(self, blend: Blend) -> None:
        super().__init__()
        whole = sum(blend.weights_.values())
        self.names = list(blend.parts_)
        self.parts = nn.ModuleList([Graph(part) for part in blend.parts_.values()])
        self.scales = nn.ModuleList([
            OnScale(NegativeLogTail(part.calibration_scores_), blend.weights_[name] / whole)
            for name, part in blend.parts_.items()
        ])  # fmt: skip

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {
            name: scale(sum(cast(Graph, part).terms_of(x).values()))
            for name, part, scale in zip(self.names, self.parts, self.scales, strict=True)
        }  # fmt: skip


@singledispatch
def terms_of(detector: Any) -> nn.Module:
    """A module that gives the detector's terms for encoded input.

    Raises
    ------
    InvalidInputError
        When the detector has no graph, in one sentence.
    """
    raise InvalidInputError(
        f"A detector that is exported must have a graph of its own, {type(detector).__name__} has none."
    )


@terms_of.register(TorchDetector)
def _(detector: TorchDetector[Any]) -> nn.Module:
    return MeanOfMembers(detector.model_)


@terms_of.register(KNN)
def _(detector: KNN) -> nn.Module:
    if detector.settings_.metric not in ("euclidean", "correlation"):
        raise InvalidInputError(
            f"KNN is exported with the metric euclidean or correlation, got '{detector.settings_.metric}'."
        )
    return Nearest(detector)


@terms_of.register(Blend)
def _(detector: Blend) -> nn.Module:
    return Parts(detector)


@terms_of.register(AnoGAN)
@terms_of.register(ADGAN)
def _(detector: Any) -> nn.Module:
    raise InvalidInputError(
        f"{type(detector).__name__} can't be exported: it searches for the latent of every row, which no fixed graph does. "
        "Use FAnoGAN or EGBAD."
    )


# -- the graph ---------------------------------------------------------------------------------------------------------


class Graph(nn.Module):
    """Raw x (n, ...) -> score (n,), every term (n,), and the reconstruction where there is one."""

    def __init__(self, detector: Detector[Any]) -> None:
        super().__init__()
        terms = terms_of(detector)
        self.terms = Guarded(terms, detector.range_guard_) if detector.range_guard_ else terms
        self.encode = nn.Identity() if isinstance(detector, Blend) else _encoded(detector.encoder_)
        self.reconstructs = getattr(self.terms, "reconstructs", False)

    def terms_of(self, x: Tensor) -> dict[str, Tensor]:
        """Terms by name."""
        return cast(dict[str, Tensor], self.terms(self.encode(x)))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        encoded = self.encode(x)
        terms = self.terms(encoded)
        found = (sum(terms.values()), *terms.values())
        return (*found, self.encode.back(self.terms.rebuilt(encoded))) if self.reconstructs else found  # type: ignore[operator]
