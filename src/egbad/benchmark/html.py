"""The HTML page of a benchmark."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from egbad.benchmark.columns import (
    AUROC,
    AVERAGE_PRECISION,
    READING_NOTE,
    MetricColumn,
    PageHeader,
    facts_note,
    kind_rows,
    most_anomalous_rows,
    overall_columns,
    overall_note,
    published_rows,
    row_cell,
    table_columns,
)
from egbad.benchmark.comparison_text import (
    COMPARISON_NOTE,
    KIND_NOTE,
    MAX_SECTIONS,
    comparison_rows,
    comparison_title,
    kind_tables,
    table_rows,
)
from egbad.benchmark.suites import BASELINES, UNTRAINED
from egbad.benchmark.summary import BenchmarkSummary, DetectorRow, TaskTable
from egbad.benchmark.table_comparison import BaselineComparison
from egbad.report.charts import (
    Bar,
    Dot,
    Figure,
    LegendEntry,
    bars_chart,
    histogram_chart,
    rate_chart,
    scatter_chart,
    series_class,
)
from egbad.report.curves import Curve, Histogram
from egbad.report.html import NORMAL_AND_ANOMALY, render_page
from egbad.report.image_grid import ImageGrid

_MAX_CURVES = 6  # detectors with curves
_MAX_HISTOGRAMS = 3
_MAX_BARS = 4  # detectors with bars over all tasks
_ALWAYS_WITH_BARS = ("egbad", "knn")
_MAX_TASKS_WITH_BARS = 12


@dataclass(frozen=True)
class HtmlCell:
    """A cell of a table of detectors.

    Parameters
    ----------
    mean, spread : str
    best : bool
        True for the significant winner of the column.
    """

    mean: str
    spread: str
    best: bool


@dataclass(frozen=True)
class HtmlTable:
    """A table with a row per detector.

    Parameters
    ----------
    headings : tuple of str
    rows : tuple of (DetectorRow, tuple of HtmlCell)
    has_failures : bool
        True if a run of the table failed.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[DetectorRow, tuple[HtmlCell, ...]], ...]
    has_failures: bool


def to_html(header: PageHeader, summary: BenchmarkSummary) -> str:
    """Write tables, charts and images as one HTML page.

    Parameters
    ----------
    header : PageHeader
    summary : BenchmarkSummary

    Returns
    -------
    str
    """
    n_tasks, rows = len(summary.tables), summary.overall
    condensed = bool(summary.comparisons) and n_tasks > MAX_SECTIONS
    digests = [(f"digest of {name}", digest) for name, digest in summary.digests.items()]
    return render_page(
        "benchmark.html.jinja",
        "egbad.benchmark",
        language="en",
        header=header,
        reading_note=READING_NOTE,
        n_tasks=n_tasks,
        overall_note=overall_note(n_tasks),
        overall=_table(overall_columns(rows), rows, summary.best, over_tasks=True) if rows else None,
        overall_figures=_overall_figures(summary) if rows else [],
        comparison_note=COMPARISON_NOTE,
        kind_note=KIND_NOTE,
        comparisons=[_comparison(comparison, summary.overall) for comparison in summary.comparisons],
        all_tables=table_rows(summary) if condensed else None,
        sections=[] if condensed else [_section(table, header) for table in summary.tables],
        facts=[*summary.versions.items(), *digests],
    )


def _comparison(comparison: BaselineComparison, overall: Sequence[DetectorRow]) -> dict[str, Any]:
    """Collect what a comparison with the better reference shows."""
    return {
        "title": comparison_title(comparison),
        "rows": comparison_rows(comparison, overall),
        "kinds": kind_tables(comparison),
    }


def _section(table: TaskTable, header: PageHeader) -> dict[str, Any]:
    """Collect what the section of a task shows."""
    return {
        "task": table.task,
        "facts_note": facts_note(table.facts),
        "notes": table.notes,
        "results": _table(table_columns(table), table.rows, table.best),
        "kinds": kind_rows(table),
        "published": published_rows(table),
        "figures": _task_figures(table),
        "grids": [
            (label, ImageGrid.from_dict(record["pictures"]))
            for label, record in table.example_runs.items()
            if "pictures" in record
        ],
        "most_anomalous": most_anomalous_rows(table, header) if header.agreement else [],
    }


