"""A report as a value: what was measured, thinned to what a page or a JSON file can carry."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from egbad.report.image_grid import Reconstructions
from egbad.scoring import metrics

FORMAT = 1
POINTS = 500  # at most this many points a curve: what a screen can show, and a JSON file can bear
BINS = 40


@dataclass(frozen=True)
class EvaluationMetrics:
    """The numbers of the table. Rates in [0, 1]; None where a time wasn't taken or nothing was flagged."""

    auroc: float
    average_precision: float
    average_precision_minimum: float
    base_rate: float
    threshold: float
    flagged_share: float
    false_alarm_rate: float
    recall: float
    precision: float | None
    normals: int
    anomalies: int
    flagged: int
    false_alarms: int
    found: int
    fit_seconds: float | None
    scored_per_second: float | None


@dataclass(frozen=True)
class Curve:
    """A line through (x, y), at most 500 points, x ascending."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Histogram:
    """Rows of each kind per bin; bin i reaches from edges[i] to edges[i + 1], evenly spaced in log(score) if `log`."""

    edges: tuple[float, ...]
    normals: tuple[int, ...]
    anomalies: tuple[int, ...]
    log: bool


@dataclass(frozen=True)
class Losses:
    """Losses over training: values[name][member][i] at steps[i]; None where a loss was not a finite number."""

    steps: tuple[float, ...]
    values: Mapping[str, tuple[tuple[float | None, ...], ...]]


@dataclass(frozen=True)
class EvaluationReport:
    """One evaluation of one detector on one set of held-out rows. Made by `evaluation_report`."""

    title: str
    summary: str
    metrics: EvaluationMetrics
    histogram: Histogram
    precision_recall: Curve
    roc: Curve
    losses: Losses
    description: Mapping[str, Any]
    data: Mapping[str, Any]
    command: str
    reconstructions: Reconstructions | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        """What one example is called in the plural: "images" or "rows"."""
        given = self.description.get("input")
        return "images" if isinstance(given, Mapping) and given.get("kind") == "images" else "rows"


def evaluation_report(
    *,
    title: str,
    summary: str,
    description: Mapping[str, Any],
    scores: ArrayLike,
    anomalous: ArrayLike,
    threshold: float,
    history: Mapping[str, ArrayLike],
    fit_seconds: float | None = None,
    score_seconds: float | None = None,
    data: Mapping[str, Any],
    command: str,
    reconstructions: Reconstructions | None = None,
) -> EvaluationReport:
    """Measure held-out scores and put all that a reader needs into one value.

    title, summary   a few words, and one sentence that says what was found
    description         `detector.describe()`
    scores        (n,) anomaly scores of held-out rows, higher is more anomalous
    anomalous     (n,) True for an anomaly; both kinds must be there
    threshold     `detector.threshold_`; a row is flagged when its score is above it
    history       `detector.history_`: "step" (r,), each loss (r,) or (r, K) for K members; may be empty
    timings       {"fit": ..., "score": ...}, either may be missing; "score" is the time for all n rows
    data          name, digest, counts: whatever tells which data this was
    command       how to make the report again
    pictures      for image data, a few images with their reconstructions

    Raises InvalidInputError where scores, labels and threshold don't fit together.
    """
    s, y = metrics.checked(scores, anomalous)
    roc, precision_recall = _curves(s, y)
    return EvaluationReport(
        title=title,
        summary=summary,
        metrics=_measures(s, y, threshold, fit_seconds, score_seconds),
        histogram=histogram_of(s, y),
        precision_recall=precision_recall,
        roc=roc,
        losses=losses_of(history),
        description=to_jsonable(description),
        data=to_jsonable(data),
        command=command,
        reconstructions=reconstructions,
    )


def curves_of(scores: ArrayLike, anomalous: ArrayLike, points: int = 100) -> dict[str, Any]:
    """Histogram, ROC and precision-recall curve of scores (n,), JSON-able, as fine as a chart shows them."""
    s, y = metrics.checked(scores, anomalous)
    roc, precision_recall = _curves(s, y, points)
    rates = {
        name: {"x": [round(v, 4) for v in curve.x], "y": [round(v, 4) for v in curve.y]}
        for name, curve in (("roc", roc), ("precision_recall", precision_recall))
    }
    histogram = to_jsonable(histogram_of(s, y))
    return rates | {"histogram": histogram | {"edges": [float(f"{edge:.6g}") for edge in histogram["edges"]]}}


def evaluation_to_json(report: EvaluationReport) -> str:
    """The report as JSON: every number of the table and the curves, and the scores (not the pixels) of the pictures.

    Strict JSON: what is not a finite number is null. `json.loads` gives it back.
    """
    values = {"format": FORMAT, "kind": report.kind} | {
        f.name: getattr(report, f.name) for f in fields(report) if f.name != "reconstructions"
    }
    if report.reconstructions is not None:
        shown = report.reconstructions
        values["reconstructions"] = {"normal_scores": shown.normal_scores, "anomaly_scores": shown.anomaly_scores}
    return json.dumps(to_jsonable(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_jsonable(value: Any) -> Any:
    """The same value in JSON's types: dict, list, str, int, float, bool, None. A number that isn't finite is None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_jsonable(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return to_jsonable(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [to_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _measures(
    s: NDArray[np.float64],
    y: NDArray[np.bool_],
    threshold: float,
    fit_seconds: float | None,
    score_seconds: float | None,
) -> EvaluationMetrics:
    flags = metrics.flags(s, y, threshold)
    rate = metrics.base_rate(y)
    return EvaluationMetrics(
        auroc=metrics.auroc(s, y),
        average_precision=metrics.average_precision(s, y),
        average_precision_minimum=metrics.average_precision_bounds(rate)[0],
        base_rate=rate,
        threshold=float(threshold),
        flagged_share=flags.flagged_share,
        false_alarm_rate=flags.false_alarm_rate,
        recall=flags.recall,
        precision=flags.precision,
        normals=flags.normals,
        anomalies=flags.anomalies,
        flagged=flags.flagged,
        false_alarms=flags.false_alarms,
        found=flags.found,
        fit_seconds=fit_seconds,
        scored_per_second=len(s) / score_seconds if score_seconds else None,
    )


def _curves(s: NDArray[np.float64], y: NDArray[np.bool_], points: int = POINTS) -> tuple[Curve, Curve]:
    """The ROC curve (false-alarm rate, recall) and the precision-recall curve (recall, precision)."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    false_alarms, found, _ = roc_curve(y, s)
    precision, recall, _ = precision_recall_curve(y, s)
    # scikit-learn ends at recall 0 with precision 1 by decree; the first real threshold says what is true there.
    precision[-1] = precision[-2]
    return _thinned(false_alarms, found, points), _thinned(recall[::-1], precision[::-1], points)


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64], points: int) -> Curve:
    """At most `points` points of a curve, evenly along its length, so that steep and ragged parts keep theirs."""
    if len(x) > points:
        length = np.concatenate([[0.0], np.hypot(np.diff(x), np.diff(y)).cumsum()])
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], points)))
        x, y = x[kept], y[kept]
    return Curve(tuple(x.tolist()), tuple(y.tolist()))


def histogram_of(s: NDArray[np.float64], y: NDArray[np.bool_]) -> Histogram:
    """How many rows of each kind lie in each bin of the scores s (n,); y (n,) is True for an anomaly."""
    low, high = float(s.min()), float(s.max())
    # Scores of gross anomalies may lie decades above the rest, which a linear axis would press into one bin.
    log = low > 0 and high > 30 * float(np.median(s))
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.geomspace(low, high, BINS + 1) if log else np.linspace(low, high, BINS + 1)
    edges[0], edges[-1] = low, high  # rounding in geomspace must not push a score out
    normals, anomalies = np.histogram(s[~y], edges)[0], np.histogram(s[y], edges)[0]
    return Histogram(tuple(edges.tolist()), tuple(normals.tolist()), tuple(anomalies.tolist()), log)


def losses_of(history: Mapping[str, ArrayLike]) -> Losses:
    """Losses over training, thinned, from a detector's `history_`."""
    curves = {name: np.asarray(values, dtype=np.float64) for name, values in history.items() if name != "step"}
    n = min((len(values) for values in curves.values()), default=0)
    steps = np.asarray(history.get("step", np.arange(n)), dtype=np.float64)
    kept = np.unique(np.linspace(0, n - 1, min(n, POINTS)).round().astype(int))
    values = {name: to_jsonable(c[kept].reshape(len(kept), -1).T) for name, c in curves.items()} if n else {}
    return Losses(
        tuple(steps[kept].tolist()),
        {name: tuple(tuple(member) for member in members) for name, members in values.items()},
    )
