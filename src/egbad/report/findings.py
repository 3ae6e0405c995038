"""Findings in unlabelled data as a value: flagged rows, their explanations, and groups of similar explanations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.errors import InvalidInputError
from egbad.explain.explanation import Explanation, plain_value
from egbad.explain.grouping import ExplanationGroup, group_explanations
from egbad.explain.reasons import Reason
from egbad.explain.regions import Region
from egbad.report.curves import Histogram, Losses, loss_curves, score_histogram
from egbad.report.serialization import dump_json, to_jsonable
from egbad.scoring.calibration import false_alarm_rate, p_values
from egbad.scoring.calibration import threshold as threshold_for
from egbad.scoring.intervals import binomial_interval

FORMAT = 1
CONFIDENCE = 0.95
_MIN_RELATIVE_SHARE = 0.05  # reasons need at least this part of the largest share
_MAX_VALUES = 100  # columns of a row that is shown
_MAX_P_VALUE = 0.05  # reasons need a value that is rarer than this among normal rows, if any is


@dataclass(frozen=True)
class RowLocation:
    """The location of a row or an image.

    Parameters
    ----------
    file : str, optional
    row : int, optional
        Position in the file, or in all data if there is no file. The first row is 0.
    ids : mapping of str to object
        Values of the id columns.
    """

    file: str | None = None
    row: int | None = None
    ids: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """A row or an image with a high score.

    Parameters
    ----------
    location : RowLocation
    score, p_value : float
    flagged : bool
        True if the score is above the threshold.
    terms : mapping of str to float
        The terms whose sum is the score.
    spread : float or None
        Standard deviation of the score over the members or parts of the detector.
    reasons : tuple of Reason
        The columns with the largest shares. Empty for an image.
    values : mapping of str to object
        The row itself: its values by column, in the order of the columns. Of a hundred columns at most, those with the
        largest shares. Empty for an image.
    regions : tuple of Region
        Anomalous regions of an image, those with the largest shares.
    """

    location: RowLocation
    score: float
    p_value: float
    flagged: bool
    terms: Mapping[str, float]
    spread: float | None
    reasons: tuple[Reason, ...]
    values: Mapping[str, Any] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True, eq=False)
class FindingImages:
    """The images of the findings, in the order of the findings.

    Parameters
    ----------
    original, expected : ndarray of shape (n_findings, h, w) or (n_findings, c, h, w)
        The images, and what the detector expected.
    anomaly_map : ndarray of shape (n_findings, h, w)
        Value of each pixel; higher is more anomalous.
    nearest : ndarray of shape (n_findings, k, ...)
        The k most similar normal images of each. k is 0 if the detector keeps none.
    scale : tuple of float, optional
        Values of the maps for the darkest and the brightest colour. None if no maps of normal images are known.
    threshold : float, optional
        Pixel threshold.
    false_alarm_rate : float, optional
        Share of normal images that are expected to have a pixel above it.
    """

    original: Array
    expected: Array
    anomaly_map: Floats
    nearest: Array
    scale: tuple[float, float] | None = None
    threshold: float | None = None
    false_alarm_rate: float | None = None


@dataclass(frozen=True)
class FindingsReport:
    """Findings of a detector in unlabelled data, as `findings_report` returns them.

    Parameters
    ----------
    model_name, data_name : str
    kind : str
        "rows" or "images".
    n_samples, n_flagged : int
        Number of rows or images that were scored, and of those that are flagged.
    threshold, alpha : float
        Rows with a score above the threshold are flagged. `alpha` is the false-alarm rate that was asked for.
    false_alarm_rate : float
        Share of normal rows that the threshold is expected to flag, by the calibration rows.
    calibration_rows : int
        Number of normal rows that the threshold comes from.
    has_own_threshold : bool
        True if the threshold does not come from `alpha`.
    interval : tuple of float
        95 % confidence interval of the flagged share.
    histogram : Histogram
        Scores of rows that are not flagged and of flagged rows.
    findings : tuple of Finding
        Rows or images with the highest scores, highest first.
    groups : tuple of ExplanationGroup
        Groups of flagged rows with similar explanations.
    flagged_locations : tuple of RowLocation
        Locations of the explained, flagged rows. The positions in `groups` refer to them.
    n_explained : int
        Number of flagged rows that are explained: those with the highest scores.
    attribution_method : str
    column_types : mapping of str to str
        Column types by name. Empty if all columns hold numbers.
    losses : Losses
    description, data : dict
        The detector as `describe()` returns it, and the name and size of the data.
    command : str
        The command that makes the report.
    images : FindingImages, optional
        For images, the images of the findings.
    """

    model_name: str
    data_name: str
    kind: str
    n_samples: int
    n_flagged: int
    threshold: float
    alpha: float
    false_alarm_rate: float
    calibration_rows: int
    has_own_threshold: bool
    interval: tuple[float, float]
    histogram: Histogram
    findings: tuple[Finding, ...]
    groups: tuple[ExplanationGroup, ...]
    flagged_locations: tuple[RowLocation, ...]
    n_explained: int
    attribution_method: str
    column_types: Mapping[str, str]
    losses: Losses
    description: Mapping[str, Any]
    data: Mapping[str, Any]
    command: str
    images: FindingImages | None = field(default=None, compare=False)

    @property
    def flagged_share(self) -> float:
        """Share of the rows that are flagged, in [0, 1]."""
        return self.n_flagged / self.n_samples


def findings_report(
    detector: Any,
    scores: Floats,
    explanation: Explanation,
    locations: Sequence[RowLocation],
    *,
    model_name: str,
    data_name: str,
    command: str,
    n_top: int = 20,
    n_reasons: int = 3,
    data: Mapping[str, Any] | None = None,
) -> FindingsReport:
    """Collect the findings of a fitted detector.

    Parameters
    ----------
    detector : Detector
        A fitted detector.
    scores : ndarray of shape (n_samples,)
        Anomaly scores of all rows.
    explanation : Explanation
        Explanation of the rows with the highest scores, highest first.
    locations : sequence of RowLocation
        Locations of the explained rows.
    model_name, data_name : str
    command : str
        The command that makes the report.
    n_top : int, default=20
        Number of rows that are listed one by one.
    n_reasons : int, default=3
        Maximum number of columns, or of regions of an image, that explain each listed row.
    data : mapping, optional
        More facts about the data.

    Returns
    -------
    FindingsReport

    Raises
    ------
    InvalidInputError
        If `scores` is empty.
    """
    if not len(scores):
        raise InvalidInputError("A report needs at least one row or image, got none.")
    flagged = scores > detector.threshold_
    explained = np.flatnonzero(explanation.score > detector.threshold_)
    listed = np.arange(min(n_top, len(locations)))
    return FindingsReport(
        model_name=model_name,
        data_name=data_name,
        kind=detector.kind_,
        n_samples=len(scores),
        n_flagged=int(flagged.sum()),
        **_threshold_facts(detector),
        interval=binomial_interval(int(flagged.sum()), len(scores), CONFIDENCE),
        histogram=score_histogram(scores, flagged),
        findings=tuple(_findings(detector, explanation, locations, listed, n_reasons)),
        groups=tuple(group_explanations(explanation.select(explained))) if len(explained) else (),
        flagged_locations=tuple(locations[i] for i in explained.tolist()),
        n_explained=len(explained),
        attribution_method=explanation.method,
        column_types=dict(zip(explanation.columns, explanation.column_types or (), strict=False)),
        losses=loss_curves(getattr(detector, "history_", {})),
        description=to_jsonable(detector.describe()),
        data=to_jsonable({"name": data_name, "rows": len(scores)} | dict(data or {})),
        command=command,
        images=_images(detector, explanation, listed) if detector.kind_ == "images" else None,
    )


def _threshold_facts(detector: Any) -> dict[str, Any]:
    """Return the fields of a report that describe the threshold of a detector."""
    scores, threshold = detector.calibration_scores_, float(detector.threshold_)
    return {
        "threshold": threshold,
        "alpha": float(detector.alpha),
        "false_alarm_rate": false_alarm_rate(scores, threshold),
        "calibration_rows": len(scores),
        "has_own_threshold": threshold != threshold_for(scores, detector.alpha),
    }


def _findings(
    detector: Any,
    explanation: Explanation,
    locations: Sequence[RowLocation],
    listed: NDArray[np.intp],
    n_reasons: int,
) -> Iterator[Finding]:
    """Yield a finding for each listed row."""
    p = p_values(detector.calibration_scores_, explanation.score[listed])
    part, of_rows = explanation.select(listed), detector.kind_ == "rows"
    reasons = _reasons(part, n_reasons) if of_rows else [()] * len(listed)
    regions = [()] * len(listed) if of_rows else [*map(tuple, part.regions(n_reasons))]
    for i in listed.tolist():
        yield Finding(
            location=locations[i],
            score=float(explanation.score[i]),
            p_value=float(p[i]),
            flagged=bool(explanation.score[i] > detector.threshold_),
            terms={name: float(values[i]) for name, values in explanation.terms.items()},
            spread=None if explanation.spread is None else float(explanation.spread[i]),
            reasons=reasons[i],
            values=_values(explanation, i) if of_rows else {},
            regions=regions[i],
        )


def _values(explanation: Explanation, i: int) -> dict[str, Any]:
    """Return the values of row i by column, of many columns those with the largest shares."""
    shown = np.sort(np.argsort(-explanation.shares[i], kind="stable")[:_MAX_VALUES])
    return {explanation.columns[j]: plain_value(explanation.observed[i, j]) for j in shown.tolist()}


def _reasons(explanation: Explanation, n_reasons: int) -> list[tuple[Reason, ...]]:
    """Return the most important columns of each row."""
    return [
        tuple(reason for reason in reasons if _is_worth_listing(reason, reasons[0])) or tuple(reasons[:1])
        for reasons in explanation.top(n_reasons)
    ]


def _is_worth_listing(reason: Reason, first: Reason) -> bool:
    """Return True if a column adds to the score and its value is rare among normal rows."""
    return reason.share >= _MIN_RELATIVE_SHARE * first.share and (
        reason.p_value is None or reason.p_value <= _MAX_P_VALUE
    )


def _images(detector: Any, explanation: Explanation, listed: NDArray[np.intp]) -> FindingImages:
    """Collect the listed images, what was expected, their anomaly maps and similar normal images."""
    part = explanation.select(listed)
    has_exemplars = getattr(detector, "exemplars_", None) is not None  # an exported detector keeps none
    nearest = detector.nearest_exemplars(part.observed) if has_exemplars else part.observed[:, None][:, :0]
    maps = part.shares if part.anomaly_map is None else part.anomaly_map
    known, threshold = getattr(detector, "normal_maps_", None), part.pixel_threshold
    if known is None or threshold is None:
        return FindingImages(part.observed, part.expected, maps, nearest)
    rate = false_alarm_rate(known.peaks, threshold)
    return FindingImages(part.observed, part.expected, maps, nearest, known.scale(detector.alpha), threshold, rate)


def findings_to_json(report: FindingsReport) -> str:
    """Write the report as strict JSON, without images.

    Parameters
    ----------
    report : FindingsReport

    Returns
    -------
    str
        Numbers that are not finite are null.
    """
    values = {f.name: getattr(report, f.name) for f in fields(report) if f.name != "images"}
    return dump_json({"format": FORMAT} | values)
