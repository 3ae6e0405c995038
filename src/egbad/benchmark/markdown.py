"""Result tables as Markdown."""

from collections.abc import Mapping, Sequence

from egbad.benchmark.columns import (
    READING_NOTE,
    MetricColumn,
    PageHeader,
    facts_note,
    join_spread,
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
from egbad.benchmark.summary import BenchmarkSummary, DetectorRow, TaskTable
from egbad.report.markdown import Markdown, escape, markdown_table


def to_markdown(header: PageHeader, summary: BenchmarkSummary) -> str:
    """Write all tables as Markdown.

    Parameters
    ----------
    header : PageHeader
    summary : BenchmarkSummary

    Returns
    -------
    str
    """
    protocol = f"Protocol `{header.protocol}`: {escape(header.protocol_description)}"
    lines = [f"# {escape(header.title)}", "", protocol, ""]
    lines += [f"    {header.command}", "", READING_NOTE, ""]
    lines += comparison_sections(summary)
    if summary.overall:
        n_tasks = len(summary.tables)
        lines += [f"## All {n_tasks} tasks", "", overall_note(n_tasks), ""]
        lines += [
            *_detector_table(overall_columns(summary.overall), summary.overall, summary.best, over_tasks=True),
            "",
        ]
    if summary.comparisons and len(summary.tables) > MAX_SECTIONS:
        lines += ["## Tables", "", "AUROC / average precision.", "", *_text_table(table_rows(summary)), ""]
    else:
        for table in summary.tables:
            lines += _task_section(table, header)
    lines += ["## Versions and data", "", *(f"- {name} {version}" for name, version in summary.versions.items())]
    lines += [f"- {name}: digest {digest}" for name, digest in summary.digests.items()]
    return "\n".join([*lines, ""])


def comparison_sections(summary: BenchmarkSummary) -> list[str]:
    """Write the comparisons with the better reference, over all tables and by kind of table.

    Parameters
    ----------
    summary : BenchmarkSummary

    Returns
    -------
    list of str
        Lines of Markdown; none if there is no comparison.
    """
    lines = []
    for comparison in summary.comparisons:
        lines += [f"## {escape(comparison_title(comparison))}", "", COMPARISON_NOTE, ""]
        lines += [*_text_table(comparison_rows(comparison, summary.overall)), ""]
        if comparison.n_by_kind:
            lines += [f"By kind of table. {KIND_NOTE}", ""]
        for table in kind_tables(comparison):
            rows = [[label, *(" ".join(cell) for cell in cells)] for label, cells in table.rows]
            lines += [*markdown_table([table.title, *table.headings], rows), ""]
    return lines


def _text_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table whose first row is the header."""
    return markdown_table(rows[0], rows[1:])


def _task_section(table: TaskTable, header: PageHeader) -> list[str]:
    """Return the section of a task."""
    lines = [f"## {escape(table.task)}", "", escape(facts_note(table.facts)), ""]
    if table.notes:
        lines += [*(f"- {escape(note)}" for note in table.notes), ""]
    lines += [*_detector_table(table_columns(table), table.rows, table.best), ""]
    kinds = kind_rows(table)
    if kinds:
        lines += [*markdown_table(kinds[0], kinds[1:]), ""]
    published = published_rows(table)
    if published:
        lines += ["Published figures and ours:", "", *markdown_table(published[0], published[1:]), ""]
    return lines + _agreement(table, header)


def _detector_table(
    columns: Sequence[MetricColumn], rows: Sequence[DetectorRow], best: Mapping[str, str], *, over_tasks: bool = False
) -> list[str]:
    """Return a table with a row per detector."""
    has_failures = any(row.failures for row in rows)
    header = ["detector", "tasks" if over_tasks else "runs", *(column.heading for column in columns)]
    lines = []
    for row in rows:
        cells = []
        for column in columns:
            text = join_spread(*row_cell(row, column, with_spread=not over_tasks))
            cells.append(Markdown(f"**{escape(text)}**") if best.get(column.metric) == row.label else text)
        failures = ["; ".join(row.failures)] if has_failures else []
        lines.append([row.label, str(row.n), *cells, *failures])
    return markdown_table([*header, "failures"] if has_failures else header, lines)


def _agreement(table: TaskTable, header: PageHeader) -> list[str]:
    """Return the rank correlations of the detectors and the most anomalous rows of each."""
    agreement = header.agreement
    if agreement is None:
        return []
    rows = [
        [label, *(f"{value:.2f}" for value in correlations)]
        for label, correlations in zip(agreement.labels, agreement.correlations, strict=True)
    ]
    return [
        *("Rank correlation of the scores of each pair of detectors:", ""),
        *(*markdown_table(["", *agreement.labels], rows), ""),
        *("Most anomalous rows of each detector, highest score first. Row numbers start at 0.", ""),
        *(f"- {escape(f'{label}: ' + ', '.join(names))}" for label, names in most_anomalous_rows(table, header)),
        "",
    ]
