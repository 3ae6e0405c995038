"""Tables of scores: one row of output for each row or image."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from egbad.arrays import Floats
from egbad.data import Data, take_rows
from egbad.data.arrow_columns import carried_cells
from egbad.data.column_types import CATEGORY, NUMBER, describe_value
from egbad.data.ragged import is_lazy
from egbad.data.stream import join_carried
from egbad.errors import InvalidInputError
from egbad.explain.explanation import Explanation
from egbad.scoring import calibration

Columns = dict[str, Any]  # columns of a table by name: arrays of shape (n_samples,), Arrow columns if they are carried
Advance = Callable[[int], None]
ScoreTerms = Callable[[Data], dict[str, Floats]]

SCORE_COLUMNS = ("score", "p_value", "anomaly", "discovery")
_BATCH_ROWS = 4096  # rows scored between two updates of the progress bar
_LAZY_BATCH_IMAGES = 32  # images that are decoded together: bounds memory


@dataclass(frozen=True)
class OutputColumns:
    """Columns that a table of scores contains.

    Attributes
    ----------
    threshold : float
        A row with a score above it is marked as an anomaly.
    terms : bool
        Whether the table contains the terms of the score.
    n_reasons : int, optional
        Number of columns, or of image regions, that explain the score of an anomaly.
    """

    threshold: float
    terms: bool
    n_reasons: int | None


def score_columns(
    scorer: Any,
    data: Data,
    output: OutputColumns,
    advance: Advance = lambda n: None,
    score_terms: ScoreTerms | None = None,
) -> Columns:
    """Score a batch and return the columns of its table.

    Parameters
    ----------
    scorer : Scorer
        Must have `explain` if the output contains reasons.
    data : Data
        Rows or images.
    output : OutputColumns
        Columns to return.
    advance : callable, optional
        Called with the number of rows scored since the last call.
    score_terms : callable, optional
        Computes the terms of a batch, in place of the scorer's method.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)
        - ``file``, ``row``: where each row comes from. Images have a file and no row; rows have a file if it is known;
        - the columns that the data carry, such as ids, as Arrow columns;
        - ``score``, ``p_value``, ``anomaly``;
        - one column per term;
        - for anomalies and i = 1, 2, ...: ``reason_i``, the column or region with the i-th largest share, and
          ``reason_i_share``. For images also ``reason_i_box``, the box of the region as "left,top,right,bottom",
          ``reason_i_size`` in pixels, and ``reason_i_peak``, the highest value of the anomaly map
          (see `egbad.explain.Region`). For tables also ``reason_i_observed`` and ``reason_i_expected`` as text,
          ``reason_i_low`` and ``reason_i_high``, the normal range, and ``reason_i_p_value`` (see `egbad.explain.Reason`).
    """
    origin: Columns = {"row": data.first_row + np.arange(len(data.x))}
    if data.files:
        origin = {"file": np.array(data.files)}
    elif data.source:
        origin = {"file": np.repeat(data.source, len(data.x))} | origin
    carried = {} if data.carried is None else dict(zip(data.carried.column_names, data.carried.columns, strict=True))
    check_carried_names(carried, (*origin, *SCORE_COLUMNS))
    terms = compute_terms(score_terms or scorer.score_terms, data, advance)
    scores = np.asarray(sum(terms.values()))
    p = calibration.p_values(scorer.calibration_scores_, scores)
    anomaly = scores > output.threshold
    reasons = _reason_columns(scorer, data, anomaly, output.n_reasons) if output.n_reasons else {}
    found = {"score": scores, "p_value": p, "anomaly": anomaly} | (terms if output.terms else {}) | reasons
    check_carried_names(carried, found)
    return origin | carried | found


def check_carried_names(carried: Iterable[str], names: Collection[str]) -> None:
    """Check that columns of the data can stand beside columns of scores.

    Parameters
    ----------
    carried : iterable of str
        Names of columns of the data.
    names : collection of str
        Names of columns of scores.

    Raises
    ------
    InvalidInputError
        For a name that both have.
    """
    for name in carried:
        if name in names:
            raise InvalidInputError(
                f"Columns that are written with the scores must have names of their own, got '{name}', which is a column of "
                "the scores. Rename it, or leave it out of --id-column and --keep-columns."
            )


def join_columns(parts: Sequence[Columns]) -> Columns:
    """Join tables of scores.

    Parameters
    ----------
    parts : sequence of dict of str to array
        At least one, all with the same names.

    Returns
    -------
    dict of str to array

    Raises
    ------
    InvalidInputError
        If a carried column has types that do not go together.
    """
    carried = [name for name, values in parts[0].items() if isinstance(values, pa.ChunkedArray)]
    table = join_carried([pa.table({name: part[name] for name in carried}) for part in parts]) if carried else None
    return {
        name: table[name] if table is not None and name in carried else np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }


def plain_cells(values: Any) -> list[Any]:
    """Return a column of a table of scores as values that CSV and JSON can hold.

    Parameters
    ----------
    values : ndarray or pyarrow.ChunkedArray of shape (n_samples,)

    Returns
    -------
    list of bool, int, float, str or None
        None for NaN. Of carried columns, times and other values are text, infinities too.
    """
    if isinstance(values, pa.ChunkedArray):
        return carried_cells(values)
    return [None if value != value else value for value in values.tolist()]


def take_columns(columns: Columns, rows: Any) -> Columns:
    """Select rows of a table of scores by position.

    Parameters
    ----------
    columns : dict of str to array of shape (n_samples,)
    rows : ndarray of int of shape (m,)

    Returns
    -------
    dict of str to array of shape (m,)
    """
    return {
        name: values.take(rows) if isinstance(values, pa.ChunkedArray) else values[rows]
        for name, values in columns.items()
    }


def compute_terms(score_terms: ScoreTerms, data: Data, advance: Advance = lambda n: None) -> dict[str, Floats]:
    """Compute the terms of the scores of a batch, with progress.

    Parameters
    ----------
    score_terms : callable
        Takes rows or images, and returns the terms of their scores, as the method of scorers does.
    data : Data
    advance : callable, optional
        Called with the number of rows scored since the last call.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)
    """
    batches, size = [], _LAZY_BATCH_IMAGES if is_lazy(data.x) else _BATCH_ROWS
    for start in range(0, len(data.x), size):
        x = data.x[start : start + size]
        files = None if data.files is None else data.files[start : start + size]
        batch = replace(data, x=x, files=files, labels=None, carried=None, first_row=data.first_row + start)
        batches.append(score_terms(batch))
        advance(len(x))
    return {name: np.concatenate([terms[name] for terms in batches]) for name in batches[0]}


def _reason_columns(scorer: Any, data: Data, anomaly: Any, n_reasons: int) -> Columns:
    """Return the reason columns, empty for rows that are no anomalies."""
    of_rows = scorer.kind_ == "rows"
    text_fields = ("", "_observed", "_expected") if of_rows else ("", "_box")
    number_fields = ("_share", "_low", "_high", "_p_value") if of_rows else ("_share", "_size", "_peak")
    columns: Columns = {}
    for i in range(1, n_reasons + 1):
        columns |= {f"reason_{i}{name}": np.full(len(anomaly), None, dtype=object) for name in text_fields}
        columns |= {f"reason_{i}{name}": np.full(len(anomaly), np.nan) for name in number_fields}
    rows = np.flatnonzero(anomaly)
    if len(rows):
        explanation = scorer.explain(take_rows(data, rows))
        fill = _fill_column_reasons if of_rows else _fill_region_reasons
        fill(columns, rows, explanation, n_reasons)
    return columns


def _fill_region_reasons(columns: Columns, rows: Any, explanation: Explanation, n_reasons: int) -> None:
    """Write the image regions with the largest shares into the reason columns."""
    for row, regions in zip(rows, explanation.regions(n_reasons), strict=True):
        for i, region in enumerate(regions, 1):
            box = (region.left, region.top, region.right, region.bottom)
            columns[f"reason_{i}"][row], columns[f"reason_{i}_box"][row] = region.name, ",".join(map(str, box))
            for name in ("share", "size", "peak"):
                columns[f"reason_{i}_{name}"][row] = getattr(region, name)


def _fill_column_reasons(columns: Columns, rows: Any, explanation: Explanation, n_reasons: int) -> None:
    """Write the table columns with the largest shares into the reason columns."""
    column_types = dict(zip(explanation.columns, explanation.column_types or (), strict=False))
    for row, reasons in zip(rows, explanation.top(n_reasons), strict=True):
        for i, reason in enumerate(reasons, 1):
            columns[f"reason_{i}"][row] = reason.column
            column_type = column_types.get(reason.column, NUMBER)
            for name in ("observed", "expected"):
                columns[f"reason_{i}_{name}"][row] = _as_text(column_type, getattr(reason, name))
            for name in ("share", "low", "high", "p_value"):
                value = getattr(reason, name)
                columns[f"reason_{i}_{name}"][row] = np.nan if value is None else value


def _as_text(column_type: str, value: Any) -> str | None:
    """Return a value as text that can be parsed again. None for a missing value."""
    if value is None:
        return None
    if column_type == CATEGORY:
        return str(value)
    return f"{value:.10g}" if column_type == NUMBER else describe_value(column_type, value)
