"""Use of reviews: measured precision, a threshold for a wanted false-alarm rate, and labelled rows for tuning."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from egbad.arrays import Floats
from egbad.errors import InvalidInputError, shorten
from egbad.scoring.calibration import check_rate
from egbad.scoring.intervals import binomial_interval
from egbad.service.store.items import ScoreGroups, StoredItem

ANOMALY, NORMAL = "anomaly", "normal"
_LARGEST = int(np.finfo(np.float64).max)
_ROUNDING = 1e-9  # absorbs the rounding of products such as 0.29 * 100


@dataclass(frozen=True)
class Precision:
    """Share of reviewed flags that were anomalies.

    Attributes
    ----------
    confirmed, dismissed : int
    share : float or None
        None without reviews.
    low, high : float
        Confidence interval (Clopper and Pearson, 1934).
    """

    confirmed: int
    dismissed: int
    share: float | None
    low: float
    high: float


def measured_precision(confirmed: int, dismissed: int, confidence: float = 0.95) -> Precision:
    """Estimate the precision of flags from reviews.

    The interval holds for all flags if the reviewed ones are a random sample of them. Where the highest scores are reviewed
    first, precision is overestimated until all are reviewed.

    Parameters
    ----------
    confirmed, dismissed : int
        Flagged items with these reviews.
    confidence : float, default=0.95
        In (0, 1).

    Returns
    -------
    Precision

    Raises
    ------
    InvalidInputError
        If the confidence is not in (0, 1).

    Examples
    --------
    >>> found = measured_precision(8, 2)
    >>> round(found.low, 3), found.share, round(found.high, 3)
    (0.444, 0.8, 0.975)
    """
    check_rate("confidence", confidence)
    n = confirmed + dismissed
    if not n:
        return Precision(0, 0, None, 0.0, 1.0)
    return Precision(confirmed, dismissed, confirmed / n, *binomial_interval(confirmed, n, confidence))


@dataclass(frozen=True)
class FalseAlarms:
    """Threshold for a false-alarm rate, from reviews.

    Attributes
    ----------
    threshold : float
        Score above which an item is to be flagged.
    rate : float
        Expected false-alarm rate at this threshold.
    current_rate : float
        Share of normal items that were flagged.
    normal_items : float
        Number of normal items, estimated where flags are not reviewed.
    """

    threshold: float
    rate: float
    current_rate: float
    normal_items: float


def threshold_for_false_alarms(groups: ScoreGroups, rate: float) -> FalseAlarms:
    """Choose the lowest threshold that flags at most a given share of normal items.

    Normal items are those that were dismissed and those that were not flagged. With a weight w of each dismissed flag and m
    normal items by weight, ``(1 + weight of normal scores above the threshold) / (m + 1)`` is at most the rate, as for
    calibration rows (`egbad.scoring.calibration.threshold`). It is assumed that

    - items that were not flagged are normal, except those that were confirmed. Anomalies among them raise the threshold;
    - reviewed flags are a random sample of all flags: each dismissed one stands for ``w = flagged / reviewed``;
    - all scores are of one model, and future normal items are like these.

    Parameters
    ----------
    groups : ScoreGroups
    rate : float
        False-alarm rate, in (0, 1).

    Returns
    -------
    FalseAlarms

    Raises
    ------
    InvalidInputError
        If flags wait and none is reviewed, or there are too few normal items for the rate.

    Examples
    --------
    >>> none = np.array([])
    >>> groups = ScoreGroups(np.arange(1.0, 96.0), none, none, np.arange(96.0, 100.0), none)
    >>> threshold_for_false_alarms(groups, 0.02).threshold
    98.0
    """
    check_rate("rate", rate)
    n_reviewed = len(groups.confirmed) + len(groups.dismissed)
    if not n_reviewed and len(groups.waiting):
        raise InvalidInputError(
            f"The false-alarm rate needs reviewed flags, and none of {len(groups.waiting):,} is reviewed. Review some first."
        )
    weight = (n_reviewed + len(groups.waiting)) / n_reviewed if n_reviewed else 1.0
    scores = np.concatenate([groups.unflagged, groups.dismissed])
    weights = np.concatenate([np.ones(len(groups.unflagged)), np.full(len(groups.dismissed), weight)])
    total = float(weights.sum())
    if not len(scores) or rate * (total + 1) + _ROUNDING < 1:
        raise InvalidInputError(
            f"A false-alarm rate of {rate:g} needs at least {int(np.ceil(1 / rate - 1 - _ROUNDING)):,} normal items, got "
            f"{total:,.0f}. Choose a higher rate, or wait for more items."
        )
    levels, above = _weight_above(scores, weights)
    expected = (1 + above) / (total + 1)
    chosen = int(np.flatnonzero(expected <= rate + _ROUNDING / (total + 1))[0])
    current = weight * len(groups.dismissed) / total
    return FalseAlarms(float(levels[chosen]), float(expected[chosen]), current, total)


def _weight_above(scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the distinct scores, ascending, and the weight of the scores above each."""
    levels, position = np.unique(scores, return_inverse=True)
    at = np.bincount(position, weights=weights, minlength=len(levels))
    return levels, np.append(at[::-1].cumsum()[::-1][1:], 0.0)


