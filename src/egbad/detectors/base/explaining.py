"""From what a method says of encoded input to the user's own columns, pixels and units."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from egbad.data.column_types import NUMBER
from egbad.explain.exemplars import where_unlike
from egbad.explain.explanation import Array, Attribution, Floats, LazyComparison
from egbad.explain.occlusion import farthest, occlusion
from egbad.preprocessing.range_guard import excess
from egbad.preprocessing.row_encoder import RowEncoder

if TYPE_CHECKING:
    from egbad.detectors.base.detector import Detector


_HIDDEN = 3  # columns are hidden, one at a time: each costs a score


def explained(detector: "Detector[Any]", x: Array) -> Attribution:
    """Why checked rows or images x (n, ...) have their scores."""
    encoded = detector.encoder_.encode(x)
    inside = detector._inside(encoded)
    parts = detector._shares(inside)
    shares, terms = parts.shares, parts.terms or detector._terms(inside)
    if detector.range_guard_ is not None:
        beyond = detector.range_guard_.range_penalty(excess(encoded, inside))
        shares, terms = shares + beyond, {**terms, "beyond": beyond.sum(axis=1)}
    if detector.kind_ == "images":
        shares = shares.sum(axis=1)
    else:
        shares = by_column(detector, shares)
        beside = (
            None
            if detector.normal_range_ is None
            else LazyComparison(encoded, parts.expected, partial(compared, detector))
        )
        parts = replace(parts, beside=beside)
    return replace(parts, shares=shares, terms=terms, expected=detector.encoder_.decode(parts.expected))


def by_hiding(detector: "Detector[Any]", x: Array) -> Attribution:
    """What columns or pixels of encoded x (n, ...) add to the score of a method that has no better way to say it.

    Of images by how they differ from normal ones like them, or by hiding patches where none are kept; of rows by hiding the
    columns that are farthest from the mean.
    """
    terms = detector._terms(x)
    score = np.asarray(sum(terms.values()))
    if detector.exemplars_ is not None:
        return replace(where_unlike(x, detector.encoder_.encode(detector.exemplars_), score), terms=terms)
    groups = hidden = None
    usual, encoder, blocks = detector._usual_input(), detector.encoder_, detector._blocks()
    if isinstance(encoder, RowEncoder):
        groups = np.arange(x.shape[1]) if blocks is None else blocks.source_columns
        hidden = farthest(x, usual, encoder.standard_deviation(), groups, _HIDDEN)
    found = occlusion(detector._score, x, usual, score, groups, hidden)
    return replace(found, terms=terms)


def distances(detector: "Detector[Any]", encoded: Array, expected: Array) -> Floats:
    """How far encoded rows (n, width) are from what was expected, for each of the user's columns (n, d)."""
    return by_column(detector, np.abs(encoded.astype(np.float64) - expected))


def by_column(detector: "Detector[Any]", values: Floats) -> Floats:
    """Values of encoded columns (n, width), added up for each of the user's columns (n, d)."""
    blocks = detector._blocks()
    return values if blocks is None else np.add.reduceat(values, np.r_[0, blocks.stops[:-1]], axis=1)


def compared(detector: "Detector[Any]", encoded: Array, expected: Array) -> tuple[Floats, Floats, Floats]:
    """How rare values so far from what was expected are among normal rows, and where they usually lie, (n, d) each."""
    usual, encoder, blocks = detector.normal_range_, detector.encoder_, detector._blocks()
    assert usual is not None
    assert isinstance(encoder, RowEncoder)
    reach = usual.reach()
    if blocks is not None:  # the first column of a block is a number itself
        spread = np.zeros(encoder.width)
        spread[np.r_[0, blocks.stops[:-1]]] = reach
        reach = spread
    lowest, highest = encoder.training_range()
    edges = np.concatenate([expected - reach, expected + reach])
    low, high = np.split(encoder.decode(np.clip(edges, lowest, highest)), 2)
    for j, kind in enumerate(detector.column_types_ or ()):
        if kind != NUMBER:
            low[:, j] = high[:, j] = np.nan
    return usual.tail(distances(detector, encoded, expected)), low, high