def _table(
    columns: Sequence[MetricColumn], rows: Sequence[DetectorRow], best: Mapping[str, str], *, over_tasks: bool = False
) -> HtmlTable:
    """Format a table of detectors."""
    cells = [
        tuple(
            HtmlCell(*row_cell(row, column, with_spread=not over_tasks), best.get(column.metric) == row.label)
            for column in columns
        )
        for row in rows
    ]
    return HtmlTable(
        headings=("detector", "tasks" if over_tasks else "runs", *(column.heading for column in columns)),
        rows=tuple(zip(rows, cells, strict=True)),
        has_failures=any(row.failures for row in rows),
    )


def _overall_figures(summary: BenchmarkSummary) -> list[Figure]:
    """Return the charts over all tasks."""
    ranked = [row.label for row in summary.overall if "rank_auroc" in row.cells]
    figures = _cost_figure(summary.overall)
    if len(summary.tables) <= _MAX_TASKS_WITH_BARS:
        figures += [_bars_figure(summary.tables, ranked, column) for column in (AVERAGE_PRECISION, AUROC)]
    return figures


def _cost_figure(rows: Sequence[DetectorRow]) -> list[Figure]:
    """Return a chart of quality against the time of training, if there are labels."""
    dots = [
        Dot(row.label, row.cells["fit_seconds"].mean, row.cells["average_precision"].mean, row.label in BASELINES)
        for row in rows
        if "average_precision" in row.cells
    ]
    if not dots:
        return []
    chart = scatter_chart("Quality and training time", dots, "training time (s)", "average precision")
    legend = (LegendEntry("detectors", "normal"), LegendEntry("baselines", "anomaly"))
    return [Figure(chart, "Quality and training time", legend)]


def _bars_figure(tables: Sequence[TaskTable], labels: Sequence[str], column: MetricColumn) -> Figure:
    """Return a chart of a metric of the best detectors by task."""
    labels = [*labels[:_MAX_BARS], *(label for label in labels[_MAX_BARS:] if label in _ALWAYS_WITH_BARS)]
    groups = [re.sub(r".*, | left out| normal", "", table.task) for table in tables]
    cells = [{row.label: row.cells.get(column.metric) for row in table.rows} for table in tables]
    series = [
        [Bar(cell.mean, cell.spread) if (cell := of_task.get(label)) else None for of_task in cells] for label in labels
    ]
    title = f"{column.heading[0].upper()}{column.heading[1:]} by task"
    return Figure(bars_chart(title, groups, series, column.heading), title, _series_legend(labels))


def _series_legend(labels: Sequence[str]) -> tuple[LegendEntry, ...]:
    """Return a legend with an entry per series."""
    return tuple(LegendEntry(label, series_class(i)) for i, label in enumerate(labels))


def _task_figures(table: TaskTable) -> list[Figure]:
    """Return curves of the best detectors and of the untrained network, histograms, and quality against time."""
    labels = [row.label for row in table.rows if "curves" in table.example_runs.get(row.label, {})]
    if not labels:
        return []
    labels = [*labels[:_MAX_CURVES], *(label for label in labels[_MAX_CURVES:] if label == UNTRAINED)]
    curves = {label: table.example_runs[label]["curves"] for label in labels}
    base_rate = table.facts["base_rate"]
    at_base_rate, diagonal = Curve((0, 1), (base_rate, base_rate)), Curve((0, 1), (0, 1))
    precision_recall, roc = (
        [Curve(tuple(own[name]["x"]), tuple(own[name]["y"])) for own in curves.values()]
        for name in ("precision_recall", "roc")
    )
    legend = _series_legend(labels)
    return [
        Figure(
            rate_chart("Precision-recall curves", precision_recall, "recall", "precision", at_base_rate),
            "Precision-recall curves of one run each. Dotted: base rate.",
            legend,
        ),
        Figure(
            rate_chart("ROC curves", roc, "false-alarm rate", "recall", diagonal),
            "ROC curves of one run each. Dotted: chance.",
            legend,
        ),
        *_cost_figure(table.rows),
        *(_histogram_figure(label, curves[label]["histogram"]) for label in labels[:_MAX_HISTOGRAMS]),
    ]


def _histogram_figure(label: str, values: Mapping[str, Any]) -> Figure:
    """Return the histogram of the scores of a detector."""
    histogram = Histogram(tuple(values["edges"]), tuple(values["normals"]), tuple(values["anomalies"]), values["log"])
    title = f"Score distribution of {label}"
    return Figure(histogram_chart(title, histogram), title, NORMAL_AND_ANOMALY)
