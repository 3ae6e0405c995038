"""Explanation of a kept row or image by the model that scored it, as the page of an item shows it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from egbad.arrays import Floats
from egbad.data import Data
from egbad.explain.explanation import Explanation
from egbad.export.onnx_scorer import OnnxScorer
from egbad.plot.heatmaps import heatmap
from egbad.plot.pixels import png_data_uri, to_channels_first, to_pixels
from egbad.report.messages import Messages, percent
from egbad.service.image_bodies import read_image_files
from egbad.service.json_bodies import read_json_rows
from egbad.service.models import ServedModel
from egbad.service.pages.nearest import NormalImage, nearest_normal
from egbad.service.pages.texts import Texts
from egbad.service.pages.views import parse_row
from egbad.service.store import Store, StoredItem

_COLUMNS, _REGIONS = 8, 3  # that are shown
_LONGEST_SIDE = 1_024  # pixels of a picture; larger ones lose every second, third, ... row and column


@dataclass(frozen=True)
class ColumnPart:
    """Part of one column in the score of a row.

    Attributes
    ----------
    name, observed, expected, usual : str
        Name, value, expected value and range of similar normal rows; empty where they are not known.
    share : str
    width : float
        Share as a percentage.
    """

    name: str
    observed: str
    expected: str
    usual: str
    share: str
    width: float


@dataclass(frozen=True)
class ItemExplanation:
    """Explanation of one score.

    Attributes
    ----------
    columns : tuple of ColumnPart
        Of a row.
    pictures : tuple of (str, str)
        Captions and data URIs, of an image.
    sentences : tuple of str
    nearest : tuple of NormalImage, or None
        Normal images that are most like an image; None for rows.
    """

    columns: tuple[ColumnPart, ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()
    sentences: tuple[str, ...] = ()
    nearest: tuple[NormalImage, ...] | None = None


def explain_item(model: ServedModel, stored: StoredItem, store: Store, text: Texts, deadline: float) -> ItemExplanation:
    """Explain the score of a row or image that was kept.

    Parameters
    ----------
    model : ServedModel
        Scored the item.
    stored : StoredItem
        With its payload.
    store : Store
        Has normal images to compare with.
    text : Texts
    deadline : float
        Time of `time.monotonic` at which reading stops.

    Returns
    -------
    ItemExplanation

    Raises
    ------
    InvalidInputError, ProblemError
        If the payload does not fit the model, or the model explains nothing.
    """
    scorer, payload = model.scorer, stored.item.payload or b""
    if isinstance(scorer, OnnxScorer):
        scorer.check_explains()
    messages = Messages(text.language)
    if scorer.kind_ == "rows":
        data = read_json_rows(model.reader, [parse_row(payload)]).pieces[0]
        found = scorer.explain(data)
        return ItemExplanation(columns=_columns(found, messages), sentences=(messages.method(found.method),))
    data = read_image_files(model.reader, [payload], deadline).pieces[0]
    found = scorer.explain(data)
    regions = [messages.anomalous_region(region) for region in found.regions(_REGIONS)[0]]
    return ItemExplanation(
        pictures=_pictures(scorer, data, found, messages),
        sentences=(*regions, messages.method(found.method)),
        nearest=nearest_normal(model, stored, data, store, text, deadline),
    )


def _columns(found: Explanation, messages: Messages) -> tuple[ColumnPart, ...]:
    """Return the columns with the largest shares of a row's score."""
    types = dict(zip(found.columns, found.column_types or ("number",) * len(found.columns), strict=True))
    total = float(np.maximum(found.shares[0], 0).sum()) or 1.0
    parts = []
    for reason in found.top(_COLUMNS)[0]:
        kind, part = types[reason.column], max(0.0, reason.share / total)
        usual = (
            "" if reason.low is None else f"{messages.value(kind, reason.low)} … {messages.value(kind, reason.high)}"
        )
        expected = "" if reason.expected is None else messages.value(kind, reason.expected)
        observed = messages.value(kind, reason.observed)
        parts.append(
            ColumnPart(reason.column, observed, expected, usual, percent(min(part, 1.0)), 100 * min(part, 1.0))
        )
    return tuple(parts)


def _pictures(scorer: Any, data: Data, found: Explanation, messages: Messages) -> tuple[tuple[str, str], ...]:
    """Return an image, its heatmap, and the expected image where the model has one."""
    image, anomaly_map = np.asarray(data.x[0]), found.anomaly_map
    values = np.asarray(found.shares[0] if anomaly_map is None else anomaly_map[0], dtype=np.float64)
    original, expected = (to_channels_first(np.asarray(x)[None])[0] for x in (image, found.expected[0]))
    levels = float(original.min()), float(original.max())
    drawn = heatmap(image, values, scale=_scale(scorer, values, found), threshold=found.pixel_threshold, levels=levels)
    pictures = [
        (messages("image"), _uri(to_pixels(original, *levels))),
        (messages("anomaly_map"), _uri(np.asarray(drawn))),
    ]
    if expected.shape == original.shape and not np.array_equal(expected, original):
        pictures.append((messages("expected_image"), _uri(to_pixels(expected, *levels))))
    return tuple(pictures)


def _scale(scorer: Any, values: Floats, found: Explanation) -> tuple[float, float]:
    """Return the values of the darkest and brightest colour: one scale for all images, where maps of normal ones are known."""
    if found.pixel_threshold is not None and not isinstance(scorer, OnnxScorer):
        low, high = scorer.map_scale()
        return float(low), float(high)
    low, high = float(np.median(values)), float(values.max())
    return (low, high) if low < high else (low, low + 1)


def _uri(pixels: Any) -> str:
    """Return pixels as a data URI, large pictures at a reduced size."""
    step = -(-max(pixels.shape[:2]) // _LONGEST_SIDE)
    return png_data_uri(np.ascontiguousarray(pixels[::step, ::step]))
