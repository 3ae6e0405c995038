"""Finished runs -> tables: means, spreads, ranks, and which best is more than noise."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

import numpy as np

from egbad.benchmark.published import PublishedFigure, of_task

RunRecord = Mapping[str, Any]

QUALITY = ("average_precision", "auroc", "f1")  # what a best is named for
NOISE = 0.05  # a difference this likely by chance alone is none


@dataclass(frozen=True)
class MetricCell:
    """Mean over `n` runs or tasks, and their sample standard deviation where there are two or more."""

    mean: float
    spread: float | None
    n: int


@dataclass(frozen=True)
class DetectorRow:
    """One detector in one table. `failures` are the reasons of the runs that gave no scores."""

    label: str
    cells: Mapping[str, MetricCell]
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskTable:
    """One task.

    Attributes
    ----------
    rows : tuple of DetectorRow
        Best average precision first, then those without any.
    best : mapping
        Measure -> the detector that is ahead by more than noise, where one is.
    published : tuple of (PublishedFigure, tuple of str)
        What papers print, and what is doubtful about it.
    facts : mapping
        Rows, base rate, repeats, top share: of the first finished run.
    notes : tuple of str
        What the protocol and its splits say about themselves.
    shown : mapping
        Label -> a finished run with curves, and pictures if there are any.
    kinds : mapping
        Kind of anomaly -> how many there are in the first finished run, where there are several kinds.
    by_kind : mapping
        Label -> kind -> AUROC against all normals.
    """

    task: str
    rows: tuple[DetectorRow, ...]
    best: Mapping[str, str]
    published: tuple[tuple[PublishedFigure, tuple[str, ...]], ...]
    facts: Mapping[str, Any]
    notes: tuple[str, ...]
    shown: Mapping[str, RunRecord]
    kinds: Mapping[str, int] = field(default_factory=dict)
    by_kind: Mapping[str, Mapping[str, MetricCell]] = field(default_factory=dict)


@dataclass(frozen=True)
class BenchmarkSummary:
    """A benchmark's tables, and over all of them, where there are several, means and mean ranks of each detector."""

    tables: tuple[TaskTable, ...]
    overall: tuple[DetectorRow, ...]
    best: Mapping[str, str]
    versions: Mapping[str, str]
    digests: Mapping[str, str]


def summarize(lines: Iterable[RunRecord]) -> BenchmarkSummary:
    """All runs of one benchmark under one protocol, in tables."""
    lines = list(lines)
    tasks = dict.fromkeys(line["task"] for line in lines)
    tables = tuple(_table(task, [line for line in lines if line["task"] == task]) for task in tasks)
    overall, best = _overall(tables) if len(tables) > 1 else ((), {})
    finished = [line for line in lines if line["status"] == "ok"]
    digests = {line["dataset"]: line["digest"] for line in finished}
    return BenchmarkSummary(tables, overall, best, finished[0]["versions"] if finished else {}, digests)


# -- one task ----------------------------------------------------------------------------------------------------------


def _table(task: str, lines: Sequence[RunRecord]) -> TaskTable:
    labels = dict.fromkeys(line["label"] for line in lines)
    by_label = {label: [line for line in lines if line["label"] == label] for label in labels}
    rows = [_row(label, of_label) for label, of_label in by_label.items()]
    rows.sort(key=lambda row: -_mean(row, "average_precision"))
    finished = [line for line in lines if line["status"] == "ok"]
    first = finished[0] if finished else {}
    labelled = "metrics" in first
    top_share = first["metrics"]["top"]["share"] if labelled else None
    best = {}
    for measure in QUALITY if labelled else ():
        runs = {label: {line["seed"]: value(line, measure) for line in of_label if line["status"] == "ok"}
                for label, of_label in by_label.items()}  # fmt: skip
        winner = ahead(runs)
        if winner:
            best[measure] = winner
    figures = tuple((figure, tuple(figure.doubts(first.get("base_rate")))) for figure in of_task(task))
    shown: dict[str, RunRecord] = {}
    for line in finished:
        shown.setdefault(line["label"], line)
    names = ("training_rows", "test_rows", "base_rate", "repeats")
    facts = {name: first[name] for name in names if name in first} | ({"top_share": top_share} if labelled else {})
    kinds, by_kind = _by_kind([row.label for row in rows], by_label)
    notes = tuple(first.get("notes", ()))
    return TaskTable(task, tuple(rows), best, figures if labelled else (), facts, notes, shown, kinds, by_kind)


def _by_kind(
    labels: Iterable[str], lines: Mapping[str, Sequence[RunRecord]]
) -> tuple[dict[str, int], dict[str, dict[str, MetricCell]]]:
    """How many anomalies of each kind there are, and each detector's AUROC on them; empty where there is one kind."""
    found = {
        label: [
            kinds
            for line in lines[label]
            if line["status"] == "ok" and (kinds := line.get("metrics", {}).get("by_kind"))
        ]
        for label in labels
    }
    first: Mapping[str, Any] = next((kinds for of_label in found.values() for kinds in of_label), {})
    counts = {kind: int(first[kind]["n"]) for kind in first}
    cells = {
        label: {kind: cell([kinds[kind]["auroc"] for kinds in of_label if kind in kinds]) for kind in counts}
        for label, of_label in found.items()
        if of_label
    }
    return counts, cells


