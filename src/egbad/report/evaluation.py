"""Evaluation of a detector on labelled, held-out rows as a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from egbad.arrays import Floats
from egbad.report.curves import Curve, Histogram, Losses, loss_curves, rate_curves, score_histogram
from egbad.report.image_grid import Reconstructions
from egbad.report.serialization import dump_json, to_jsonable
from egbad.scoring import metrics

FORMAT = 1


@dataclass(frozen=True)
class EvaluationMetrics:
    """Numbers of an evaluation. Rates lie in [0, 1].

    Parameters
    ----------
    auroc, average_precision : float
    average_precision_minimum : float
        The lowest average precision that any ranking can have at this base rate.
    base_rate : float
        Share of anomalies.
    threshold : float
        Rows with a higher score are flagged.
    flagged_share, false_alarm_rate, recall : float
        Share of all rows, of the normal rows and of the anomalies that are flagged.
    precision : float or None
        Share of anomalies among the flagged rows. None if no row is flagged.
    normals, anomalies, flagged, false_alarms, found : int
        Number of normal rows, anomalies, flagged rows, flagged normal rows and flagged anomalies.
    fit_seconds, scored_per_second : float or None
        None if the time was not measured.
    """

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
class DefectMetrics:
    """Metrics of one kind of defect beside all normal images, or of all kinds together.

    Parameters
    ----------
    defect : str or None
        None for all kinds.
    images : int
        Number of images with such a defect.
    auroc, average_precision : float
        Of whole images.
    pixel_auroc, pro, peaks_in_masks : float or None
        See `egbad.scoring.localization.Localization`. None without masks.
    """

    defect: str | None
    images: int
    auroc: float
    average_precision: float
    pixel_auroc: float | None = None
    pro: float | None = None
    peaks_in_masks: float | None = None


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation of one detector on one set of held-out rows, as `evaluation_report` returns it.

    Parameters
    ----------
    title, summary : str
        Heading, and one sentence with the result.
    metrics : EvaluationMetrics
    histogram : Histogram
    precision_recall, roc : Curve
    losses : Losses
    description, data : dict
        The detector as `describe()` returns it, and the name, digest and size of the data.
    command : str
        The command that makes the report.
    defects : tuple of DefectMetrics
        Metrics of all defects and of each kind, if the data name kinds.
    reconstructions : Reconstructions, optional
        A few images with their reconstructions.
    """

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
    defects: tuple[DefectMetrics, ...] = ()
    reconstructions: Reconstructions | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        """Kind of the examples: "images" or "rows"."""
        described = self.description.get("input")
        return "images" if isinstance(described, Mapping) and described.get("kind") == "images" else "rows"


def evaluation_report(
    *,
    title: str,
    summary: str,
    description: Mapping[str, Any],
    scores: ArrayLike,
    anomalous: ArrayLike,
    threshold: float,
    history: Mapping[str, ArrayLike],
    data: Mapping[str, Any],
    command: str,
    fit_seconds: float | None = None,
    score_seconds: float | None = None,
    defects: Sequence[DefectMetrics] = (),
    reconstructions: Reconstructions | None = None,
) -> EvaluationReport:
    """Measure held-out scores and collect what a report needs.

    Parameters
    ----------
    title, summary : str
        Heading, and one sentence with the result.
    description : mapping
        The detector, as `describe()` returns it.
    scores : array-like of shape (n_samples,)
        Anomaly scores of held-out rows, higher is more anomalous.
    anomalous : array-like of bool of shape (n_samples,)
        True for anomalies. Both kinds must be present.
    threshold : float
        `detector.threshold_`. Rows with a higher score are flagged.
    history : mapping
        `detector.history_`: "step" of shape (n_records,), and each loss of shape (n_records,) or
        (n_records, n_members). May be empty.
    data : mapping
        Name, digest and size of the data.
    command : str
        The command that makes the report.
    fit_seconds, score_seconds : float, optional
        Seconds that training took, and scoring all rows.
    defects : sequence of DefectMetrics
        For images, metrics of each kind of defect.
    reconstructions : Reconstructions, optional
        For images, a few of them with their reconstructions.

    Returns
    -------
    EvaluationReport

    Raises
    ------
    InvalidInputError
        If scores, labels and threshold do not fit together.
    """
    s, y = metrics.check_scores(scores, anomalous)
    roc, precision_recall = rate_curves(s, y)
    return EvaluationReport(
        title=title,
        summary=summary,
        metrics=_measure(s, y, threshold, fit_seconds, score_seconds),
        histogram=score_histogram(s, y),
        precision_recall=precision_recall,
        roc=roc,
        losses=loss_curves(history),
        description=to_jsonable(description),
        data=to_jsonable(data),
        command=command,
        defects=tuple(defects),
        reconstructions=reconstructions,
    )


def _measure(
    scores: Floats,
    anomalous: NDArray[np.bool_],
    threshold: float,
    fit_seconds: float | None,
    score_seconds: float | None,
) -> EvaluationMetrics:
    """Compute the metrics of held-out scores."""
    flags = metrics.count_flags(scores, anomalous, threshold)
    base_rate = metrics.base_rate(anomalous)
    return EvaluationMetrics(
        auroc=metrics.auroc(scores, anomalous),
        average_precision=metrics.average_precision(scores, anomalous),
        average_precision_minimum=metrics.average_precision_bounds(base_rate)[0],
        base_rate=base_rate,
        threshold=float(threshold),
        flagged_share=flags.flagged_share,
        false_alarm_rate=flags.false_alarm_rate,
        recall=flags.recall,
        precision=flags.precision,
        normals=flags.normals,
        anomalies=flags.anomalies,
        flagged=flags.flagged,
        false_alarms=flags.false_alarms,
        found=flags.detected,
        fit_seconds=fit_seconds,
        scored_per_second=len(scores) / score_seconds if score_seconds else None,
    )


def evaluation_to_json(report: EvaluationReport) -> str:
    """Write the report as strict JSON: all metrics and curves, and the scores of the images without their pixels.

    Parameters
    ----------
    report : EvaluationReport

    Returns
    -------
    str
        Numbers that are not finite are null.
    """
    values = {"format": FORMAT, "kind": report.kind} | {
        f.name: getattr(report, f.name) for f in fields(report) if f.name != "reconstructions"
    }
    if report.reconstructions is not None:
        images = report.reconstructions
        values["images"] = {"normal_scores": images.normal_scores, "anomaly_scores": images.anomaly_scores}
    return dump_json(values)
