"""What was measured or found, as a value, and three ways to write it down: JSON for machines, Markdown, one page of HTML."""

from egbad.report.evaluation import (
    Curve,
    Histogram,
    Losses,
    Measures,
    Report,
    curves_of,
    evaluation_report,
    to_json,
    to_jsonable,
)
from egbad.report.findings import Finding, Findings, findings
from egbad.report.findings import to_json as findings_to_json
from egbad.report.findings_html import findings_to_html, findings_to_markdown
from egbad.report.html import document, figure, picture_table, to_html
from egbad.report.image_grid import Pictures, draw, from_quiet_to_loud
from egbad.report.markdown import to_markdown

__all__ = [
    "Curve",
    "Finding",
    "Findings",
    "Histogram",
    "Losses",
    "Measures",
    "Pictures",
    "Report",
    "curves_of",
    "document",
    "draw",
    "evaluation_report",
    "figure",
    "findings",
    "findings_to_html",
    "findings_to_json",
    "findings_to_markdown",
    "from_quiet_to_loud",
    "picture_table",
    "to_html",
    "to_json",
    "to_jsonable",
    "to_markdown",
]
