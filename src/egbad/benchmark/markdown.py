"""A benchmark's tables as Markdown."""

import re
from collections.abc import Mapping, Sequence

from egbad.benchmark.columns import (
    OVERALL_COLUMNS,
    MetricColumn,
    PageHeader,
    count,
    fact_words,
    kind_rows,
    overall_words,
    plus_minus,
    published_rows,
    shown,
    table_columns,
    tops,
)
from egbad.benchmark.summary import BenchmarkSummary, DetectorRow, TaskTable


def to_markdown(head: PageHeader, summary: BenchmarkSummary) -> str:
    """Every table as Markdown; the best is bold where its lead is more than noise."""
    parts = [f"# {head.title}", "", f"Protocol `{head.protocol}`: {head.meaning}", "", f"    {head.command}", ""]
    if summary.overall:
        tasks = len(summary.tables)
        parts += [f"## Over all {tasks} tasks", "", overall_words(tasks), ""]
        parts += [*_markdown(OVERALL_COLUMNS, summary.overall, summary.best, tasks), ""]
    for table in summary.tables:
        parts += [f"## {table.task}", "", fact_words(table.facts), ""]
        parts += [*(f"- {note}" for note in table.notes), *([""] if table.notes else [])]
        parts += [*_markdown(table_columns(table), table.rows, table.best), ""]
        if table.kinds:
            parts += [*_grid(kind_rows(table)), ""]
        if table.published:
            lines = [[_one_line(cell) for cell in line] for line in published_rows(table)]
            parts += ["Published beside ours:", "", *_grid(lines), ""]
        parts += _agreement(table, head)
    parts += ["## Made with", "", *(f"- {name} {version}" for name, version in summary.versions.items())]
    parts += [f"- {name}: digest {digest}" for name, digest in summary.digests.items()]
    return "\n".join([*parts, ""])


def _markdown(
    columns: Sequence[MetricColumn], rows: Sequence[DetectorRow], best: Mapping[str, str], tasks: int | None = None
) -> list[str]:
    heads = ["detector", "runs" if tasks is None else "tasks", *(column.head for column in columns), "failed"]
    keep_failed = any(row.failures for row in rows)
    lines = [heads]
    for row in rows:
        cells = [_markdown_cell(row, column, best, spread=tasks is None) for column in columns]
        lines.append([row.label, str(count(row)), *cells, _one_line("; ".join(row.failures))])
    return _grid(lines if keep_failed else [line[:-1] for line in lines])


def _markdown_cell(row: DetectorRow, column: MetricColumn, best: Mapping[str, str], *, spread: bool) -> str:
    text = plus_minus(*shown(row, column, spread=spread))
    return f"**{text}**" if best.get(column.measure) == row.label else text


def _agreement(table: TaskTable, head: PageHeader) -> list[str]:
    """How alike the detectors order rows without labels, and which they find the most anomalous."""
    if head.agreement is None:
        return []
    a = head.agreement
    lines = [["", *a.labels]]
    lines += [[label, *(f"{v:.2f}" for v in row)] for label, row in zip(a.labels, a.correlations, strict=True)]
    return [
        *("How alike the detectors order the rows (rank correlation):", "", *_grid(lines), ""),
        *("The most anomalous rows by each, in falling order; the first row is 0:", ""),
        *(f"- {label}: {', '.join(rows)}" for label, rows in tops(table, head)),
        "",
    ]


def _grid(lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines of cells, the head first."""
    head, *rest = lines
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rest)]


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
