"""Contents of result tables, independent of their form: columns, numbers and sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from egbad.benchmark.statistics import MetricCell, RankAgreement
from egbad.benchmark.summary import DetectorRow, TaskTable


@dataclass(frozen=True)
class PageHeader:
    """Head of a result page.

    Parameters
    ----------
    title : str
    protocol : str
        Name of the protocol.
    protocol_description : str
    command : str
        The command that makes the page.
    agreement : RankAgreement, optional
        Agreement of the detectors on rows without labels.
    row_names : tuple of str, optional
        Names of the rows, for instance file names. Rows are numbered by default.
    """

    title: str
    protocol: str
    protocol_description: str
    command: str
    agreement: RankAgreement | None = None
    row_names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class MetricColumn:
    """A column of a table.

    Parameters
    ----------
    metric : str
    heading : str
    number_format : str, default="{:.3f}"
    scale : float, default=1.0
        Factor from the metric to the number that is shown.
    """

    metric: str
    heading: str
    number_format: str = "{:.3f}"
    scale: float = 1.0


AVERAGE_PRECISION = MetricColumn("average_precision", "average precision")
AUROC = MetricColumn("auroc", "AUROC")
RANKING_COLUMNS = (
    AVERAGE_PRECISION,
    AUROC,
    MetricColumn("auroc_without_repeats", "AUROC without duplicates"),
    MetricColumn("pixel_auroc", "pixel AUROC"),
    MetricColumn("pro", "PRO"),
    MetricColumn("peaks_in_masks", "peaks in masks"),
)
TRAPEZOID_COLUMN = MetricColumn("trapezoid", "average precision by trapezoids")
TOP_SHARE_COLUMNS = (
    MetricColumn("precision", "precision of top share"),
    MetricColumn("recall", "recall of top share"),
    MetricColumn("f1", "F1 of top share"),
    MetricColumn("ties", "ties at the cut", "{:,.0f}"),
)
THRESHOLD_COLUMNS = (
    MetricColumn("false_alarms_1", "false alarms at alpha = 0.01", "{:.4f}"),
    MetricColumn("found_1", "recall at alpha = 0.01"),
    MetricColumn("false_alarms_5", "false alarms at alpha = 0.05", "{:.4f}"),
    MetricColumn("found_5", "recall at alpha = 0.05"),
)
FLAGGED_COLUMNS = (
    MetricColumn("flagged_1", "flagged at alpha = 0.01", "{:.4f}"),
    MetricColumn("flagged_5", "flagged at alpha = 0.05", "{:.4f}"),
)
COST_COLUMNS = (
    MetricColumn("fit_seconds", "fit (s)", "{:.1f}"),
    MetricColumn("scored_per_second", "scored per second", "{:,.0f}"),
    MetricColumn("peak_memory", "peak memory (MB)", "{:,.0f}", 1e-6),
)
_OVERALL_COLUMNS = (
    MetricColumn("average_precision", "mean average precision"),
    MetricColumn("rank_average_precision", "mean rank", "{:.1f}"),
    MetricColumn("auroc", "mean AUROC"),
    MetricColumn("rank_auroc", "mean rank", "{:.1f}"),
    MetricColumn("pixel_auroc", "mean pixel AUROC"),
    MetricColumn("pro", "mean PRO"),
    MetricColumn("peaks_in_masks", "mean peaks in masks"),
    MetricColumn("fit_seconds", "mean fit (s)", "{:.2f}"),
    MetricColumn("score_seconds", "mean score (s)", "{:.2f}"),
)

_METRIC_NAMES = {"f1": "F1 of top share", "average_precision": "average precision", "auroc": "AUROC"}

READING_NOTE = (
    "Bold marks the best detector if its lead over the second is significant (paired t-test over splits or tasks, 5%). "
    "± is the standard deviation over runs. Every table has naive baselines and an untrained network for comparison."
)


def table_columns(table: TaskTable) -> list[MetricColumn]:
    """Return the columns that at least one row of the table has.

    The trapezoid area is shown next to published figures only, because the papers' code computes it.

    Parameters
    ----------
    table : TaskTable

    Returns
    -------
    list of MetricColumn
    """
    known = {metric for row in table.rows for metric in row.cells}
    trapezoid = (TRAPEZOID_COLUMN,) if table.published else ()
    flagged = () if "auroc" in known else FLAGGED_COLUMNS
    columns = (*RANKING_COLUMNS, *trapezoid, *TOP_SHARE_COLUMNS, *THRESHOLD_COLUMNS, *flagged, *COST_COLUMNS)
    return [column for column in columns if column.metric in known]


def overall_columns(rows: Sequence[DetectorRow]) -> list[MetricColumn]:
    """Return the columns of the table over all tasks that at least one row has.

    Parameters
    ----------
    rows : sequence of DetectorRow

    Returns
    -------
    list of MetricColumn
    """
    known = {metric for row in rows for metric in row.cells}
    return [column for column in _OVERALL_COLUMNS if column.metric in known]


def format_cell(cell: MetricCell, column: MetricColumn) -> tuple[str, str]:
    """Format the mean and the standard deviation of a cell.

    Parameters
    ----------
    cell : MetricCell
    column : MetricColumn

    Returns
    -------
    mean, spread : str
        The spread is empty if it is unknown.
    """
    mean = column.number_format.format(cell.mean * column.scale)
    return mean, "" if cell.spread is None else column.number_format.format(cell.spread * column.scale)


def row_cell(row: DetectorRow, column: MetricColumn, *, with_spread: bool = True) -> tuple[str, str]:
    """Format the cell of a row.

    Parameters
    ----------
    row : DetectorRow
    column : MetricColumn
    with_spread : bool, default=True

    Returns
    -------
    mean, spread : str
        Empty if the row does not have the metric.
    """
    cell = row.cells.get(column.metric)
    mean, spread = format_cell(cell, column) if cell else ("", "")
    return mean, spread if with_spread else ""


def join_spread(mean: str, spread: str) -> str:
    """Join a mean and its standard deviation.

    Parameters
    ----------
    mean, spread : str

    Returns
    -------
    str

    Examples
    --------
    >>> join_spread("0.91", "0.02"), join_spread("0.91", "")
    ('0.91 ± 0.02', '0.91')
    """
    return f"{mean} ± {spread}" if spread else mean


def overall_note(n_tasks: int) -> str:
    """Explain the table over all tasks.

    Parameters
    ----------
    n_tasks : int

    Returns
    -------
    str
    """
    return (
        f"Each number is a mean over tasks. The rank on a task is 1 for the best of the detectors that finished all {n_tasks} "
        "tasks. Detectors with unfinished tasks come last, and their means cover the finished tasks only."
    )


def facts_note(facts: Mapping[str, Any]) -> str:
    """Describe the split of a task.

    Parameters
    ----------
    facts : mapping
        As in `TaskTable`.

    Returns
    -------
    str
    """
    if not facts:
        return "No run finished."
    sentences = [f"{facts['training_rows']:,} training rows, {facts['test_rows']:,} test rows."]
    if "base_rate" in facts:
        base_rate, top_share = facts["base_rate"], facts["top_share"]
        sentences += [
            f"The base rate is {base_rate:.4f}: the share of anomalies, and the average precision of a random ranking.",
            f"{facts['repeats']:,} test rows are duplicates of training rows.",
            f"The top share is the {top_share:.1%} of the test rows with the highest scores: recall / precision is "
            f"{top_share / base_rate:.4f} if no scores tie.",
        ]
    return " ".join(sentences)


def published_rows(table: TaskTable) -> list[list[str]]:
    """Return published figures next to ours.

    Parameters
    ----------
    table : TaskTable

    Returns
    -------
    list of list of str
        The first row is the header. Empty if nothing is published about the task.
    """
    if not table.published:
        return []
    cells = {row.label: row.cells for row in table.rows}
    rows = [["detector", "metric", "published", "ours", "paper", "source", "remarks"]]
    for figure, remarks in table.published:
        spread = "" if figure.spread is None else f"{figure.spread:.3f}"
        cell = cells.get(figure.label, {}).get(figure.metric)
        ours = join_spread(*format_cell(cell, AVERAGE_PRECISION)) if cell else ""
        published = join_spread(f"{figure.value:.3f}", spread)
        rows.append(
            [
                figure.label,
                _METRIC_NAMES[figure.metric],
                published,
                ours,
                figure.paper,
                figure.source,
                "; ".join(remarks),
            ]
        )
    return rows


def most_anomalous_rows(table: TaskTable, header: PageHeader) -> list[tuple[str, list[str]]]:
    """Return the names of the most anomalous rows of each detector.

    Parameters
    ----------
    table : TaskTable
    header : PageHeader

    Returns
    -------
    list of (str, list of str)
        Label, and names or numbers of the rows, highest score first.
    """
    names = header.row_names
    return [
        (label, [names[i] if names else str(i) for i in record["top"]]) for label, record in table.example_runs.items()
    ]


def kind_rows(table: TaskTable) -> list[list[str]]:
    """Return the AUROC of each detector on each kind of anomaly.

    Parameters
    ----------
    table : TaskTable

    Returns
    -------
    list of list of str
        The first row is the header. Empty if there is one kind of anomalies.
    """
    if not table.anomaly_counts:
        return []
    header = ["AUROC by kind of anomaly", *(f"{kind} ({n})" for kind, n in table.anomaly_counts.items())]
    rows = [
        [label, *(join_spread(*format_cell(cells[k], AUROC)) if k in cells else "" for k in table.anomaly_counts)]
        for label, cells in table.auroc_by_kind.items()
    ]
    return [header, *rows]
