"""Reports as Markdown."""

from collections.abc import Sequence

from egbad.report.evaluation import EvaluationReport
from egbad.report.facts import fact_rows, health_messages, metric_rows
from egbad.report.findings import FindingsReport
from egbad.report.findings_text import FindingsText
from egbad.report.messages import Messages

_MAX_VALUES = 20  # columns of a row that a cell shows


def evaluation_to_markdown(report: EvaluationReport) -> str:
    """Write an evaluation as Markdown: metrics, training health and settings.

    Parameters
    ----------
    report : EvaluationReport

    Returns
    -------
    str
    """
    health = [f"- {message}" for message in health_messages(report.description)]
    lines = [f"# {escape_cell(report.title)}", "", report.summary, ""]
    lines += [*markdown_table(("metric", "value"), metric_rows(report)), ""]
    lines += ["## Training health", "", *(health or ["Training finished without problems."]), ""]
    lines += ["## Model and data", ""]
    lines += [*markdown_table(("setting", "value"), fact_rows(report.data, report.description)), ""]
    lines += ["## Reproduce this report", "", f"    {report.command}", ""]
    return "\n".join(lines)


def findings_to_markdown(report: FindingsReport, language: str = "en") -> str:
    """Write findings as Markdown, without images.

    Parameters
    ----------
    report : FindingsReport
    language : {"en", "ja"}, default="en"

    Returns
    -------
    str

    Raises
    ------
    InvalidInputError
        If the language is unknown.
    """
    text = FindingsText(report, language)
    messages = text.messages
    health = [f"- {message}" for message in health_messages(report.description)]
    lines = [f"# {escape_cell(text.title)}", "", messages("model", model=report.model_name), "", text.summary, ""]
    if report.groups:
        lines += [f"## {messages(f'groups_{report.kind}')}", "", text.groups_note, ""]
        lines += [*(f"- {line}" for line in text.groups), ""]
    lines += [f"## {messages('top')}", "", text.top_note, "", *_findings_table(report, text), ""]
    lines += [messages.method(report.attribution_method), ""]
    lines += [f"## {messages('health')}", "", *(health or [messages("health_ok")]), ""]
    lines += [f"## {messages('details')}", ""]
    lines += [*markdown_table(("", ""), fact_rows(report.data, report.description)), ""]
    lines += [f"## {messages('command')}", "", f"    {report.command}", ""]
    return "\n".join(lines)


def _findings_table(report: FindingsReport, text: FindingsText) -> list[str]:
    """Return the table of findings."""
    messages = text.messages
    header = [messages(key) for key in ("location", "score", "p_value", "terms", "reasons", "values")]
    if report.kind == "images":
        header.pop()
    rows = [
        (
            messages.location(finding.location),
            f"{finding.score:.4g}",
            f"{finding.p_value:.4g}",
            messages.terms(finding.terms, finding.spread),
            "; ".join(text.reasons(finding)),
            _row_values(text.values(finding), messages),
        )[: len(header)]
        for finding in report.findings
    ]
    return markdown_table(header, rows)


def _row_values(values: Sequence[tuple[str, str]], messages: Messages) -> str:
    """Return the values of a row in one cell, the first ones of many."""
    cells = [f"{name} {value}" for name, value in values[:_MAX_VALUES]]
    if len(values) > _MAX_VALUES:
        cells.append(messages("more_values", n=len(values) - _MAX_VALUES))
    return messages("list_separator").join(cells)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    r"""Return the lines of a table.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequence of str
        Each as long as the header. Cells are escaped.

    Returns
    -------
    list of str

    Examples
    --------
    >>> markdown_table(("name", "value"), [("a|b", "1")])
    ['| name | value |', '| --- | --- |', '| a\\|b | 1 |']
    """
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(escape_cell(cell) for cell in line)} |" for line in lines]


def escape_cell(text: str) -> str:
    r"""Escape text so that it stays in one cell of a Markdown table.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> print(escape_cell("a|b\nc"))
    a\|b c
    """
    return " ".join(text.split()).replace("|", "\\|")
