"""Text of the comparison of detectors over many tables, independent of its form."""

from collections.abc import Sequence
from dataclasses import dataclass

from egbad.benchmark.columns import AUROC, AVERAGE_PRECISION, MetricColumn, row_cell
from egbad.benchmark.statistics import PairedDifference
from egbad.benchmark.summary import BenchmarkSummary, DetectorRow
from egbad.benchmark.table_comparison import BaselineComparison
from egbad.benchmark.table_kinds import GROUPS

MAX_SECTIONS = 30  # tasks that have a section of their own beside a comparison

_COSTS = (MetricColumn("fit_seconds", "fit (s)", "{:.2f}"), MetricColumn("score_seconds", "score (s)", "{:.2f}"))
_HEADINGS = {"auroc": "AUROC", "average_precision": "average precision"}

COMPARISON_NOTE = (
    "Each table counts once, with its mean over runs. Intervals hold the mean difference in 95% of bootstrap resamples of the "
    "tables. P-values come from Wilcoxon's signed-rank test, with Holm's correction for the number of detectors. Times are "
    "means over tables."
)

KIND_NOTE = "Mean difference, 95% interval, wins/ties/losses. The number of tables is in parentheses."


def comparison_title(comparison: BaselineComparison) -> str:
    """Return the title of a comparison.

    Parameters
    ----------
    comparison : BaselineComparison

    Returns
    -------
    str
    """
    return f"{capitalized(_HEADINGS[comparison.metric])}: difference to {comparison.baseline}"


def printed_rows(comparison: BaselineComparison) -> list[list[str]]:
    """Return the columns of a comparison that fit on a screen.

    Parameters
    ----------
    comparison : BaselineComparison

    Returns
    -------
    list of list of str
        The first row is the header.
    """
    rows = [
        [
            row.label,
            str(row.difference.n),
            f"{row.difference.mean:+.4f}",
            _interval(row.difference),
            format_p_value(row.corrected_p),
            _outcomes(row.difference),
        ]
        for row in comparison.rows
    ]
    return [["detector", "n", "mean", "95% interval", "p (Holm)", "w/t/l"], *rows]


def capitalized(text: str) -> str:
    """Return text with a first capital.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> capitalized("mean AUROC")
    'Mean AUROC'
    """
    return text[:1].upper() + text[1:]


def comparison_rows(comparison: BaselineComparison, overall: Sequence[DetectorRow]) -> list[list[str]]:
    """Return the table of a comparison.

    Parameters
    ----------
    comparison : BaselineComparison
    overall : sequence of DetectorRow
        Rows over all tasks, for the times.

    Returns
    -------
    list of list of str
        The first row is the header, the second the baseline.
    """
    by_label = {row.label: row for row in overall}

    def costs(label: str) -> list[str]:
        return [row_cell(by_label[label], column)[0] for column in _COSTS]

    mean = f"mean {_HEADINGS[comparison.metric]}"
    header = ["detector", "tables", mean, "difference", "95% interval", "median", "p (Holm)", "wins/ties/losses"]
    baseline = [
        f"{comparison.baseline} (baseline)",
        str(comparison.n_tables),
        f"{comparison.baseline_mean:.4f}",
        *[""] * 5,
    ]
    rows = [
        [
            row.label,
            str(row.difference.n),
            f"{row.mean:.4f}",
            f"{row.difference.mean:+.4f}",
            _interval(row.difference),
            f"{row.difference.median:+.4f}",
            format_p_value(row.corrected_p),
            _outcomes(row.difference),
            *costs(row.label),
        ]
        for row in comparison.rows
    ]
    return [[*header, *(column.heading for column in _COSTS)], [*baseline, *costs(comparison.baseline)], *rows]


@dataclass(frozen=True)
class KindTable:
    """Differences to the baseline on tables of each kind.

    Parameters
    ----------
    title : str
        Title of the group of kinds.
    headings : tuple of str
        Kinds with their number of tables.
    rows : tuple of (str, tuple of (str, str))
        Label of each detector; for each kind its mean difference, and interval with wins, ties and losses.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def kind_tables(comparison: BaselineComparison) -> list[KindTable]:
    """Return a table of the mean differences for each group of kinds.

    Parameters
    ----------
    comparison : BaselineComparison

    Returns
    -------
    list of KindTable
        Groups of a single kind are left out.
    """
    tables = []
    for group in GROUPS:
        counts = comparison.n_by_kind.get(group.title, {})
        kinds = [kind for kind in group.names if kind in counts]
        if len(kinds) < 2:
            continue
        headings = tuple(f"{kind} ({counts[kind]})" for kind in kinds)
        rows = tuple(
            (row.label, tuple(_kind_cell(row.by_kind.get(group.title, {}).get(kind)) for kind in kinds))
            for row in comparison.rows
        )
        tables.append(KindTable(group.title, headings, rows))
    return tables


def table_rows(summary: BenchmarkSummary) -> list[list[str]]:
    """Return a row for each table, with AUROC and average precision of all detectors.

    Parameters
    ----------
    summary : BenchmarkSummary

    Returns
    -------
    list of list of str
        The first row is the header.
    """
    labels = [row.label for row in summary.overall]
    rows = []
    for table in summary.tables:
        facts, by_label = table.facts, {row.label: row for row in table.rows}
        cells = [
            " / ".join(filter(None, (row_cell(by_label[label], column)[0] for column in (AUROC, AVERAGE_PRECISION))))
            if label in by_label
            else ""
            for label in labels
        ]
        numbers = [f"{facts[name]:,}" if name in facts else "" for name in ("training_rows", "test_rows", "columns")]
        shares = [f"{facts[name]:.2f}" if name in facts else "" for name in ("discrete_share", "base_rate")]
        rows.append([table.task, *numbers, *shares, *cells])
    return [["table", "training rows", "test rows", "columns", "discrete", "base rate", *labels], *rows]


def format_p_value(p: float) -> str:
    """Format a p-value.

    Parameters
    ----------
    p : float

    Returns
    -------
    str

    Examples
    --------
    >>> format_p_value(0.0421), format_p_value(3.2e-14), format_p_value(1.0)
    ('0.042', '3e-14', '1.000')
    """
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def _interval(difference: PairedDifference) -> str:
    return f"[{difference.low:+.4f}, {difference.high:+.4f}]"


def _outcomes(difference: PairedDifference) -> str:
    return f"{difference.wins}/{difference.ties}/{difference.losses}"


def _kind_cell(difference: PairedDifference | None) -> tuple[str, str]:
    """Format the mean difference on the tables of a kind, and its interval with wins, ties and losses."""
    if difference is None:
        return "", ""
    return f"{difference.mean:+.3f}", f"[{difference.low:+.3f}, {difference.high:+.3f}] {_outcomes(difference)}"
