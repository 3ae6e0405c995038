"""Reports on evaluations and on findings in unlabelled data, as HTML, Markdown and JSON."""

from egbad.report.evaluation import (
    DefectMetrics,
    EvaluationMetrics,
    EvaluationReport,
    evaluation_report,
    evaluation_to_json,
)
from egbad.report.findings import Finding, FindingsReport, RowLocation, findings_report, findings_to_json
from egbad.report.findings_html import findings_to_html
from egbad.report.html import evaluation_to_html
from egbad.report.image_grid import Reconstructions, sample_by_score
from egbad.report.markdown import evaluation_to_markdown, findings_to_markdown

__all__ = [
    "DefectMetrics",
    "EvaluationMetrics",
    "EvaluationReport",
    "Finding",
    "FindingsReport",
    "Reconstructions",
    "RowLocation",
    "evaluation_report",
    "evaluation_to_html",
    "evaluation_to_json",
    "evaluation_to_markdown",
    "findings_report",
    "findings_to_html",
    "findings_to_json",
    "findings_to_markdown",
    "sample_by_score",
]
