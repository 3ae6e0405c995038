"""What a detector found in data without labels, as a value: what is flagged, why, and what that has in common."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.errors import InvalidInputError
from egbad.explain.explanation import Explanation, Reason
from egbad.explain.grouping import ExplanationGroup, group_explanations, region_shares
from egbad.report.evaluation import FORMAT, Histogram, Losses, histogram_of, losses_of, to_jsonable
from egbad.scoring.calibration import p_values


@dataclass(frozen=True)
class RowLocation:
    """Where a row or an image was found: its file, and its row in that file or in all data, counted from 0."""

    file: str | None = None
    row: int | None = None


CONFIDENCE = 0.95
_WORTH, _RARE = 0.05, 0.05  # of the first reason's share; of normal rows
Array = NDArray[Any]


@dataclass(frozen=True)
class Finding:
    """One row or image with a high score.

    Attributes
    ----------
    place : Place
    score, p_value : float
    flagged : bool
        Whether its score is above the threshold.
    terms : dict of str to float
        What the score is made of.
    spread : float, optional
        How far members differ.
    reasons : tuple of Reason
        Columns with the largest shares; of an image the region with the largest, and its part of what is strange.
    """

    place: RowLocation
    score: float
    p_value: float
    flagged: bool
    terms: Mapping[str, float]
    spread: float | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, eq=False)
class FindingImages:
    """Images (m, ...) of the findings in their order, what was expected, where they are strange, and normal ones like them.

    image, expected : array (m, h, w) or (m, c, h, w)
    heat : array (m, h, w)
    nearest : array (m, k, ...)
    """

    image: Array
    expected: Array
    heat: Array
    nearest: Array


@dataclass(frozen=True)
class FindingsReport:
    """What a detector found. Made by `findings`.

    Attributes
    ----------
    model, source : str
        Names of the model and of the data.
    kind : {"rows", "images"}
    n, flagged : int
        How many were scored, and have a score above `threshold`.
    alpha : float
        The share of normal ones that would be.
    interval : (float, float)
        Of the flagged share, with 95 percent confidence (Clopper and Pearson, 1934).
    histogram : Histogram
        Of all scores: what is not flagged as normals, what is flagged as anomalies.
    top : tuple of Finding
        The highest scores.
    causes : tuple of Cause
        What is flagged, put together by reasons; their rows are positions in `places`.
    places : tuple of Place
        Of what the causes tell of, the highest score first.
    explained : int
        How many of those that are flagged the causes tell of, those with the highest scores.
    method : str
        How reasons are found.
    kinds : dict of str to str
        What columns hold.
    losses : Losses
        Over training.
    about, data : dict
        Of the detector, and of the data.
    command : str
        How to make the report again.
    """

    model: str
    source: str
    kind: str
    n: int
    flagged: int
    threshold: float
    alpha: float
    interval: tuple[float, float]
    histogram: Histogram
    top: tuple[Finding, ...]
    groups: tuple[ExplanationGroup, ...]
    places: tuple[RowLocation, ...]
    explained: int
    method: str
    kinds: Mapping[str, str]
    losses: Losses
    description: Mapping[str, Any]
    data: Mapping[str, Any]
    command: str
    shown: FindingImages | None = field(default=None, compare=False)

    @property
    def share(self) -> float:
        """That is flagged, in [0, 1]."""
        return self.flagged / self.n


def findings_report(
    detector: Any,
    scores: NDArray[np.float64],
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
    """Put together what a fitted detector found.

    Parameters
    ----------
    detector : Detector
    scores : array (n,)
        Of everything.
    explanation : Explanation
        Of those m with the highest scores, the highest first.
    places : sequence of Place
        Where each of the m was found.
    names : (str, str)
        Of the model and of the data.
    command : str
        How to make the report again.
    top, reasons : int
        How many are shown one by one, and by how many columns each.
    data : dict, optional
        What else tells which data this was.

    Raises
    ------
    InvalidInputError
        When nothing was scored.
    """
    if not len(scores):
        raise InvalidInputError("There must be a row or an image to report on, got none.")
    threshold = float(detector.threshold_)
    above = scores > threshold
    strange = np.flatnonzero(explanation.score > threshold)
    shown = np.arange(min(n_top, len(locations)))
    return FindingsReport(
        model=model_name,
        source=data_name,
        kind=detector.kind_,
        n=len(scores),
        flagged=int(above.sum()),
        threshold=threshold,
        alpha=float(detector.alpha),
        interval=interval(int(above.sum()), len(scores)),
        histogram=histogram_of(scores, above),
        top=tuple(_one_by_one(detector, explanation, locations, shown, n_reasons)),
        groups=tuple(group_explanations(explanation.select(strange))) if len(strange) else (),
        places=tuple(locations[i] for i in strange.tolist()),
        explained=len(strange),
        method=explanation.method,
        kinds=dict(zip(explanation.columns, explanation.column_types or (), strict=False)),
        losses=losses_of(getattr(detector, "history_", {})),
        description=to_jsonable(detector.describe()),
        data=to_jsonable({"name": data_name, "rows": len(scores)} | dict(data or {})),
        command=command,
        shown=_pictures(detector, explanation, shown) if detector.kind_ == "images" else None,
    )


def interval(count: int, n: int) -> tuple[float, float]:
    """Where a share lies that was found `count` times in n, with 95 percent confidence: exact, by the binomial.

    >>> low, high = interval(0, 100)
    >>> low, round(high, 4)
    (0.0, 0.0362)
    """
    from scipy.stats import beta

    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, count, n - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, n - count)) if count < n else 1.0
    return low, high


def _one_by_one(
    detector: Any, explanation: Explanation, places: Sequence[RowLocation], shown: NDArray[np.intp], k: int
) -> Iterator[Finding]:
    """What is shown one by one, each by k columns."""
    p = p_values(detector.calibration_scores_, explanation.score[shown])
    why = _reasons(explanation, shown, k)
    for i in shown.tolist():
        yield Finding(
            place=places[i],
            score=float(explanation.score[i]),
            p_value=float(p[i]),
            flagged=bool(explanation.score[i] > detector.threshold_),
            terms={name: float(values[i]) for name, values in explanation.terms.items()},
            spread=None if explanation.spread is None else float(explanation.spread[i]),
            reasons=why[i],
        )


def _reasons(explanation: Explanation, shown: NDArray[np.intp], k: int) -> list[tuple[Reason, ...]]:
    some = explanation.select(shown)
    if explanation.shares.ndim == 2:
        return [tuple(r for r in own if r is own[0] or _counts(r, own[0])) for own in some.top(k)]
    names, weights = region_shares(some.shares)
    worst = weights.argmax(axis=1)
    return [(Reason(names[j], float(weights[i, j]), None, None),) for i, j in enumerate(worst.tolist())]


def _counts(reason: Reason, first: Reason) -> bool:
    """Whether a column is worth a sentence beside the first: it adds something, and normal rows rarely have the like."""
    return reason.share >= _WORTH * first.share and (reason.p_value is None or reason.p_value <= _RARE)


def _pictures(detector: Any, explanation: Explanation, shown: NDArray[np.intp]) -> FindingImages:
    some = explanation.select(shown)
    kept = detector.exemplars_ is not None
    nearest = detector.nearest_examples(some.observed) if kept else some.observed[:, None][:, :0]
    return FindingImages(some.observed, some.expected, some.shares, nearest)


def findings_to_json(found: FindingsReport) -> str:
    """The findings as strict JSON, without pictures: every number, and the positions of what each cause explains."""
    values = {"format": FORMAT} | {f.name: getattr(found, f.name) for f in fields(found) if f.name != "shown"}
    return json.dumps(to_jsonable(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
