"""What a benchmark's tables say, whatever form they are written in: columns, numbers, sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from egbad.benchmark.summary import Agreement, DetectorRow, MetricCell, TaskTable


@dataclass(frozen=True)
class PageHeader:
    """What stands above the tables: what was run, under which protocol, by which command."""

    title: str
    protocol: str
    meaning: str
    command: str
    agreement: Agreement | None = None
    names: tuple[str, ...] | None = None  # of the rows, where they have any


@dataclass(frozen=True)
class MetricColumn:
    """A column of a table: the measure, its head, and how a number is written."""

    measure: str
    head: str
    form: str = "{:.3f}"
    scale: float = 1.0


QUALITY = (
    MetricColumn("average_precision", "average precision"),
    MetricColumn("auroc", "AUROC"),
    MetricColumn("auroc_without_repeats", "AUROC without repeats"),
    MetricColumn("pixel_auroc", "pixel AUROC"),
)
TOP_SHARE = (
    MetricColumn("precision", "precision, top share"),
    MetricColumn("recall", "recall, top share"),
    MetricColumn("f1", "F1, top share"),
    MetricColumn("ties", "ties", "{:,.0f}"),
)
THRESHOLDS = (
    MetricColumn("false_alarms_1", "false alarms at alpha 0.01", "{:.4f}"),
    MetricColumn("found_1", "found at alpha 0.01"),
    MetricColumn("false_alarms_5", "false alarms at alpha 0.05", "{:.4f}"),
    MetricColumn("found_5", "found at alpha 0.05"),
)
FLAGGED = (
    MetricColumn("flagged_1", "flagged at alpha 0.01", "{:.4f}"),
    MetricColumn("flagged_5", "flagged at alpha 0.05", "{:.4f}"),
)
COST = (
    MetricColumn("fit_seconds", "fit, s", "{:.1f}"),
    MetricColumn("scored_per_second", "scored per second", "{:,.0f}"),
    MetricColumn("peak_memory", "peak memory, MB", "{:,.0f}", 1e-6),
)
OVERALL_COLUMNS = (
    MetricColumn("average_precision", "mean average precision"),
    MetricColumn("rank_average_precision", "mean rank", "{:.1f}"),
    MetricColumn("auroc", "mean AUROC"),
    MetricColumn("rank_auroc", "mean rank", "{:.1f}"),
    MetricColumn("fit_seconds", "mean fit, s", "{:.1f}"),
)


def table_columns(table: TaskTable) -> list[MetricColumn]:
    """The columns that some row of the table has."""
    known = {measure for row in table.rows for measure in row.cells}
    quality = (*QUALITY, MetricColumn("trapezoid", "area as in the papers' code")) if table.published else QUALITY
    every = (*quality, *TOP_SHARE, *THRESHOLDS, *(() if "auroc" in known else FLAGGED), *COST)
    return [column for column in every if column.measure in known]


def count(row: DetectorRow) -> int:
    """RunLog or tasks that gave scores."""
    return max((cell.n for cell in row.cells.values()), default=0)


def shown(row: DetectorRow, column: MetricColumn, *, spread: bool) -> tuple[str, str]:
    """Mean and, if it is to be shown, spread; empty where there is none."""
    cell = row.cells.get(column.measure)
    mean, around = format_cell(cell, column) if cell else ("", "")
    return mean, around if spread else ""


def format_cell(cell: MetricCell, column: MetricColumn) -> tuple[str, str]:
    """Mean and spread as they are written; the spread is empty where there is none."""
    mean = column.form.format(cell.mean * column.scale)
    return mean, column.form.format(cell.spread * column.scale) if cell.spread is not None else ""


def plus_minus(mean: str, around: str) -> str:
    """Mean and spread in one cell."""
    return f"{mean} ± {around}" if around else mean


def overall_words(tasks: int) -> str:
    """What the table over all tasks means."""
    return (
        f"Means over tasks of the means over runs. Ranks are among the detectors that finished all {tasks} tasks, on each of "
        "them 1 for the best; those that did not come last, their means are over fewer tasks."
    )


def fact_words(facts: Mapping[str, Any]) -> str:
    """Rows, base rate and repeats in a sentence."""
    if not facts:
        return "No run gave scores."
    words = f"{facts['training_rows']:,} to learn from, {facts['test_rows']:,} to score"
    if "base_rate" in facts:
        words += f", of which a share of {facts['base_rate']:.4f} are anomalies, what average precision is by chance"
        words += f"; {facts['repeats']:,} of them equal one that was learned from"
        words += f". The top share is {facts['top_share']:.3g} of the test scores"
        words += f": recall / precision is {facts['top_share'] / facts['base_rate']:.4f} unless scores tie"
    return words + "."


def published_rows(table: TaskTable) -> list[list[str]]:
    """Label, measure, their figure, ours, paper, source, doubts; the first row is the head. Empty where none is printed."""
    if not table.published:
        return []
    ours = {row.label: row.cells for row in table.rows}
    found = [["published", "measure", "theirs", "ours", "paper", "how it came here", "doubts"]]
    for figure_, doubts in table.published:
        theirs = f"{figure_.value:.3f}" + (f" ± {figure_.spread:.3f}" if figure_.spread is not None else "")
        cell = ours.get(figure_.label, {}).get(figure_.measure)
        mean, around = format_cell(cell, QUALITY[0]) if cell else ("", "")
        own = plus_minus(mean, around)
        measure = figure_.measure.replace("_", " ")
        found.append([figure_.label, measure, theirs, own, figure_.paper, figure_.source, "; ".join(doubts)])
    return found


def tops(table: TaskTable, head: PageHeader) -> list[tuple[str, list[str]]]:
    """The most anomalous rows by each detector, named or numbered from 0."""
    return [
        (label, [head.names[i] if head.names else str(i) for i in line["top"]]) for label, line in table.shown.items()
    ]


def kind_rows(table: TaskTable) -> list[list[str]]:
    """Detector and AUROC for each kind of anomaly; the first row is the head. Empty where there is one kind."""
    if not table.kinds:
        return []
    heads = [f"{kind} ({n})" for kind, n in table.kinds.items()]
    lines = [
        [label, *(plus_minus(*format_cell(cells[kind], QUALITY[1])) if kind in cells else "" for kind in table.kinds)]
        for label, cells in table.by_kind.items()
    ]
    return [["AUROC by kind of anomaly", *heads], *lines]
