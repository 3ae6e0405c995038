"""Summary of finished runs as tables."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from egbad.benchmark.published import PublishedFigure, published_figures
from egbad.benchmark.statistics import MetricCell, average_rank, metric_cell, significant_winner
from egbad.benchmark.table_comparison import BaselineComparison, compare_with_baseline
from egbad.benchmark.table_kinds import kinds_of_table

Record = Mapping[str, Any]
Failures = tuple[str, ...]

WINNER_METRICS = ("average_precision", "auroc", "f1")
_COMPARED_METRICS = ("auroc", "average_precision")
_OVERALL_METRICS = (
    *("average_precision", "auroc", "pixel_auroc", "pro", "peaks_in_masks", "f1", "fit_seconds", "score_seconds"),
)

# The path of each metric in a record.
_METRIC_PATHS: dict[str, tuple[str, ...]] = {
    "average_precision": ("metrics", "average_precision"),
    "trapezoid": ("metrics", "trapezoid"),
    "auroc": ("metrics", "auroc"),
    "auroc_without_repeats": ("metrics", "auroc_without_repeats"),
    "pixel_auroc": ("metrics", "pixel_auroc"),
    "pro": ("metrics", "pro"),
    "peaks_in_masks": ("metrics", "peaks_in_masks"),
    "precision": ("metrics", "top", "precision"),
    "recall": ("metrics", "top", "recall"),
    "f1": ("metrics", "top", "f1"),
    "ties": ("metrics", "top", "ties"),
    "false_alarms_1": ("metrics", "thresholds", "0.01", "false_alarms"),
    "found_1": ("metrics", "thresholds", "0.01", "found"),
    "false_alarms_5": ("metrics", "thresholds", "0.05", "false_alarms"),
    "found_5": ("metrics", "thresholds", "0.05", "found"),
    "flagged_1": ("flagged", "0.01"),
    "flagged_5": ("flagged", "0.05"),
    "fit_seconds": ("seconds", "fit"),
    "score_seconds": ("seconds", "score"),
    "scored_per_second": ("scored_per_second",),
    "peak_memory": ("peak_memory",),
}


@dataclass(frozen=True)
class DetectorRow:
    """A detector in a table.

    Parameters
    ----------
    label : str
    cells : mapping of str to MetricCell
    failures : tuple of str
        Reasons of failed runs.
    """

    label: str
    cells: Mapping[str, MetricCell]
    failures: Failures = ()

    @property
    def n(self) -> int:
        """Number of runs or tasks with scores."""
        return max((cell.n for cell in self.cells.values()), default=0)


@dataclass(frozen=True)
class TaskTable:
    """Results of one task.

    Parameters
    ----------
    task : str
    rows : tuple of DetectorRow
        In descending order of the average precision.
    best : mapping of str to str
        For each metric with a significant winner, the label of the winner.
    published : tuple of (PublishedFigure, tuple of str)
        Published figures with remarks.
    facts : mapping
        Number of rows and columns, base rate, duplicates and top share of the first finished run.
    notes : tuple of str
        Remarks about the protocol and its splits.
    example_runs : mapping of str to dict
        For each label the record of its first finished run, with curves and images.
    anomaly_counts : mapping of str to int
        Number of anomalies of each kind, if there are several kinds.
    auroc_by_kind : mapping of str to mapping
        For each label the AUROC of each kind of anomaly.
    """

    task: str
    rows: tuple[DetectorRow, ...]
    best: Mapping[str, str]
    published: tuple[tuple[PublishedFigure, tuple[str, ...]], ...]
    facts: Mapping[str, Any]
    notes: tuple[str, ...]
    example_runs: Mapping[str, Record]
    anomaly_counts: Mapping[str, int] = field(default_factory=dict)
    auroc_by_kind: Mapping[str, Mapping[str, MetricCell]] = field(default_factory=dict)


@dataclass(frozen=True)
class BenchmarkSummary:
    """Results of a benchmark.

    Parameters
    ----------
    tables : tuple of TaskTable
    overall : tuple of DetectorRow
        Means and mean ranks over all tasks. Empty for a single task.
    best : mapping of str to str
        Significant winners over all tasks.
    versions, digests : mapping of str to str
        Versions of the libraries, and digests of the data sets.
    comparisons : tuple of BaselineComparison
        For each metric the comparison with the better reference. Empty for a single task.
    """

    tables: tuple[TaskTable, ...]
    overall: tuple[DetectorRow, ...]
    best: Mapping[str, str]
    versions: Mapping[str, str]
    digests: Mapping[str, str]
    comparisons: tuple[BaselineComparison, ...] = ()


def summarize(records: Iterable[Record], references: Sequence[str] = ()) -> BenchmarkSummary:
    """Summarize the runs of one benchmark under one protocol.

    Parameters
    ----------
    records : iterable of dict
    references : sequence of str
        Baselines: all other detectors are compared with the better of these over the tasks.

    Returns
    -------
    BenchmarkSummary
    """
    records = list(records)
    by_task: dict[str, list[Record]] = {}
    for record in records:
        by_task.setdefault(record["task"], []).append(record)
    tables = tuple(_task_table(task, own) for task, own in by_task.items())
    overall, best = _overall(tables) if len(tables) > 1 else ((), {})
    finished = _finished(records)
    digests = {record["dataset"]: record["digest"] for record in finished}
    versions: dict[str, str] = {}
    for record in reversed(finished):  # of a package with several versions, that of the first run
        versions |= record["versions"]
    return BenchmarkSummary(tables, overall, best, versions, digests, _comparisons(tables, references))


def _finished(records: Iterable[Record]) -> list[Record]:
    """Return the records of runs with scores."""
    return [record for record in records if record["status"] == "ok"]


def _task_table(task: str, records: Sequence[Record]) -> TaskTable:
    """Summarize the runs of one task."""
    labels = dict.fromkeys(record["label"] for record in records)
    by_label = {label: [record for record in records if record["label"] == label] for label in labels}
    rows = [_detector_row(label, own) for label, own in by_label.items()]
    rows.sort(key=lambda row: -_mean(row, "average_precision"))
    finished = _finished(records)
    first: Record = finished[0] if finished else {}
    labelled = "metrics" in first
    anomaly_counts, auroc_by_kind = _by_kind([row.label for row in rows], by_label)
    example_runs: dict[str, Record] = {}
    for record in finished:
        example_runs.setdefault(record["label"], record)
    return TaskTable(
        task=task,
        rows=tuple(rows),
        best=_winners(by_label) if labelled else {},
        published=_published(task, first.get("base_rate")) if labelled else (),
        facts=_facts(first),
        notes=tuple(first.get("notes", ())),
        example_runs=example_runs,
        anomaly_counts=anomaly_counts,
        auroc_by_kind=auroc_by_kind,
    )


def _winners(by_label: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """Return the significant winner of each metric that has one."""
    winners = {}
    for metric in WINNER_METRICS:
        values = {
            label: {record["seed"]: metric_value(record, metric) for record in _finished(records)}
            for label, records in by_label.items()
        }
        winner = significant_winner(values)
        if winner:
            winners[metric] = winner
    return winners


def _published(task: str, base_rate: float | None) -> tuple[tuple[PublishedFigure, tuple[str, ...]], ...]:
    """Return the published figures of a task with remarks."""
    return tuple((figure, tuple(figure.remarks(base_rate))) for figure in published_figures(task))


def _facts(record: Record) -> dict[str, Any]:
    """Return the facts about the split that a table shows."""
    names = ("training_rows", "test_rows", "columns", "discrete_share", "base_rate", "repeats")
    facts = {name: record[name] for name in names if name in record}
    return facts | ({"top_share": record["metrics"]["top"]["share"]} if "metrics" in record else {})


def _by_kind(
    labels: Iterable[str], by_label: Mapping[str, Sequence[Record]]
) -> tuple[dict[str, int], dict[str, dict[str, MetricCell]]]:
    """Count the anomalies of each kind and summarize the AUROC of each detector on them."""
    found = {
        label: [kinds for record in _finished(by_label[label]) if (kinds := record.get("metrics", {}).get("by_kind"))]
        for label in labels
    }
    first: Mapping[str, Any] = next((kinds for runs in found.values() for kinds in runs), {})
    counts = {kind: int(first[kind]["n"]) for kind in first}
    cells = {
        label: {kind: metric_cell([kinds[kind]["auroc"] for kinds in runs if kind in kinds]) for kind in counts}
        for label, runs in found.items()
        if runs
    }
    return counts, cells


def _detector_row(label: str, records: Sequence[Record]) -> DetectorRow:
    """Summarize the runs of one detector on one task."""
    finished = _finished(records)
    cells = {}
    for metric in _METRIC_PATHS:
        values = [v for record in finished if (v := metric_value(record, metric)) is not None]
        if values:
            cells[metric] = metric_cell(values)
    reasons = dict.fromkeys(record["reason"] for record in records if record["status"] != "ok")
    return DetectorRow(label, cells, tuple(reasons))


def metric_value(record: Record, metric: str) -> float | None:
    """Return a metric of a finished run.

    Parameters
    ----------
    record : dict
    metric : str

    Returns
    -------
    float or None
        None if the run does not have the metric.
    """
    value: Any = record
    for name in _METRIC_PATHS[metric]:
        value = value.get(name) if isinstance(value, Mapping) else None
    return None if value is None else float(value)


def _mean(row: DetectorRow, metric: str) -> float:
    """Return the mean of a metric, or minus infinity if there is none."""
    return row.cells[metric].mean if metric in row.cells else -math.inf


def _overall(tables: Sequence[TaskTable]) -> tuple[tuple[DetectorRow, ...], dict[str, str]]:
    """Compute means over tasks, and mean ranks of the detectors that finished all tasks."""
    labels = dict.fromkeys(row.label for table in tables for row in table.rows)
    means = {metric: {label: _means_by_task(tables, label, metric) for label in labels} for metric in _OVERALL_METRICS}
    complete = [label for label in labels if len(means["auroc"][label]) == len(tables)]
    rows = []
    for label in labels:
        cells = {metric: metric_cell(list(own[label].values())) for metric, own in means.items() if own[label]}
        if label in complete:
            for metric in ("average_precision", "auroc"):
                of_metric = means[metric]
                ranks = [
                    average_rank(of_metric[label][t.task], [of_metric[other][t.task] for other in complete])
                    for t in tables
                ]
                cells[f"rank_{metric}"] = metric_cell(ranks)
        failures = [failure for t in tables for row in t.rows if row.label == label for failure in row.failures]
        rows.append(DetectorRow(label, cells, tuple(dict.fromkeys(failures))))
    rows.sort(key=lambda row: (row.label not in complete, -_mean(row, "average_precision")))
    winners = {
        metric: winner
        for metric in WINNER_METRICS
        if (winner := significant_winner({label: means[metric][label] for label in complete}))
    }
    return tuple(rows), winners


def _means_by_task(tables: Sequence[TaskTable], label: str, metric: str) -> dict[str, float]:
    """Return the mean of a detector's metric for each task that has it."""
    return {
        table.task: row.cells[metric].mean
        for table in tables
        for row in table.rows
        if row.label == label and metric in row.cells
    }


def _comparisons(tables: Sequence[TaskTable], references: Sequence[str]) -> tuple[BaselineComparison, ...]:
    """Compare all detectors with the better reference by each metric, on the means over runs of each table."""
    if len(tables) < 2:
        return ()
    labels = dict.fromkeys(row.label for table in tables for row in table.rows)
    kinds = {table.task: kinds_of_table(table.facts) for table in tables}
    found = [
        compare_with_baseline(
            metric, {label: _means_by_task(tables, label, metric) for label in labels}, references, kinds
        )
        for metric in _COMPARED_METRICS
    ]
    return tuple(comparison for comparison in found if comparison)