def _row(label: str, lines: Sequence[RunRecord]) -> DetectorRow:
    finished = [line for line in lines if line["status"] == "ok"]
    cells = {}
    for measure in _MEASURES:
        values = [v for line in finished if (v := value(line, measure)) is not None]
        if values:
            cells[measure] = cell(values)
    return DetectorRow(label, cells, tuple(dict.fromkeys(line["reason"] for line in lines if line["status"] != "ok")))


def cell(values: Sequence[float]) -> MetricCell:
    """Mean and spread of finite numbers.

    >>> cell([1.0, 3.0])
    MetricCell(mean=2.0, spread=1.4142135623730951, n=2)
    """
    return MetricCell(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


# Where a line keeps each measure.
_MEASURES: dict[str, tuple[str, ...]] = {
    "average_precision": ("metrics", "average_precision"),
    "trapezoid": ("metrics", "trapezoid"),
    "auroc": ("metrics", "auroc"),
    "auroc_without_repeats": ("metrics", "auroc_without_repeats"),
    "pixel_auroc": ("metrics", "pixel_auroc"),
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
    "scored_per_second": ("scored_per_second",),
    "peak_memory": ("peak_memory",),
}


def value(line: RunRecord, measure: str) -> float | None:
    """A measure of a finished run; None where it has none."""
    found: Any = line
    for name in _MEASURES[measure]:
        found = found.get(name) if isinstance(found, Mapping) else None
    return None if found is None else float(found)


def _mean(row: DetectorRow, measure: str) -> float:
    return row.cells[measure].mean if measure in row.cells else -math.inf


def ahead(runs: Mapping[str, Mapping[Any, float | None]]) -> str | None:
    """Who has the best mean, if the difference from the next is larger than noise: label -> {split: value}.

    A paired t-test over the splits that both have, at 5 percent; equal differences on all splits are no noise.
    """
    from scipy.stats import ttest_rel

    known = {label: {split: v for split, v in of_label.items() if v is not None} for label, of_label in runs.items()}
    order = sorted((label for label in known if known[label]), key=lambda label: -fmean(known[label].values()))
    if len(order) < 2:
        return None
    first, second = known[order[0]], known[order[1]]
    common = sorted(first.keys() & second.keys())
    if len(common) < 2:
        return None
    a, b = [first[s] for s in common], [second[s] for s in common]
    differences = [x - y for x, y in zip(a, b, strict=True)]
    if max(differences) - min(differences) < 1e-12:
        return order[0] if differences[0] > 1e-12 else None
    return order[0] if fmean(differences) > 0 and ttest_rel(a, b).pvalue < NOISE else None


# -- all tasks ---------------------------------------------------------------------------------------------------------


def _overall(tables: Sequence[TaskTable]) -> tuple[tuple[DetectorRow, ...], dict[str, str]]:
    """Means over tasks of each detector, and mean ranks of those that finished all tasks."""
    labels = dict.fromkeys(row.label for table in tables for row in table.rows)
    means = {
        measure: {label: _by_task(tables, label, measure) for label in labels}
        for measure in ("average_precision", "auroc", "f1", "fit_seconds")
    }
    complete = [label for label in labels if len(means["auroc"][label]) == len(tables)]
    rows = []
    for label in labels:
        cells = {measure: cell(list(of[label].values())) for measure, of in means.items() if of[label]}
        if label in complete:
            for measure in ("average_precision", "auroc"):
                process_group = [
                    rank(means[measure][label][t.task], [means[measure][o][t.task] for o in complete]) for t in tables
                ]
                cells[f"rank_{measure}"] = cell(process_group)
        failures = dict.fromkeys(reason for table in tables for row in table.rows if row.label == label
                                 for reason in row.failures)  # fmt: skip
        rows.append(DetectorRow(label, cells, tuple(failures)))
    rows.sort(key=lambda row: (row.label not in complete, -_mean(row, "average_precision")))
    best = {m: w for m in QUALITY if (w := ahead({label: means[m][label] for label in complete}))}
    return tuple(rows), best


def _by_task(tables: Sequence[TaskTable], label: str, measure: str) -> dict[str, float]:
    return {
        table.task: row.cells[measure].mean
        for table in tables
        for row in table.rows
        if row.label == label and measure in row.cells
    }


def rank(value: float, among: Sequence[float]) -> float:
    """1 for the highest; equal values share the mean of their ranks.

    >>> [rank(v, [0.9, 0.5, 0.9]) for v in (0.9, 0.5)]
    [1.5, 3.0]
    """
    return sum(other > value for other in among) + (sum(other == value for other in among) + 1) / 2


# -- without labels ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """Rank correlations (Spearman) of the scores of every two detectors on the same rows, in [-1, 1]."""

    labels: tuple[str, ...]
    correlations: tuple[tuple[float, ...], ...]


def rank_agreement(scores: Mapping[str, Any]) -> Agreement | None:
    """How alike detectors order the same rows: label -> scores (n,); None for fewer than two detectors."""
    if len(scores) < 2:
        return None
    from scipy.stats import rankdata

    process_group = np.array([rankdata(of_label) for of_label in scores.values()])
    with np.errstate(invalid="ignore"):  # scores that are all the same agree with nothing
        found = np.nan_to_num(np.corrcoef(process_group))
    return Agreement(tuple(scores), tuple(tuple(float(v) for v in row) for row in found))
