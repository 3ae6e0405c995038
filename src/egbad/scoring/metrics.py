"""How well scores tell anomalies from normals: arrays in, one number out.

Everywhere a higher score is more anomalous, and `anomalous` holds True for an anomaly. These functions are the only
place where labels meet scores.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from egbad.errors import InvalidInputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class TopShare:
    """What the papers' rule "flag the top share of the scored set" gives.

    precision, recall, f1   in [0, 1]; f1 is 0 where no flagged row is an anomaly
    flagged                 rows with a score at or above the threshold
    ties                    rows beside the first whose score equals the threshold: how many the rule may flag too many
    threshold               the percentile of the scores
    """

    precision: float
    recall: float
    f1: float
    flagged: int
    ties: int
    threshold: float


@dataclass(frozen=True)
class Flags:
    """What a fixed threshold does to held-out rows; a row is flagged when its score is above it.

    flagged, false_alarms, found   rows flagged in all, normals among them, anomalies among them
    normals, anomalies             rows of each kind
    """

    flagged: int
    false_alarms: int
    found: int
    normals: int
    anomalies: int

    @property
    def flagged_share(self) -> float:
        """Flagged rows over all rows, in [0, 1]."""
        return self.flagged / (self.normals + self.anomalies)

    @property
    def false_alarm_rate(self) -> float:
        """Flagged normals over all normals, in [0, 1]."""
        return self.false_alarms / self.normals

    @property
    def recall(self) -> float:
        """Flagged anomalies over all anomalies, in [0, 1]."""
        return self.found / self.anomalies

    @property
    def precision(self) -> float | None:
        """Anomalies among the flagged rows, in [0, 1]; None where nothing is flagged."""
        return self.found / self.flagged if self.flagged else None


def auroc(scores: ArrayLike, anomalous: ArrayLike) -> float:
    """The chance that an anomaly scores above a normal row, ties counting half, in [0, 1]; 0.5 is chance.

    scores (n,) finite, anomalous (n,) bool with both kinds present.

    >>> auroc([0.1, 0.4, 0.3, 0.9], [False, False, True, True])
    0.75
    """
    s, y = checked(scores, anomalous)
    return float(roc_auc_score(y, s))


def average_precision(scores: ArrayLike, anomalous: ArrayLike) -> float:
    """Precision averaged over the recall gained at each threshold, in (0, 1]; the base rate is chance.

    A sum of steps, not the trapezoid under the precision-recall curve, which flatters.
    scores (n,) finite, anomalous (n,) bool with both kinds present.

    >>> average_precision([0.1, 0.2, 0.9], [False, True, True])
    1.0
    """
    s, y = checked(scores, anomalous)
    return min(1.0, float(average_precision_score(y, s)))  # rounding may end a hair above 1


def trapezoid_precision(scores: ArrayLike, anomalous: ArrayLike) -> float:
    """The area under straight lines between points of the precision-recall curve, in (0, 1]: what the papers' code does.

    It flatters: no threshold reaches the points in between. To set beside published figures, not to rely on.

    >>> trapezoid_precision([0.1, 0.2, 0.9], [False, True, True])
    1.0
    """
    s, y = checked(scores, anomalous)
    precision, recall, _ = precision_recall_curve(y, s)
    return min(1.0, float(auc(recall, precision)))


def base_rate(anomalous: ArrayLike) -> float:
    """The share of anomalies, in [0, 1]. Average precision means nothing without it.

    >>> base_rate([True, False, False, False])
    0.25
    """
    y = _checked_labels(anomalous)
    if not len(y):
        raise InvalidInputError("A base rate needs at least one row, got none. Pass the labels of the test rows.")
    return float(y.mean())


def average_precision_bounds(base_rate: float) -> tuple[float, float]:
    """The least average precision that any ranking can have at this base rate p, and that of chance.

    1 + (1 - p) ln(1 - p) / p for many rows, a lower bound for few; chance is p. A published figure below the first
    was measured at another base rate.

    >>> low, chance = average_precision_bounds(0.331)
    >>> round(low, 3), chance
    (0.188, 0.331)
    """
    p = base_rate
    if not 0 < p < 1:
        raise InvalidInputError(f"base_rate must be in (0, 1), got {p}. Average precision needs both kinds of rows.")
    # The difference of two nearly equal terms: for tiny p the series p/2 + p^2/6 keeps digits that the formula loses.
    low = p / 2 + p * p / 6 if p < 1e-5 else 1 + (1 - p) * math.log1p(-p) / p
    return low, p


def top_share(scores: ArrayLike, anomalous: ArrayLike, share: float = 0.2) -> TopShare:
    """Precision, recall and F1 when the `share` of highest scores is flagged, as DAGMM, EGBAD and ALAD report KDD99.

    The threshold is percentile(scores, 100 (1 - share)) of the very set that is scored, and a row at or above it is
    flagged, so that ties at the threshold flag more than the share. A benchmark's rule: it needs to know how many
    anomalies there are.

    scores (n,) finite, anomalous (n,) bool with both kinds present, share in (0, 1).

    >>> top_share([1.0, 2.0, 3.0, 4.0, 5.0], [False, False, False, False, True]).precision
    1.0
    """
    if not 0 < share < 1:
        raise InvalidInputError(f"share must be in (0, 1), got {share}. For the top 20 percent pass 0.2.")
    s, y = checked(scores, anomalous)
    threshold = float(np.percentile(s, 100 * (1 - share)))
    flagged = s >= threshold
    found, n_flagged = int((flagged & y).sum()), int(flagged.sum())
    precision, recall = found / n_flagged, found / int(y.sum())
    return TopShare(
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if found else 0.0,
        flagged=n_flagged,
        ties=max(int((s == threshold).sum()) - 1, 0),
        threshold=threshold,
    )


def flags(scores: ArrayLike, anomalous: ArrayLike, threshold: float) -> Flags:
    """Count what a threshold that was set before, on normals alone, does to held-out rows.

    scores (n,) finite, anomalous (n,) bool with both kinds present, threshold finite; a score above it is a flag.

    >>> flags([0.1, 0.6, 0.9], [False, False, True], threshold=0.5).false_alarm_rate
    0.5
    """
    if not math.isfinite(threshold):
        raise InvalidInputError(f"threshold must be a finite number, got {threshold}. Fit the detector first.")
    s, y = checked(scores, anomalous)
    flagged = s > threshold
    return Flags(
        flagged=int(flagged.sum()),
        false_alarms=int((flagged & ~y).sum()),
        found=int((flagged & y).sum()),
        normals=int((~y).sum()),
        anomalies=int(y.sum()),
    )


def per_region_overlap(scores: ArrayLike, masks: ArrayLike, limit: float = 0.3) -> float:
    """How much of each defect is covered, whatever its size: PRO (Bergmann et al., 2020, arXiv:1911.02357), in [0, 1].

    For every threshold the share of each connected region's pixels that lie above it, averaged over regions; the area
    under that curve over the share of sound pixels above the threshold, up to `limit`, divided by it. Chance is limit / 2.

    scores (n, h, w) finite, masks (n, h, w) bool with pixels of both kinds, limit in (0, 1].

    >>> per_region_overlap([[[0.0, 0.1, 0.9]]], [[[False, False, True]]])
    1.0
    """
    from scipy.ndimage import label

    if not 0 < limit <= 1:
        raise InvalidInputError(f"limit must be in (0, 1], got {limit}.")
    places = np.asarray(masks)
    s, y = checked(np.asarray(scores).ravel(), places.ravel())
    eight = np.ones((3, 3))  # pixels that touch at corners belong together
    weights = np.zeros(places.shape)
    regions = 0
    for i, mask in enumerate(places):
        labels, found = label(mask, eight)
        sizes = np.bincount(labels.ravel(), minlength=found + 1)
        weights[i][mask] = 1 / sizes[labels[mask]]
        regions += found
    order = np.argsort(-s, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(s[order])), len(s) - 1]  # of each group of ties
    covered = np.r_[0, weights.ravel()[order].cumsum()[last] / regions]
    false_alarms = np.r_[0, (~y[order]).cumsum()[last] / (~y).sum()]
    end = float(np.interp(limit, false_alarms, covered))
    inside = false_alarms < limit
    return float(auc(np.r_[false_alarms[inside], limit], np.r_[covered[inside], end]) / limit)


def checked(scores: ArrayLike, anomalous: ArrayLike) -> tuple[Floats, Bools]:
    """`scores` (n,) as float64 and `anomalous` (n,) as bool, or an error that says what is wrong with them."""
    s, y = np.asarray(scores, dtype=np.float64), _checked_labels(anomalous)
    if s.ndim != 1 or s.shape != y.shape:
        raise InvalidInputError(
            f"scores and anomalous must be one-dimensional and equally long, got shapes {s.shape} and {y.shape}."
        )
    if not np.isfinite(s).all():
        first = int(np.flatnonzero(~np.isfinite(s))[0])
        raise InvalidInputError(f"scores must be finite, got {s[first]} in row {first}. Check the data and the model.")
    if not y.any() or y.all():
        kind = "anomalies" if y.any() else "normals"
        raise InvalidInputError(f"The test rows must hold both normals and anomalies, got {len(y)} {kind} only.")
    return s, y


def _checked_labels(anomalous: ArrayLike) -> Bools:
    y = np.asarray(anomalous)
    if y.ndim != 1 or not np.isin(y, (0, 1)).all():
        raise InvalidInputError(
            f"anomalous must be one-dimensional and hold True (anomaly) or False (normal) only, "
            f"got shape {y.shape} of {y.dtype}. Compare your labels with the anomalous one first."
        )
    return y.astype(np.bool_)
