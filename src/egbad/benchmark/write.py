"""A benchmark's tables as Markdown, as JSON and as one page of HTML with charts."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from egbad.benchmark.suites import NAIVE
from egbad.benchmark.summary import Agreement, Cell, Row, Summary, Table
from egbad.persistence import replacing
from egbad.report import charts, document, figure, picture_table, plain
from egbad.report.pictures import Drawn, Triple
from egbad.report.value import Curve, Histogram

AT_ONCE = 6  # detectors whose curves are drawn
BARS = 4  # detectors that have bars over all tasks


@dataclass(frozen=True)
class Head:
    """What stands above the tables: what was run, under which protocol, by which command."""

    title: str
    protocol: str
    meaning: str
    command: str
    agreement: Agreement | None = None
    names: tuple[str, ...] | None = None  # of the rows, where they have any


@dataclass(frozen=True)
class Column:
    """A column of a table: the measure, its head, and how a number is written."""

    measure: str
    head: str
    form: str = "{:.3f}"
    scale: float = 1.0


QUALITY = (
    Column("average_precision", "average precision"),
    Column("auroc", "AUROC"),
    Column("auroc_without_repeats", "AUROC without repeats"),
)
TOP_SHARE = (
    Column("precision", "precision, top share"),
    Column("recall", "recall, top share"),
    Column("f1", "F1, top share"),
    Column("ties", "ties", "{:,.0f}"),
)
THRESHOLDS = (
    Column("false_alarms_1", "false alarms at alpha 0.01", "{:.4f}"),
    Column("found_1", "found at alpha 0.01"),
    Column("false_alarms_5", "false alarms at alpha 0.05", "{:.4f}"),
    Column("found_5", "found at alpha 0.05"),
)
FLAGGED = (
    Column("flagged_1", "flagged at alpha 0.01", "{:.4f}"),
    Column("flagged_5", "flagged at alpha 0.05", "{:.4f}"),
)
COST = (
    Column("fit_seconds", "fit, s", "{:.1f}"),
    Column("scored_per_second", "scored per second", "{:,.0f}"),
    Column("peak_memory", "peak memory, MB", "{:,.0f}", 1e-6),
)
OVERALL = (
    Column("average_precision", "mean average precision"),
    Column("rank_average_precision", "mean rank", "{:.1f}"),
    Column("auroc", "mean AUROC"),
    Column("rank_auroc", "mean rank", "{:.1f}"),
    Column("fit_seconds", "mean fit, s", "{:.1f}"),
)


def columns(table: Table) -> list[Column]:
    """The columns that some row of the table has."""
    known = {measure for row in table.rows for measure in row.cells}
    quality = (*QUALITY, Column("trapezoid", "area as in the papers' code")) if table.published else QUALITY
    every = (*quality, *TOP_SHARE, *THRESHOLDS, *(() if "auroc" in known else FLAGGED), *COST)
    return [column for column in every if column.measure in known]


# -- Markdown ----------------------------------------------------------------------------------------------------------


def to_markdown(head: Head, summary: Summary) -> str:
    """Every table as Markdown; the best is bold where its lead is more than noise."""
    parts = [f"# {head.title}", "", f"Protocol `{head.protocol}`: {head.meaning}", "", f"    {head.command}", ""]
    if summary.overall:
        tasks = len(summary.tables)
        parts += [f"## Over all {tasks} tasks", "", _overall_words(tasks), ""]
        parts += [*_markdown(OVERALL, summary.overall, summary.best, tasks), ""]
    for table in summary.tables:
        parts += [f"## {table.task}", "", _fact_words(table.facts), ""]
        parts += [*(f"- {note}" for note in table.notes), *([""] if table.notes else [])]
        parts += [*_markdown(columns(table), table.rows, table.best), ""]
        parts += _published_markdown(table)
        parts += _tops_markdown(table, head)
    parts += ["## Made with", "", *(f"- {name} {version}" for name, version in summary.versions.items())]
    parts += [f"- {name}: digest {digest}" for name, digest in summary.digests.items()]
    return "\n".join([*parts, ""])


def _markdown(
    columns: Sequence[Column], rows: Sequence[Row], best: Mapping[str, str], tasks: int | None = None
) -> list[str]:
    heads = ["detector", "runs" if tasks is None else "tasks", *(column.head for column in columns), "failed"]
    keep_failed = any(row.failures for row in rows)
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        cells = [_markdown_cell(row, column, best, spread=tasks is None) for column in columns]
        lines.append([row.label, str(count(row)), *cells, _one_line("; ".join(row.failures))])
    return ["| " + " | ".join(line if keep_failed else line[:-1]) + " |" for line in lines]


def count(row: Row) -> int:
    """Runs or tasks that gave scores."""
    return max((cell.n for cell in row.cells.values()), default=0)


def _markdown_cell(row: Row, column: Column, best: Mapping[str, str], *, spread: bool) -> str:
    mean, around = _shown(row, column, spread=spread)
    text = f"{mean} ± {around}" if around else mean
    return f"**{text}**" if best.get(column.measure) == row.label else text


def _shown(row: Row, column: Column, *, spread: bool) -> tuple[str, str]:
    """Mean and, if it is to be shown, spread; empty where there is none."""
    cell = row.cells.get(column.measure)
    mean, around = numbers(cell, column) if cell else ("", "")
    return mean, around if spread else ""


def numbers(cell: Cell, column: Column) -> tuple[str, str]:
    """Mean and spread as they are written; the spread is empty where there is none."""
    mean = column.form.format(cell.mean * column.scale)
    return mean, column.form.format(cell.spread * column.scale) if cell.spread is not None else ""


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def _overall_words(tasks: int) -> str:
    return (
        f"Means over tasks of the means over runs. Ranks are among the detectors that finished all {tasks} tasks, on each of "
        "them 1 for the best; those that did not come last, their means are over fewer tasks."
    )


def _fact_words(facts: Mapping[str, Any]) -> str:
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


def _published_markdown(table: Table) -> list[str]:
    if not table.published:
        return []
    lines = [["published", "measure", "theirs", "ours", "paper", "how it came here", "doubts"], ["---"] * 7]
    lines += [[_one_line(cell) for cell in line] for line in published_rows(table)]
    return ["Published beside ours:", "", *("| " + " | ".join(line) + " |" for line in lines), ""]


def published_rows(table: Table) -> list[list[str]]:
    """Label, measure, their figure, ours, paper, source, doubts."""
    ours = {row.label: row.cells for row in table.rows}
    found = []
    for figure_, doubts in table.published:
        theirs = f"{figure_.value:.3f}" + (f" ± {figure_.spread:.3f}" if figure_.spread is not None else "")
        cell = ours.get(figure_.label, {}).get(figure_.measure)
        mean, around = numbers(cell, QUALITY[0]) if cell else ("", "")
        own = f"{mean} ± {around}" if around else mean
        measure = figure_.measure.replace("_", " ")
        found.append([figure_.label, measure, theirs, own, figure_.paper, figure_.source, "; ".join(doubts)])
    return found


def _tops_markdown(table: Table, head: Head) -> list[str]:
    if head.agreement is None:
        return []
    a = head.agreement
    lines = [["", *a.labels], ["---"] * (len(a.labels) + 1)]
    lines += [[label, *(f"{v:.2f}" for v in row)] for label, row in zip(a.labels, a.correlations, strict=True)]
    parts = ["How alike the detectors order the rows (rank correlation):", ""]
    parts += [
        *("| " + " | ".join(line) + " |" for line in lines),
        "",
        "The most anomalous rows by each, in falling order; the first row is 0:",
    ]
    return [*parts, "", *(f"- {label}: {', '.join(rows)}" for label, rows in tops(table, head)), ""]


def tops(table: Table, head: Head) -> list[tuple[str, list[str]]]:
    """The most anomalous rows by each detector, named or numbered from 0."""
    return [
        (label, [head.names[i] if head.names else str(i) for i in line["top"]]) for label, line in table.shown.items()
    ]


# -- HTML --------------------------------------------------------------------------------------------------------------


def to_html(head: Head, summary: Summary) -> str:
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


def _overall_html(summary: Summary) -> str:
    tasks = len(summary.tables)
    rows = _html(OVERALL, summary.overall, summary.best, tasks)
    shown = [row.label for row in summary.overall if "rank_auroc" in row.cells]
    drawn = [_cost_chart(summary.overall)]
    if tasks <= 12:
        drawn += [_bars(summary.tables, shown, measure) for measure in QUALITY[:2]]
    return (
        f"<h2>Over all {tasks} tasks</h2><p>{escape(_overall_words(tasks))}</p>{rows}"
        f'<div class="charts">{"".join(drawn)}</div>'
    )


def _cost_chart(rows: Sequence[Row]) -> str:
    dots = [
        charts.Dot(row.label, row.cells["fit_seconds"].mean, row.cells["average_precision"].mean, row.label in NAIVE)
        for row in rows
        if "average_precision" in row.cells
    ]
    if not dots:
        return ""
    chart = charts.scatter_chart("Quality against cost", dots, "seconds to fit", "average precision")
    legend = '<span class="key normal"></span>others <span class="key anomaly"></span>naive'
    return figure(chart, f"Quality against cost: {legend}")


def _bars(tables: Sequence[Table], labels: Sequence[str], column: Column) -> str:
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


def _html(columns: Sequence[Column], rows: Sequence[Row], best: Mapping[str, str], tasks: int | None = None) -> str:
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


def _html_cell(row: Row, column: Column, best: Mapping[str, str], *, spread: bool) -> str:
    mean, around = _shown(row, column, spread=spread)
    text = f'{mean} <span class="spread">± {around}</span>' if around else mean
    return f"<b>{text}</b>" if best.get(column.measure) == row.label else text


def _table_html(table: Table) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    parts = [f"<p>{escape(_fact_words(table.facts))}</p>", f'<ul class="notes">{notes}</ul>' if notes else ""]
    parts.append(_html(columns(table), table.rows, table.best))
    if table.published:
        heads = ("published", "measure", "theirs", "ours", "paper", "how it came here", "doubts")
        rows = "".join(
            "<tr>" + "".join(f'<td class="{"words" if i > 3 else ""}">{escape(cell)}</td>' for i, cell in enumerate(line))
            + "</tr>"
            for line in published_rows(table)
        )  # fmt: skip
        head = "".join(f"<th>{name}</th>" for name in heads)
        parts.append(
            '<h3>Published beside ours</h3><div class="scroll"><table class="results"><thead><tr>'
            f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )
    parts.append(_charts(table))
    parts += [_pictures(label, line["pictures"]) for label, line in table.shown.items() if "pictures" in line]
    return "".join(parts)


def _tops_html(table: Table, head: Head) -> str:
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
    rows = "".join(
        f"<tr><td>{escape(label)}</td>" + f'<td class="words">{escape(", ".join(found))}</td></tr>'
        for label, found in tops(table, head)
    )
    return (
        "<h3>How alike they order the rows</h3><p>Rank correlation of the scores of every two detectors.</p>"
        f'<div class="scroll"><table class="results"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'
        "<h3>The most anomalous rows by each</h3><p>In falling order; the first row is 0.</p>"
        f'<div class="scroll"><table class="results"><tbody>{rows}</tbody></table></div>'
    )


def _charts(table: Table) -> str:
    """Curves of the best and of the untrained network, histograms of the best, quality against cost."""
    order = [row.label for row in table.rows if "curves" in table.shown.get(row.label, {})]
    if not order:
        return ""
    chosen = [*order[:AT_ONCE], *(label for label in order[AT_ONCE:] if label == NAIVE[-1])]
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
    triples: Callable[[Any], tuple[Triple, ...]] = lambda kind: tuple(Triple(**one) for one in kept[kind])  # noqa: E731
    drawn = Drawn(triples("normals"), triples("anomalies"), kept["reach"], kept["height"], kept["width"])
    return f"<h3>What {escape(label)} sees</h3>{picture_table(drawn)}"


# -- files -------------------------------------------------------------------------------------------------------------


def as_json(head: Head, summary: Summary) -> dict[str, Any]:
    """The tables, JSON-able, without curves and pictures: those are in the lines of the runs."""
    whole = plain({"head": head, "summary": summary})
    for table, written in zip(summary.tables, whole["summary"]["tables"], strict=True):
        del written["shown"]
        written["most_anomalous"] = dict(tops(table, head))
    return dict(whole)


def to_json(head: Head, summary: Summary) -> str:
    """The tables as JSON."""
    return json.dumps(as_json(head, summary), indent=2, allow_nan=False) + "\n"


def write(folder: Path, head: Head, summary: Summary) -> list[Path]:
    """Write results.html, .md and .json into the folder -> their paths."""
    forms = {"html": to_html, "md": to_markdown, "json": to_json}
    written = []
    for suffix, form in forms.items():
        path = folder / f"results.{suffix}"
        with replacing(path) as draft:
            draft.write_text(form(head, summary), encoding="utf-8")
        written.append(path)
    return written
