"""Drift of served models as metrics for Prometheus."""

from collections.abc import Callable, Iterator
from math import log10
from typing import get_args

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from egbad.scoring.drift import DriftReport, Kind
from egbad.service.drift import DriftTrackers

_LABELS = ("model", "version")
_VALUES: dict[str, tuple[str, Callable[[DriftReport], float]]] = {
    "items": ("Items that were compared with the calibration rows.", lambda report: report.rows),
    "flagged_share": ("Share of the compared items that are flagged.", lambda report: report.flagged.share),
    "flagged_share_low": ("Lower end of its 95 percent interval.", lambda report: report.flagged.low),
    "flagged_share_high": ("Upper end of its 95 percent interval.", lambda report: report.flagged.high),
    "expected_share": ("Share of normal rows that are flagged.", lambda report: report.flagged.expected),
    "log10_capital": (
        "Evidence against rows like the calibration rows, log10 of the capital of a martingale.",
        lambda report: log10(max(report.martingale.value, 1e-300)),
    ),
    "changed_columns": (
        "Columns with another distribution.",
        lambda report: sum(column.drift for column in report.columns),
    ),
}


class DriftCollector(Collector):
    """Gauges of the last result for each served model.

    Parameters
    ----------
    trackers : DriftTrackers
    """

    def __init__(self, trackers: DriftTrackers) -> None:
        self._trackers = trackers

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges. Models without items have no values."""
        reports = [((model.name, model.version), report) for model, report in self._trackers.reports()]
        yield _kinds(reports)
        for name, (text, read) in _VALUES.items():
            gauge = GaugeMetricFamily(f"egbad_drift_{name}", text, labels=_LABELS)
            for labels, report in reports:
                gauge.add_metric(labels, read(report))
            yield gauge


def _kinds(reports: list[tuple[tuple[str, str], DriftReport]]) -> GaugeMetricFamily:
    """Return the gauge of the kind of drift, 1 for the kind that was found and 0 for the others."""
    text = "Kind of drift: none, anomalies (more of them), shift (all rows have changed) or order."
    gauge = GaugeMetricFamily("egbad_drift", text, labels=(*_LABELS, "kind"))
    for labels, report in reports:
        for kind in get_args(Kind):
            gauge.add_metric((*labels, kind), float(report.kind == kind))
    return gauge