@dataclass(frozen=True)
class LabelledTable:
    """Items with labels, as a table.

    Attributes
    ----------
    table : pyarrow.Table
    has_rows : bool
        True if the columns are those of the rows. Otherwise they are `key`, `score` and `p_value`.
    n_left_out : int
        Items without a row, where others have one.
    """

    table: pa.Table
    has_rows: bool
    n_left_out: int


def labelled_table(items: Iterable[StoredItem], label_column: str = "label") -> LabelledTable:
    """Return reviewed items as a table with a column of labels, "anomaly" or "normal".

    Where rows are kept, the table has their columns and nothing else but the label, so that it can be learned from. Otherwise it
    has the key, the score and the p-value of each item.

    Parameters
    ----------
    items : iterable of StoredItem
        Items that are not confirmed count as normal.
    label_column : str, default="label"
        Name of the column of labels.

    Returns
    -------
    LabelledTable

    Raises
    ------
    InvalidInputError
        If the rows have a column of this name, or a row that is kept cannot be parsed.
    """
    scores, rows = list[dict[str, Any]](), list[dict[str, Any]]()
    for stored in items:
        label = {label_column: label_of(stored)}
        item = stored.item
        scores.append({"key": item.key, "score": item.score, "p_value": item.p_value} | label)
        if item.payload is not None and item.media_type == "application/json":
            row = _parse_row(stored.id, item.payload)
            if label_column in row:
                raise InvalidInputError(
                    f"The rows have a column '{shorten(label_column)}' already. Choose another name for the labels."
                )
            rows.append(row | label)
    if rows:
        return LabelledTable(_table(rows, label_column), True, len(scores) - len(rows))
    schema = pa.schema(
        [("key", pa.string()), ("score", pa.float64()), ("p_value", pa.float64()), (label_column, pa.string())]
    )
    return LabelledTable(pa.Table.from_pylist(scores, schema=schema), False, 0)


def label_of(stored: StoredItem) -> str:
    """Return the label of an item: "anomaly" if it is confirmed, else "normal"."""
    return ANOMALY if stored.verdict == "confirmed" else NORMAL


def _parse_row(number: int, payload: bytes) -> dict[str, Any]:
    """Return a kept row by column name; a list of values is named by position."""
    try:
        row = json.loads(payload)
    except ValueError as error:
        raise InvalidInputError(f"The row of item {number} cannot be parsed: {error}.") from error
    if isinstance(row, list):
        return {str(j): value for j, value in enumerate(row)}
    if not isinstance(row, dict):
        raise InvalidInputError(f"The row of item {number} must be a JSON object or list, got {type(row).__name__}.")
    return row


def _table(rows: Sequence[dict[str, Any]], label_column: str) -> pa.Table:
    """Return rows as a table with the columns of all of them, the labels last."""
    names = dict.fromkeys(name for row in rows for name in row if name != label_column)
    return pa.table({name: _column([row.get(name) for row in rows]) for name in [*names, label_column]})


def _column(values: Sequence[Any]) -> pa.Array:
    """Return values as an Arrow column: booleans, numbers, or text where they are mixed."""
    present = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in present):
        return pa.array(values, pa.bool_() if present else pa.null())
    if all(_is_number(value) and isinstance(value, int) and abs(value) < 2**63 for value in present):
        return pa.array(values, pa.int64())
    if all(_is_number(value) for value in present):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pa.array([None if text is None else text.encode("utf-8", "replace").decode() for text in texts], pa.string())


def _is_number(value: Any) -> bool:
    """Return True for a number that a float can hold."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) <= _LARGEST
    return isinstance(value, float)
