"""Terms of the methods without networks as torch modules."""

import numpy as np
import torch
from torch import Tensor, nn

from egbad.detectors.column_density import MAX_OVERSHOOT, ColumnDensity
from egbad.detectors.column_gap import ColumnGap
from egbad.detectors.feature_bagging import FeatureBagging
from egbad.detectors.gaussian import Gaussian
from egbad.detectors.knn import KNN
from egbad.nn.distances import MIN_NORM
from egbad.scoring.calibration import NegativeLogTail

Terms = dict[str, Tensor]


class TermsGraph(nn.Module):
    """Base class of modules that compute the terms of a score.

    Attributes
    ----------
    reconstructs : bool
        True if `reconstruct` is implemented.
    n_compared : int
        Numbers that one row of input is compared with at the same time.
    """

    reconstructs = False
    n_compared = 1

    def forward(self, x: Tensor) -> Terms:
        """Return the terms, each (n,) in double precision, of input (n, ...)."""
        raise NotImplementedError

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the encoded reconstruction (n, ...) of encoded input (n, ...)."""
        raise NotImplementedError


class NearestNeighbourTerms(TermsGraph):
    """Mean distance to the k nearest training rows.

    The neighbours are found by a matrix product; their distances are computed from differences, which is more accurate.

    Parameters
    ----------
    detector : KNN
    """

    rows: Tensor
    squared_norms: Tensor
    whitening: Tensor | None
    neighbour_distance: Tensor | None

    def __init__(self, detector: KNN) -> None:
        super().__init__()
        self.standardize = detector.settings_.metric == "correlation"
        self.score_type = detector.settings_.score_type
        rows = detector.index_rows_.astype(np.float64)
        self.k, self.n_compared = min(detector.settings_.n_neighbors, len(rows)), len(rows)
        self.register_buffer("rows", torch.from_numpy(rows))
        self.register_buffer("squared_norms", torch.from_numpy((rows**2).sum(1)))
        learned = {name: detector.learned_.get(name) for name in ("whitening", "neighbour_distance")}
        for name, array in learned.items():
            self.register_buffer(name, None if array is None else torch.from_numpy(array))

    def forward(self, x: Tensor) -> Terms:
        """Return the distance (n,) of encoded input (n, ...), or its ratio to that of the neighbours."""
        x = x.flatten(1).double()
        if self.whitening is not None:
            x = x @ self.whitening
        if self.standardize:
            x = x - x.mean(1, keepdim=True)
            x = x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp(min=MIN_NORM)
        nearest = torch.topk(2 * x @ self.rows.T - self.squared_norms, self.k, dim=1).indices  # (n, k)
        distance = torch.linalg.vector_norm(x[:, None] - self.rows[nearest], dim=2).mean(1)
        usual = 1.0 if self.neighbour_distance is None else self.neighbour_distance[nearest].mean(1)
        return {self.score_type: distance / usual}


class GaussianTerms(TermsGraph):
    """Squared Mahalanobis distance.

    Parameters
    ----------
    detector : Gaussian
    """

    mean: Tensor
    components: Tensor
    weights: Tensor

    def __init__(self, detector: Gaussian) -> None:
        super().__init__()
        learned = detector.learned_
        self.noise = learned["noise"].item()
        self.register_buffer("mean", torch.from_numpy(learned["mean"]))
        self.register_buffer("components", torch.from_numpy(learned["components"].T.copy()))
        self.register_buffer("weights", torch.from_numpy(1 / learned["variances"] - 1 / self.noise))

    def forward(self, x: Tensor) -> Terms:
        """Return the distance (n,) of encoded input (n, ...)."""
        centred = x.flatten(1).double() - self.mean
        along = ((centred @ self.components) ** 2 * self.weights).sum(1)
        return {"distance": along + (centred**2).sum(1) / self.noise}


class NegativeLogTailGraph(nn.Module):
    """`NegativeLogTail` as a torch module, times a weight.

    Parameters
    ----------
    tail : NegativeLogTail
    weight : float
    """

    values: Tensor
    p: Tensor

    def __init__(self, tail: NegativeLogTail, weight: float) -> None:
        super().__init__()
        self.register_buffer("values", torch.from_numpy(tail.values))
        self.register_buffer("p", torch.from_numpy(tail.p))
        self.tail_start, self.scale, self.weight = tail.tail_start, tail.scale, weight
        self.at_tail_start = -float(np.log(tail.tail_start_p))

    def forward(self, scores: Tensor) -> Tensor:
        """Transform scores (n,) -> (n,)."""
        values, p = self.values, self.p
        last = len(values) - 1
        n_at_most = (scores[:, None] >= values).sum(1)
        left, right = (n_at_most - 1).clamp(0, last), n_at_most.clamp(0, last)
        width = values[right] - values[left]  # 0 below the first value and above the last
        fraction = ((scores - values[left]) / torch.where(width > 0, width, 1.0)).clamp(0, 1)
        within = -torch.log(p[left] + fraction * (p[right] - p[left]))
        beyond = self.at_tail_start + (scores - self.tail_start) / self.scale
        return self.weight * torch.where(scores > self.tail_start, beyond, within)


class FeatureBaggingTerms(TermsGraph):
    """Distances to the nearest training row in subsets of the columns.

    Parameters
    ----------
    detector : FeatureBagging
    """

    rows: Tensor

    def __init__(self, detector: FeatureBagging) -> None:
        super().__init__()
        learned = detector.learned_
        self.register_buffer("rows", torch.from_numpy(learned["rows"].astype(np.float64)))
        self.n_compared = len(self.rows)
        self.columns = [np.flatnonzero(subset).tolist() for subset in learned["subsets"]]
        self.epsilon = learned["epsilon"].item()
        self.by_log = detector.settings_.combination == "log"
        self.tails = nn.ModuleList([NegativeLogTailGraph(tail, 1.0) for tail in detector.tails_])

    def forward(self, x: Tensor) -> Terms:
        """Return the combined distance (n,) of encoded input (n, ...)."""
        x = x.flatten(1).double()
        distances = [self._nearest(x[:, columns], self.rows[:, columns]) for columns in self.columns]
        if self.by_log:
            return {"distance": torch.stack([torch.log1p(d / self.epsilon) for d in distances]).mean(0)}
        tails: Tensor = torch.stack([tail(d) for tail, d in zip(self.tails, distances, strict=True)])
        return {"distance": (tails**4).mean(0) ** 0.25}

    @staticmethod
    def _nearest(x: Tensor, rows: Tensor) -> Tensor:
        """Return the distance (n,) of x (n, d) to the nearest of rows (m, d)."""
        nearest = torch.topk(2 * x @ rows.T - (rows**2).sum(1), 1, dim=1).indices[:, 0]
        distances: Tensor = torch.linalg.vector_norm(x - rows[nearest], dim=1)
        return distances


class ColumnGapTerms(TermsGraph):
    """Largest gap to the training values of a column.

    Parameters
    ----------
    detector : ColumnGap
    """

    values: Tensor
    unit: Tensor

    def __init__(self, detector: ColumnGap) -> None:
        super().__init__()
        self.register_buffer("values", torch.from_numpy(detector.learned_["values"].astype(np.float64)))
        self.register_buffer("unit", torch.from_numpy(detector.learned_["unit"]))
        self.n_compared = self.values.numel()

    def forward(self, x: Tensor) -> Terms:
        """Return the gap (n,) of encoded input (n, ...)."""
        x = x.flatten(1).double()
        right = (x[:, None] > self.values).sum(1)
        last = len(self.values) - 1
        above = torch.gather(self.values, 0, right.clamp(max=last))
        below = torch.gather(self.values, 0, (right - 1).clamp(min=0))
        gaps = torch.minimum((x - above).abs(), (x - below).abs()) / self.unit
        return {"gap": gaps.amax(1)}


class ColumnDensityTerms(TermsGraph):
    """Largest negative log density of a column.

    Parameters
    ----------
    detector : ColumnDensity
    """

    knots: Tensor
    inside: Tensor
    outside: Tensor
    last: Tensor
    is_discrete: Tensor
    deviation: Tensor
    tolerance: Tensor
    grows: Tensor
    lower: Tensor

    def __init__(self, detector: ColumnDensity) -> None:
        super().__init__()
        learned = detector.learned_
        is_padding = np.arange(len(learned["knots"]))[:, None] > learned["last"]
        arrays = {
            "knots": learned["knots"],
            "lower": np.where(is_padding, np.inf, learned["knots"] - detector.tolerance_),
            "inside": detector.inside_,
            "outside": detector.outside_,
            "last": detector.last_bin_,
            "is_discrete": learned["is_discrete"],
            "deviation": detector.deviation_,
            "tolerance": detector.tolerance_,
            "grows": detector.grows_,
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(np.asarray(array)))
        self.n_compared = self.lower.numel()

    def forward(self, x: Tensor) -> Terms:
        """Return the negative log density (n,) of encoded input (n, ...)."""
        x = x.flatten(1).double()
        position = torch.minimum(((x[:, None] >= self.lower).sum(1) - 1).clamp(min=0), self.last)
        at_level = (x - torch.gather(self.knots, 0, position)).abs() <= self.tolerance
        overshoot = torch.maximum(self.knots[0] - x, x - self.knots[-1]).clamp(min=0)
        known = (self.is_discrete & at_level) | (~self.is_discrete & (overshoot == 0))
        beyond = torch.where(self.grows, (overshoot / self.deviation).clamp(max=MAX_OVERSHOOT), 0.0)
        density = torch.where(known, torch.gather(self.inside, 0, position), self.outside + beyond)
        return {"density": density.amax(1)}
