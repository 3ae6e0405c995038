"""What was measured or found, as a value, and three ways to write it down: JSON for machines, Markdown, one page of HTML."""

from egbad.report.evaluation import (
    Curve,
    EvaluationMetrics,
    EvaluationReport,
    Histogram,
    Losses,
    curves_of,
    evaluation_report,
    evaluation_to_json,
    to_jsonable,
)
from egbad.report.findings import Finding, FindingsReport, RowLocation, findings_report, findings_to_json
from egbad.report.findings_html import findings_to_html, findings_to_markdown
from egbad.report.html import document, evaluation_to_html, figure, image_grid_html
from egbad.report.image_grid import Reconstructions, render_grid, sample_by_score
from egbad.report.markdown import evaluation_to_markdown

__all__ = [
    "Curve",
    "EvaluationMetrics",
    "EvaluationReport",
    "Finding",
    "FindingsReport",
    "Histogram",
    "Losses",
    "Reconstructions",
    "RowLocation",
    "curves_of",
    "document",
    "evaluation_report",
    "evaluation_to_html",
    "evaluation_to_json",
    "evaluation_to_markdown",
    "figure",
    "findings_report",
    "findings_to_html",
    "findings_to_json",
    "findings_to_markdown",
    "image_grid_html",
    "render_grid",
    "sample_by_score",
    "to_jsonable",
]
