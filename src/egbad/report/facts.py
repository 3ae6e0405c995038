"""Rows of the tables that every form of a report shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from egbad.report.evaluation import DefectMetrics, EvaluationReport


def metric_rows(report: EvaluationReport) -> list[tuple[str, str]]:
    """Format the metrics of an evaluation.

    Parameters
    ----------
    report : EvaluationReport

    Returns
    -------
    list of (str, str)
        Name and value of each metric.
    """
    m = report.metrics
    kind = report.kind
    rows = [
        ("AUROC", f"{m.auroc:.4f}"),
        ("Average precision", f"{m.average_precision:.4f}"),
        ("Base rate", f"{m.base_rate:.4f} ({m.anomalies:,} anomalies in {m.normals + m.anomalies:,} {kind})"),
        ("Anomalies flagged (recall)", f"{m.recall:.1%} ({m.found:,} of {m.anomalies:,})"),
        (f"Normal {kind} flagged", f"{m.false_alarm_rate:.1%} ({m.false_alarms:,} of {m.normals:,})"),
    ]
    if m.fit_seconds is not None:
        rows.append(("Training time", f"{m.fit_seconds:,.1f} s"))
    if m.scored_per_second is not None:
        rows.append((f"{kind.capitalize()} scored per second", f"{m.scored_per_second:,.0f}"))
    return rows


DEFECT_HEADER = ("Defect", "Images", "AUROC", "Average precision", "Pixel AUROC", "PRO", "Peaks in masks")
DEFECT_NOTE = (
    "Each kind of defect is compared with all normal images. Pixel AUROC and PRO (per-region overlap up to 30% false alarms) "
    "compare the score of each pixel with the masks. The last column is the share of images whose highest pixel lies "
    "in the mask, or near it."
)


def defect_rows(defects: Sequence[DefectMetrics]) -> list[tuple[str, ...]]:
    """Format the metrics of each kind of defect.

    Parameters
    ----------
    defects : sequence of DefectMetrics

    Returns
    -------
    list of tuple of str
        One row for each kind, with a cell for each name of `DEFECT_HEADER`.
    """
    return [
        (
            "all" if found.defect is None else found.defect,
            f"{found.images:,}",
            *(
                "-" if value is None else f"{value:.3f}"
                for value in (found.auroc, found.average_precision, found.pixel_auroc, found.pro, found.peaks_in_masks)
            ),
        )
        for found in defects
    ]


def health_messages(description: Mapping[str, Any]) -> list[str]:
    """Return the problems of the training, one sentence each.

    Parameters
    ----------
    description : mapping
        A detector as `describe()` returns it.

    Returns
    -------
    list of str
        Empty if training finished without problems.
    """
    return [str(message) for message in description.get("health") or ()]


def fact_rows(data: Mapping[str, Any], description: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Flatten the facts about the data and the detector.

    Parameters
    ----------
    data : mapping
        Name, digest and size of the data.
    description : mapping
        A detector as `describe()` returns it. Its health is left out, because reports show it in a section of its own.

    Returns
    -------
    list of (str, str)
        Name and value of each fact. Names of nested facts are joined by a colon.

    Examples
    --------
    >>> fact_rows({"name": "new.csv"}, {"settings": {"n_latent": 32}, "members": [0.5, 1]})
    [('name', 'new.csv'), ('settings: n_latent', '32'), ('members', '0.5, 1')]
    """
    rows: list[tuple[str, str]] = []
    for name, value in {**data, **description}.items():
        if name == "health" or value is None:
            continue
        if isinstance(value, dict):
            rows += [(f"{name}: {inner}", _format(v)) for inner, v in value.items() if v is not None]
        else:
            rows.append((name.replace("_", " "), _format(value)))
    return rows


def _format(value: object) -> str:
    """Format a JSON value for a table."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_format(v)}" for name, v in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_format(v) for v in value) or "none"
    return str(value)
