"""Curves, histograms and losses, thinned to the number of points that a page can show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from egbad.arrays import Floats
from egbad.plot.scores import score_bins
from egbad.report.serialization import to_jsonable
from egbad.scoring import metrics
from egbad.scoring.rate_curves import thin_points

MAX_POINTS = 500  # per curve: more than a chart has pixels across
N_BINS = 40


@dataclass(frozen=True)
class Curve:
    """A line through the points (x, y) with ascending x.

    Parameters
    ----------
    x, y : tuple of float
    """

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Histogram:
    """Counts of normal rows and of anomalies per bin of the score.

    Parameters
    ----------
    edges : tuple of float
        Bin i reaches from `edges[i]` to `edges[i + 1]`.
    normals, anomalies : tuple of int
        Number of rows of each kind per bin.
    log : bool
        True if the edges are evenly spaced in log(score).
    """

    edges: tuple[float, ...]
    normals: tuple[int, ...]
    anomalies: tuple[int, ...]
    log: bool


@dataclass(frozen=True)
class Losses:
    """Losses during training.

    Parameters
    ----------
    steps : tuple of float
        Training steps at which the losses were recorded.
    values : mapping of str to tuple of tuple
        `values[name][member][i]` is the loss at `steps[i]`, or None if it was not finite.
    """

    steps: tuple[float, ...]
    values: Mapping[str, tuple[tuple[float | None, ...], ...]]


def rate_curves(scores: Floats, anomalous: NDArray[np.bool_], max_points: int = MAX_POINTS) -> tuple[Curve, Curve]:
    """Compute the ROC curve and the precision-recall curve.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Anomaly scores, higher is more anomalous.
    anomalous : ndarray of bool of shape (n_samples,)
        True for anomalies. Both kinds must be present.
    max_points : int, default=500
        Maximum number of points per curve.

    Returns
    -------
    roc : Curve
        Recall over the false-alarm rate.
    precision_recall : Curve
        Precision over recall.
    """
    false_alarms, roc_recall, _ = roc_curve(anomalous, scores)
    precision, recall, _ = precision_recall_curve(anomalous, scores)
    # scikit-learn adds a last point with recall 0 and precision 1. Use the precision of the highest threshold instead.
    precision[-1] = precision[-2]
    roc = thin_points(false_alarms, roc_recall, max_points)
    precision_recall = thin_points(recall[::-1], precision[::-1], max_points)
    return _curve(*roc), _curve(*precision_recall)


def _curve(x: Floats, y: Floats) -> Curve:
    return Curve(tuple(x.tolist()), tuple(y.tolist()))


def score_histogram(scores: Floats, anomalous: NDArray[np.bool_]) -> Histogram:
    """Count normal rows and anomalies per bin of the score.

    The bins are logarithmic if the highest scores lie far above the median, so that gross anomalies do not press all
    other scores into one bin.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
    anomalous : ndarray of bool of shape (n_samples,)
        True for anomalies, or for flagged rows where labels are unknown.

    Returns
    -------
    Histogram
    """
    edges, log = score_bins(scores, N_BINS)
    normals, anomalies = np.histogram(scores[~anomalous], edges)[0], np.histogram(scores[anomalous], edges)[0]
    return Histogram(tuple(edges.tolist()), tuple(normals.tolist()), tuple(anomalies.tolist()), log)


def loss_curves(history: Mapping[str, ArrayLike]) -> Losses:
    """Thin the losses of a detector's `history_`.

    Parameters
    ----------
    history : mapping
        "step" of shape (n_records,), and each loss of shape (n_records,) or (n_records, n_members). May be empty.

    Returns
    -------
    Losses
    """
    losses = {name: np.asarray(values, dtype=np.float64) for name, values in history.items() if name != "step"}
    n = min((len(values) for values in losses.values()), default=0)
    steps = np.asarray(history.get("step", np.arange(n)), dtype=np.float64)
    kept = np.unique(np.linspace(0, n - 1, min(n, MAX_POINTS)).round().astype(int))
    by_member = {name: to_jsonable(v[kept].reshape(len(kept), -1).T) for name, v in losses.items()} if n else {}
    return Losses(
        steps=tuple(steps[kept].tolist()),
        values={name: tuple(tuple(member) for member in members) for name, members in by_member.items()},
    )


def chart_data(scores: ArrayLike, anomalous: ArrayLike, max_points: int = 100) -> dict[str, Any]:
    """Compute the curves and the histogram of scores, rounded for storage as JSON.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Anomaly scores, higher is more anomalous.
    anomalous : array-like of bool of shape (n_samples,)
        True for anomalies. Both kinds must be present.
    max_points : int, default=100
        Maximum number of points per curve.

    Returns
    -------
    dict
        "roc" and "precision_recall" with "x" and "y", and "histogram" with the fields of `Histogram`.

    Raises
    ------
    InvalidInputError
        If scores and labels do not fit together.
    """
    s, y = metrics.check_scores(scores, anomalous)
    roc, precision_recall = rate_curves(s, y, max_points)
    rates = {
        name: {"x": [round(v, 4) for v in curve.x], "y": [round(v, 4) for v in curve.y]}
        for name, curve in (("roc", roc), ("precision_recall", precision_recall))
    }
    histogram = to_jsonable(score_histogram(s, y))
    return rates | {"histogram": histogram | {"edges": [float(f"{edge:.6g}") for edge in histogram["edges"]]}}
