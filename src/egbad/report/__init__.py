"""What was measured, as a value, and three ways to write it down: JSON for machines, Markdown, one page of HTML."""

from egbad.report.markdown import to_markdown
from egbad.report.page import to_html
from egbad.report.pictures import Pictures
from egbad.report.value import Curve, Histogram, Losses, Measures, Report, curves_of, evaluation_report, plain, to_json

__all__ = [
    "Curve",
    "Histogram",
    "Losses",
    "Measures",
    "Pictures",
    "Report",
    "curves_of",
    "evaluation_report",
    "plain",
    "to_html",
    "to_json",
    "to_markdown",
]
