"""What was measured or found, as a value, and three ways to write it down: JSON for machines, Markdown, one page of HTML."""

from egbad.report.findings import Finding, Findings, findings
from egbad.report.findings import to_json as findings_to_json
from egbad.report.findings_page import findings_to_html, findings_to_markdown
from egbad.report.markdown import to_markdown
from egbad.report.page import document, figure, picture_table, to_html
from egbad.report.pictures import Pictures, draw, from_quiet_to_loud
from egbad.report.value import Curve, Histogram, Losses, Measures, Report, curves_of, evaluation_report, plain, to_json

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
    "plain",
    "to_html",
    "to_json",
    "to_markdown",
]
