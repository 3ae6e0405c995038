"""The HTML page of a findings report."""

from dataclasses import dataclass

import numpy as np

from egbad.report.charts import Figure, LegendEntry, histogram_chart, loss_chart
from egbad.report.facts import fact_rows, health_messages
from egbad.report.findings import FindingImages, FindingsReport
from egbad.report.findings_text import FindingsText
from egbad.report.html import render_page
from egbad.report.image_grid import apply_magma, png_data_uri, to_channels_first, to_pixels
from egbad.report.messages import Messages

_MAP_QUANTILE = 0.999  # of the shares of all pixels: the value of the brightest colour, safe from single outliers


@dataclass(frozen=True)
class CaptionedImages:
    """Images under one caption.

    Parameters
    ----------
    caption : str
    uris : tuple of str
        PNG data URIs.
    """

    caption: str
    uris: tuple[str, ...]


def findings_to_html(report: FindingsReport, language: str = "en") -> str:
    """Write findings as one HTML page.

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
    largest = max((len(group.rows) for group in report.groups), default=1)
    images = [] if report.images is None else _encode_images(report.images, text.messages)
    return render_page(
        "findings.html.jinja",
        language=language,
        report=report,
        text=text,
        messages=text.messages,
        score_figure=_score_figure(report, text.messages),
        groups=[(len(group.rows) / largest, line) for group, line in zip(report.groups, text.groups, strict=True)],
        images=images,
        health=health_messages(report.description),
        loss_figures=_loss_figures(report, text.messages),
        facts=fact_rows(report.data, report.description),
    )


def _score_figure(report: FindingsReport, messages: Messages) -> Figure:
    """Return the histogram of the scores."""
    chart = histogram_chart(
        messages("scores"),
        report.histogram,
        report.threshold,
        x_label=messages("score"),
        y_label=messages("group_share"),
        threshold_label=messages("threshold"),
    )
    legend = (LegendEntry(messages("not_flagged"), "normal"), LegendEntry(messages("flagged"), "anomaly"))
    return Figure(chart, messages("scores"), legend)


def _loss_figures(report: FindingsReport, messages: Messages) -> list[Figure]:
    """Return a chart for each loss of the training."""
    figures = []
    for name in report.losses.values:
        title = messages("training", name=name)
        chart = loss_chart(title, report.losses, name, x_label=messages("step"), y_label=messages("loss", name=name))
        figures.append(Figure(chart, title))
    return figures


def _encode_images(images: FindingImages, messages: Messages) -> list[list[CaptionedImages]]:
    """Encode the images of each finding. All share one grey scale, and all anomaly maps share one colour scale."""
    original = [to_channels_first(image[None])[0] for image in images.original]
    expected = [to_channels_first(image[None])[0] for image in images.expected]
    low, high = min(float(image.min()) for image in original), max(float(image.max()) for image in original)
    shares = np.concatenate([one.ravel() for one in images.anomaly_map])
    brightest = float(np.quantile(shares, _MAP_QUANTILE)) or 1.0
    encoded = []
    for i in range(len(original)):
        nearest = to_channels_first(images.nearest[i]) if len(images.nearest[i]) else ()
        anomaly_map = apply_magma(np.clip(images.anomaly_map[i] / brightest, 0, 1))
        parts = [
            CaptionedImages(messages("image"), (png_data_uri(to_pixels(original[i], low, high)),)),
            CaptionedImages(messages("expected_image"), (png_data_uri(to_pixels(expected[i], low, high)),)),
            CaptionedImages(messages("anomaly_map"), (png_data_uri(anomaly_map),)),
            CaptionedImages(messages("nearest"), tuple(png_data_uri(to_pixels(image, low, high)) for image in nearest)),
        ]
        encoded.append([part for part in parts if part.uris])
    return encoded
