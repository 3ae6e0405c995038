"""The Jinja2 environment of all HTML pages, and the page of an evaluation.

Pages are complete in themselves: style, charts and images are part of the file, so that a page opens without a network.
Templates escape every value. Only charts, which `egbad.report.charts` escapes itself, are inserted as markup.
"""

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from egbad.report.charts import Figure, LegendEntry, histogram_chart, loss_chart, rate_chart
from egbad.report.curves import Curve
from egbad.report.evaluation import EvaluationReport
from egbad.report.facts import DEFECT_HEADER, DEFECT_NOTE, defect_rows, fact_rows, health_messages, metric_rows
from egbad.report.image_grid import render_grid

NORMAL_AND_ANOMALY = (LegendEntry("normal", "normal"), LegendEntry("anomaly", "anomaly"))
_PLAYERS = {"D": "discriminator", "EG": "encoder and generator", "G": "generator", "E": "encoder"}


@cache
def environment(*packages: str) -> Environment:
    """Return the Jinja2 environment that reads templates of packages. Values are escaped.

    Parameters
    ----------
    *packages : str
        Packages with a folder `templates`, searched in this order.

    Returns
    -------
    jinja2.Environment
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render_page(template: str, *packages: str, **values: object) -> str:
    """Render a template.

    Parameters
    ----------
    template : str
        Name of the template.
    *packages : str
        Packages with templates, searched before `egbad.report`.
    **values : object
        Values for the template.

    Returns
    -------
    str
    """
    return environment(*packages, "egbad.report").get_template(template).render(**values)


def evaluation_to_html(report: EvaluationReport) -> str:
    """Write an evaluation as one HTML page: metrics, images, charts, training health and settings.

    Parameters
    ----------
    report : EvaluationReport

    Returns
    -------
    str
    """
    return render_page(
        "evaluation.html.jinja",
        language="en",
        report=report,
        metrics=metric_rows(report),
        defect_header=DEFECT_HEADER,
        defects=defect_rows(report.defects),
        defect_note=DEFECT_NOTE,
        grid=None if report.reconstructions is None else render_grid(report.reconstructions),
        figures=[*_score_figures(report), *_loss_figures(report)],
        health=health_messages(report.description),
        facts=fact_rows(report.data, report.description),
    )


def _score_figures(report: EvaluationReport) -> list[Figure]:
    """Return the histogram, the precision-recall curve and the ROC curve."""
    m = report.metrics
    at_base_rate, diagonal = Curve((0, 1), (m.base_rate, m.base_rate)), Curve((0, 1), (0, 1))
    return [
        Figure(
            histogram_chart("Score distribution", report.histogram, m.threshold),
            "Score distribution",
            NORMAL_AND_ANOMALY,
        ),
        Figure(
            rate_chart("Precision-recall curve", [report.precision_recall], "recall", "precision", at_base_rate),
            f"Precision-recall curve. Dotted: base rate {m.base_rate:.3f}.",
        ),
        Figure(
            rate_chart("ROC curve", [report.roc], "false-alarm rate", "recall", diagonal),
            f"ROC curve, area {m.auroc:.4f}. Dotted: chance.",
        ),
    ]


def _loss_figures(report: EvaluationReport) -> list[Figure]:
    """Return a chart for each loss."""
    titles = {name: f"Training loss: {_PLAYERS.get(name, name)}" for name in report.losses.values}
    return [Figure(loss_chart(title, report.losses, name), title) for name, title in titles.items()]
