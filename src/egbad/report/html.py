"""A report as one HTML page that opens without a network."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

from egbad.report.charts import histogram_chart, loss_chart, rate_chart
from egbad.report.evaluation import Curve, EvaluationReport
from egbad.report.image_grid import ImageComparison, ImageGrid, Reconstructions, render_grid
from egbad.report.markdown import facts, health, measure_rows

WELL = "Training ended well: no collapse, no discriminator that has won."


def evaluation_to_html(report: EvaluationReport) -> str:
    """The report as one HTML page: pictures, table and charts, with nothing to load from anywhere."""
    body = template("page.html").substitute(
        title=escape(report.title),
        lead=escape(report.summary),
        measures=table(measure_rows(report)),
        health=health_list(health(report), WELL),
        pictures=_pictures(report.reconstructions) if report.reconstructions is not None else "",
        charts="\n".join(_charts(report)),
        facts=table(facts(report)),
        command=escape(report.command),
    )
    return document(report.title, body)


def document(title: str, body: str, language: str = "en") -> str:
    """A whole page around a body of HTML, with the style of all our pages in it."""
    style = files("egbad.report").joinpath("style.css").read_text(encoding="utf-8")
    return template("shell.html").substitute(title=escape(title), style=style, body=body, language=language)


def template(name: str) -> Template:
    """A piece of HTML with places to fill."""
    return Template(files("egbad.report").joinpath(name).read_text(encoding="utf-8"))


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Rows of a table of two columns."""
    return "\n".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)


def health_list(sentences: Sequence[str], well: str) -> str:
    """What went wrong in training; `well` where nothing did."""
    if not sentences:
        return f'<p class="well">{escape(well)}</p>'
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="ill">{items}</ul>'


def figure(chart: str, caption: str) -> str:
    """A chart with words below it; both are HTML."""
    return f"<figure>{chart}<figcaption>{caption}</figcaption></figure>"


def _charts(report: EvaluationReport) -> list[str]:
    m = report.metrics
    legend = '<span class="key normal"></span>normal <span class="key anomaly"></span>anomaly'
    rate = m.base_rate
    charts = [
        figure(histogram_chart("Scores", report.histogram, m.threshold), f"Scores: {legend}"),
        figure(
            rate_chart(
                "Precision and recall", report.precision_recall, "recall", "precision", Curve((0, 1), (rate, rate))
            ),
            f"Precision and recall; dotted: the base rate, {rate:.3f}",
        ),
        figure(
            rate_chart("ROC curve", report.roc, "false-alarm rate", "recall", Curve((0, 1), (0, 1))),
            f"ROC curve, area {m.auroc:.4f}; dotted: chance",
        ),
    ]
    names = {"D": "discriminator", "EG": "encoder and generator"}
    charts += [
        figure(loss_chart(f"Loss of {name}", report.losses, name), f"Training: {escape(names.get(name, name))}")
        for name in report.losses.values
    ]
    return charts


def _pictures(pictures: Reconstructions) -> str:
    return (
        "<section><h2>What it sees</h2><p>Left, held-out normal images; right, anomalies; each kind from its "
        "lowest score to its highest. What can't be rebuilt lights up in the difference.</p>"
        f"{image_grid_html(render_grid(pictures))}</section>"
    )


def image_grid_html(drawn: ImageGrid) -> str:
    """Images beside their reconstructions and differences, normals to the left, anomalies to the right."""
    heads = "".join(f"<th>{head}</th>" for head in ("held out", "rebuilt", "difference") * 2)
    n = max(len(drawn.normals), len(drawn.anomalies))
    rows = [_picture_row(drawn, i) for i in range(n)]
    return (
        f'<div class="scroll"><table class="pictures"><thead><tr><th colspan="3">normal</th><th colspan="3">anomaly</th></tr>'
        f"<tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _picture_row(drawn: ImageGrid, i: int) -> str:
    cells = []
    for kind, triples in (("normal", drawn.normals), ("anomaly", drawn.anomalies)):
        cells.append(_triple(triples[i], kind, drawn) if i < len(triples) else "<td></td>" * 3)
    return f"<tr>{''.join(cells)}</tr>"


def _triple(triple: ImageComparison, kind: str, drawn: ImageGrid) -> str:
    def image(uri: str, what: str) -> str:
        return f'<img src="{uri}" alt="{what}" width="{drawn.width}" height="{drawn.height}">'

    score = f'<span class="score {kind}">{triple.score:.3g}</span>'
    return (
        f"<td>{image(triple.original, f'{kind}, score {triple.score:.3g}')}{score}</td>"
        f"<td>{image(triple.rebuilt, 'its reconstruction')}</td><td>{image(triple.difference, 'their difference')}</td>"
    )
