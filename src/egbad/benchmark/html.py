"""A benchmark's tables, charts and pictures as one page of HTML."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from egbad.benchmark.columns import (
    OVERALL_COLUMNS,
    QUALITY,
    MetricColumn,
    PageHeader,
    count,
    fact_words,
    kind_rows,
    overall_words,
    published_rows,
    shown,
    table_columns,
    tops,
)
from egbad.benchmark.suites import BASELINES
from egbad.benchmark.summary import BenchmarkSummary, DetectorRow, TaskTable
from egbad.report import charts, document, figure, image_grid_html
from egbad.report.evaluation import Curve, Histogram
from egbad.report.image_grid import ImageComparison, ImageGrid

AT_ONCE = 6  # detectors whose curves are drawn
BARS = 4  # detectors that have bars over all tasks


def to_html(head: PageHeader, summary: BenchmarkSummary) -> str:
    """Tables, charts and pictures as one page that needs no network."""
    parts = [
        f'<h1>{escape(head.title)}</h1><p class="lead">Protocol <code>{escape(head.protocol)}</code>: '
        f"{escape(head.meaning)}</p><pre>{escape(head.command)}</pre>"
        "<p>A figure is bold where its lead over the next is more than noise (paired over splits or tasks, 5 percent). "
        "± is the standard deviation over runs. The naive baselines and an untrained network stand in every table.</p>"
    ]
    if summary.overall:
        parts.append(_overall_html(summary))
    several = len(summary.tables) > 1
    for table in summary.tables:
        body = _table_html(table) + _tops_html(table, head)
        title = escape(table.task)
        parts.append(f"<details><summary>{title}</summary>{body}</details>" if several else f"<h2>{title}</h2>{body}")
    facts = [*summary.versions.items(), *((f"digest of {name}", digest) for name, digest in summary.digests.items())]
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts)
    parts.append(f'<h2>Made with</h2><div class="scroll"><table class="facts"><tbody>{rows}</tbody></table></div>')
    return document(head.title, "\n".join(parts))


def _overall_html(summary: BenchmarkSummary) -> str:
    tasks = len(summary.tables)
    rows = _html(OVERALL_COLUMNS, summary.overall, summary.best, tasks)
    shown = [row.label for row in summary.overall if "rank_auroc" in row.cells]
    drawn = [_cost_chart(summary.overall)]
    if tasks <= 12:
        drawn += [_bars(summary.tables, shown, measure) for measure in QUALITY[:2]]
    return (
        f"<h2>Over all {tasks} tasks</h2><p>{escape(overall_words(tasks))}</p>{rows}"
        f'<div class="charts">{"".join(drawn)}</div>'
    )


def _cost_chart(rows: Sequence[DetectorRow]) -> str:
    dots = [
        charts.Dot(
            row.label, row.cells["fit_seconds"].mean, row.cells["average_precision"].mean, row.label in BASELINES
        )
        for row in rows
        if "average_precision" in row.cells
    ]
    if not dots:
        return ""
    chart = charts.scatter_chart("Quality against cost", dots, "seconds to fit", "average precision")
    legend = '<span class="key normal"></span>others <span class="key anomaly"></span>naive'
    return figure(chart, f"Quality against cost: {legend}")


def _bars(tables: Sequence[TaskTable], labels: Sequence[str], column: MetricColumn) -> str:
    chosen = [*labels[:BARS], *(label for label in labels[BARS:] if label in ("egbad", "knn"))]
    groups = [re.sub(r".*, | left out| normal", "", table.task) for table in tables]
    by_task = [{row.label: row.cells.get(column.measure) for row in table.rows} for table in tables]
    series = [
        [charts.Bar(cell.mean, cell.spread) if (cell := of_task.get(label)) else None for of_task in by_task]
        for label in chosen
    ]
    chart = charts.bars_chart(f"{column.head} by task", groups, series, column.head)
    return figure(chart, f"{escape(column.head)}: {_legend(chosen)}")


def _legend(labels: Sequence[str]) -> str:
    keys = [f'<span class="key series c{i % charts.COLOURS}"></span>{escape(label)}' for i, label in enumerate(labels)]
    return " ".join(f'<span class="name">{key}</span>' for key in keys)


def _html(
    columns: Sequence[MetricColumn], rows: Sequence[DetectorRow], best: Mapping[str, str], tasks: int | None = None
) -> str:
    heads = ["detector", "runs" if tasks is None else "tasks", *(column.head for column in columns)]
    failed = any(row.failures for row in rows)
    lines = []
    for row in rows:
        cells = [escape(row.label), str(count(row))]
        cells += [_html_cell(row, column, best, spread=tasks is None) for column in columns]
        line = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f'{line}<td class="words">{escape("; ".join(row.failures))}</td>' if failed else line)
    head = "".join(f"<th>{escape(name)}</th>" for name in [*heads, *(["failed"] if failed else [])])
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="scroll"><table class="results"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _html_cell(row: DetectorRow, column: MetricColumn, best: Mapping[str, str], *, spread: bool) -> str:
    mean, around = shown(row, column, spread=spread)
    text = f'{mean} <span class="spread">± {around}</span>' if around else mean
    return f"<b>{text}</b>" if best.get(column.measure) == row.label else text


def _table_html(table: TaskTable) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    parts = [f"<p>{escape(fact_words(table.facts))}</p>", f'<ul class="notes">{notes}</ul>' if notes else ""]
    parts.append(_html(table_columns(table), table.rows, table.best))
    parts += [_grid(kind_rows(table))] if table.kinds else []
    if table.published:
        parts.append("<h3>Published beside ours</h3>" + _grid(published_rows(table), words=4))
    parts.append(_charts(table))
    parts += [_pictures(label, line["pictures"]) for label, line in table.shown.items() if "pictures" in line]
    return "".join(parts)


def _tops_html(table: TaskTable, head: PageHeader) -> str:
    if head.agreement is None:
        return ""
    a = head.agreement
    heads = "".join(f"<th>{escape(label)}</th>" for label in ("", *a.labels))
    lines = "".join(
        f"<tr><td>{escape(label)}</td>"
        + "".join(f'<td style="background:color-mix(in srgb, var(--c0) {50 * max(v, 0):.0f}%, transparent)">{v:.2f}</td>'
                  for v in row)
        + "</tr>"
        for label, row in zip(a.labels, a.correlations, strict=True)
    )  # fmt: skip
    rows = [["detector", "rows"], *([label, ", ".join(found)] for label, found in tops(table, head))]
    return (
        "<h3>How alike they order the rows</h3><p>Rank correlation of the scores of every two detectors.</p>"
        f'<div class="scroll"><table class="results"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'
        f"<h3>The most anomalous rows by each</h3><p>In falling order; the first row is 0.</p>{_grid(rows, words=1)}"
    )


def _grid(lines: Sequence[Sequence[str]], words: int | None = None) -> str:
    """Lines of cells, the head first; those from place `words` on hold words, not numbers."""
    head, *rest = lines
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(
            f'<td class="words">{escape(cell)}</td>' if words is not None and i >= words else f"<td>{escape(cell)}</td>"
            for i, cell in enumerate(line)
        ) + "</tr>"
        for line in rest
    )  # fmt: skip
    return (
        f'<div class="scroll"><table class="results"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _charts(table: TaskTable) -> str:
    """Curves of the best and of the untrained network, histograms of the best, quality against cost."""
    order = [row.label for row in table.rows if "curves" in table.shown.get(row.label, {})]
    if not order:
        return ""
    chosen = [*order[:AT_ONCE], *(label for label in order[AT_ONCE:] if label == BASELINES[-1])]
    curves = {label: table.shown[label]["curves"] for label in chosen}
    rate = table.facts["base_rate"]
    words = _legend(chosen)

    def of(name: str) -> list[Curve]:
        return [Curve(tuple(c[name]["x"]), tuple(c[name]["y"])) for c in curves.values()]

    drawn = [
        figure(
            charts.curves_chart("Precision and recall", of("precision_recall"), "recall", "precision",
                                Curve((0, 1), (rate, rate))),
            f"Precision and recall of one run: {words}",
        ),
        figure(
            charts.curves_chart("ROC curves", of("roc"), "false-alarm rate", "recall", Curve((0, 1), (0, 1))),
            f"ROC curves of one run: {words}",
        ),
        _cost_chart(table.rows),
    ]  # fmt: skip
    legend = '<span class="key normal"></span>normal <span class="key anomaly"></span>anomaly'
    for label in chosen[:3]:
        h = curves[label]["histogram"]
        histogram = Histogram(tuple(h["edges"]), tuple(h["normals"]), tuple(h["anomalies"]), h["log"])
        chart = charts.histogram_chart(f"Scores of {label}", histogram, float("nan"))
        drawn.append(figure(chart, f"Scores of {escape(label)}: {legend}"))
    return f'<div class="charts">{"".join(drawn)}</div>'


def _pictures(label: str, kept: Mapping[str, Any]) -> str:
    normals, anomalies = (tuple(ImageComparison(**one) for one in kept[kind]) for kind in ("normals", "anomalies"))
    drawn = ImageGrid(normals, anomalies, kept["reach"], kept["height"], kept["width"])
    return f"<h3>What {escape(label)} sees</h3>{image_grid_html(drawn)}"
