"""Scores of the rows of several requests, computed together by the library."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from egbad.arrays import Array, Floats
from egbad.data import Data
from egbad.data.ragged import is_ragged
from egbad.errors import InvalidInputError
from egbad.explain.explanation import Explanation
from egbad.scoring import calibration

_MAX_REASONS = 3  # columns or regions of an explanation


@dataclass(frozen=True)
class Piece:
    """Rows or images of one request that are scored together.

    Attributes
    ----------
    data : Data
    explain : bool
        Whether the scores are explained.
    """

    data: Data
    explain: bool = False

    @property
    def key(self) -> Hashable:
        """Value that is equal for pieces that can be joined."""
        return data_key(self.data), self.explain


@dataclass(frozen=True)
class Scored:
    """Scores of a piece.

    Attributes
    ----------
    scores, p_values : ndarray of shape (n_samples,)
    flagged : ndarray of bool of shape (n_samples,)
    terms : mapping of str to ndarray of shape (n_samples,)
    reasons : list of list of dict, optional
        For each row the columns, or regions of the image, with the largest shares of the score.
    """

    scores: Floats
    p_values: Floats
    flagged: Array
    terms: Mapping[str, Floats]
    reasons: list[list[dict[str, Any]]] | None = None


def data_key(data: Data) -> Hashable:
    """Return a value that is equal for data that can be joined.

    Parameters
    ----------
    data : Data

    Returns
    -------
    hashable
    """
    if is_ragged(data.x):
        return tuple((image.shape, image.dtype.str) for image in data.x), "objects"
    return data.x.shape[1:], data.x.dtype.str, data.columns, data.column_types


def join_data(parts: Sequence[Data]) -> Data:
    """Join data with one key.

    Parameters
    ----------
    parts : sequence of Data

    Returns
    -------
    Data
    """
    if len(parts) == 1:
        return parts[0]
    return replace(parts[0], x=np.concatenate([part.x for part in parts]), carried=None)


def score_pieces(scorer: Any, threshold: float, pieces: Sequence[Piece]) -> list[Scored]:
    """Score pieces with one key.

    Parameters
    ----------
    scorer : Scorer
        Must have `explain` if the scores are explained.
    threshold : float
        Scores above it are flagged.
    pieces : sequence of Piece

    Returns
    -------
    list of Scored
        In the order of the pieces. Each is what the library returns for the piece alone.

    Raises
    ------
    InvalidInputError
        If one of the pieces does not match the model, or a score is not finite.
    """
    terms = scorer.score_terms(join_data([piece.data for piece in pieces]))
    scores = np.asarray(sum(terms.values()))
    if not np.isfinite(scores).all():
        raise InvalidInputError("Scores must be finite, got one that is not. Check the values of the rows.")
    p_values = calibration.p_values(scorer.calibration_scores_, scores)
    results, start = [], 0
    for piece in pieces:
        rows = slice(start, start + len(piece.data.x))
        start = rows.stop
        reasons = _reasons(scorer, piece.data) if piece.explain else None
        own_terms = {name: values[rows] for name, values in terms.items()}
        results.append(Scored(scores[rows], p_values[rows], scores[rows] > threshold, own_terms, reasons))
    return results


def _reasons(scorer: Any, data: Data) -> list[list[dict[str, Any]]]:
    """Return the reasons of each row, or the regions of each image, as JSON holds them."""
    explanation: Explanation = scorer.explain(data)
    if scorer.kind_ == "rows":
        return [[vars(reason) for reason in reasons] for reasons in explanation.top(_MAX_REASONS)]
    return [
        [
            {
                "region": region.name,
                "share": region.share,
                "box": [region.left, region.top, region.right, region.bottom],
                "size": region.size,
                "peak": region.peak,
            }
            for region in regions
        ]
        for regions in explanation.regions(_MAX_REASONS)
    ]
