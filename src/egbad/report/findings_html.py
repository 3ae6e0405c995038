"""The HTML page of a findings report."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from egbad.arrays import Array
from egbad.plot.heatmaps import heatmap
from egbad.plot.pixels import Pixels, png_data_uri, to_channels_first, to_pixels
from egbad.report.charts import Figure, LegendEntry, histogram_chart, loss_chart
from egbad.report.facts import fact_rows, health_messages
from egbad.report.findings import FindingImages, FindingsReport
from egbad.report.findings_text import FindingsText
from egbad.report.html import render_page
from egbad.report.messages import Messages, percent

_MAP_QUANTILE = 0.999  # of all pixels: the value of the brightest colour, safe from single outliers
_MAX_SIDE = 512  # pixels of a picture on the page
_PHOTOGRAPH = 64  # pixels of the longer side from which on images are shown large


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
        large=_are_large(report.images),
        heatmap_note=_heatmap_note(report.images, text.messages),
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
    levels = min(float(image.min()) for image in original), max(float(image.max()) for image in original)
    scale, encoded = images.scale or _common_scale(images.anomaly_map), []
    for i, x in enumerate(images.original):
        drawn = heatmap(x, images.anomaly_map[i], scale=scale, threshold=images.threshold, levels=levels)
        nearest = to_channels_first(images.nearest[i]) if len(images.nearest[i]) else ()
        expected = images.expected[i]
        has_expected = np.isfinite(expected).all() and not np.array_equal(expected, x)
        parts = [
            CaptionedImages(messages("image"), (_uri(to_pixels(original[i], *levels)),)),
            CaptionedImages(messages("anomaly_map"), (_uri(np.asarray(drawn)),)),
            CaptionedImages(
                messages("expected_image"),
                (_uri(to_pixels(to_channels_first(expected[None])[0], *levels)),) if has_expected else (),
            ),
            CaptionedImages(messages("nearest"), tuple(_uri(to_pixels(image, *levels)) for image in nearest)),
        ]
        encoded.append([part for part in parts if part.uris])
    return encoded


def _are_large(images: FindingImages | None) -> bool:
    """Return True for photographs, which show nothing at the size of small images."""
    return images is not None and any(max(image.shape[-2:]) >= _PHOTOGRAPH for image in images.original)


def _common_scale(maps: Array) -> tuple[float, float]:
    """Return a scale of colours for the maps of the findings alone, where no maps of normal images are known."""
    values = np.concatenate([one.ravel() for one in maps])
    low, high = np.quantile(values, (0.5, _MAP_QUANTILE)).tolist()
    return (low, high) if low < high else (low, low + 1)


def _uri(pixels: Pixels) -> str:
    """Return pixels as a data URI, large images at a reduced size."""
    image = Image.fromarray(pixels)
    image.thumbnail((_MAX_SIDE, _MAX_SIDE))
    return png_data_uri(np.asarray(image))


def _heatmap_note(images: FindingImages | None, messages: Messages) -> str | None:
    """Return the sentences that tell what colours and contours mean."""
    if images is None or images.scale is None or images.threshold is None or images.false_alarm_rate is None:
        return None
    low, high = (f"{value:.3g}" for value in images.scale)
    threshold, rate = f"{images.threshold:.3g}", percent(images.false_alarm_rate)
    return messages("heatmap_note", low=low, high=high, threshold=threshold, rate=rate)
