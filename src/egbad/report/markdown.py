"""Reports as Markdown. Text from data, files and models is escaped: it can neither add markup nor leave its place."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from egbad.report.evaluation import EvaluationReport
from egbad.report.facts import DEFECT_HEADER, DEFECT_NOTE, defect_rows, fact_rows, health_messages, metric_rows
from egbad.report.findings import FindingsReport
from egbad.report.findings_text import FindingsText
from egbad.report.messages import Messages

_MAX_VALUES = 20  # columns of a row that a cell shows

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# An underscore within a word, as in many column names, is no markup.
_MARKUP = re.compile(r"[\\`*\[\]<>|~&$]|(?<![^\W_])_|_(?![^\W_])")
_MARKUP_AT_START = re.compile(r"^(?:([#+=-])(?=[#+=-]*(?:\s|$))|(\d+)(?=[.)](?:\s|$)))")


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def evaluation_to_markdown(report: EvaluationReport) -> str:
    """Write an evaluation as Markdown: metrics, training health and settings.

    Parameters
    ----------
    report : EvaluationReport

    Returns
    -------
    str
    """
    lines = [f"# {escape(report.title)}", "", escape(report.summary), ""]
    lines += [*markdown_table(("metric", "value"), metric_rows(report)), ""]
    if report.defects:
        lines += ["## Defects", "", escape(DEFECT_NOTE), ""]
        lines += [*markdown_table(DEFECT_HEADER, defect_rows(report.defects)), ""]
    lines += ["## Training health", "", *_health(report.description, "Training finished without problems."), ""]
    lines += ["## Model and data", ""]
    lines += [*markdown_table(("setting", "value"), fact_rows(report.data, report.description)), ""]
    lines += ["## Reproduce this report", "", _code(report.command), ""]
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
    model = messages("model", model=report.model_name)
    lines = [f"# {escape(text.title)}", "", escape(model), "", escape(text.summary), ""]
    if report.groups:
        lines += [f"## {messages(f'groups_{report.kind}')}", "", escape(text.groups_note), ""]
        lines += [*(f"- {escape(line)}" for line in text.groups), ""]
    lines += [f"## {messages('top')}", "", escape(text.top_note), "", *_findings_table(report, text), ""]
    lines += [escape(messages.method(report.attribution_method)), ""]
    lines += [f"## {messages('health')}", "", *_health(report.description, messages("health_ok")), ""]
    lines += [f"## {messages('details')}", ""]
    lines += [*markdown_table(("", ""), fact_rows(report.data, report.description)), ""]
    lines += [f"## {messages('command')}", "", _code(report.command), ""]
    return "\n".join(lines)


def _health(description: Mapping[str, Any], none: str) -> list[str]:
    """Return a list of the problems of the training, or the sentence for none."""
    return [f"- {escape(message)}" for message in health_messages(description)] or [escape(none)]


def _code(command: str) -> str:
    """Return a command as a block of code of one line."""
    return f"    {_CONTROL.sub(' ', command)}"


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
        Each as long as the header. Cells are escaped unless they are `Markdown`.

    Returns
    -------
    list of str

    Examples
    --------
    >>> markdown_table(("name", "value"), [("a|b", "1")])
    ['| name | value |', '| --- | --- |', '| a\\|b | 1 |']
    """
    lines = [header, [Markdown("---")] * len(header), *rows]
    return [f"| {' | '.join(escape(cell) for cell in line)} |" for line in lines]


def escape(text: str) -> str:
    r"""Escape text for one line or one table cell of Markdown.

    Parameters
    ----------
    text : str
        `Markdown` is returned as it is.

    Returns
    -------
    Markdown

    Examples
    --------
    >>> print(escape("a|b\nsrc_bytes <b>*"))
    a\|b src_bytes \<b\>\*
    """
    if isinstance(text, Markdown):
        return text
    line = _MARKUP.sub(r"\\\g<0>", " ".join(_CONTROL.sub(" ", text).split()))
    return Markdown(_MARKUP_AT_START.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\", line))
