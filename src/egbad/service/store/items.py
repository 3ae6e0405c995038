"""Scored items as they come and as they are kept, reviews, and results of queries."""

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Floats
from egbad.errors import InvalidInputError, unknown
from egbad.output_files import printable

Verdict = Literal["confirmed", "dismissed", "undone"]
VERDICTS: tuple[Verdict, ...] = ("confirmed", "dismissed", "undone")


@dataclass(frozen=True)
class ScoredItem:
    """One scored row or image.

    Attributes
    ----------
    time : datetime
        Time of scoring, with a time zone.
    request_id : str
        Request that the item came with.
    model, version, digest : str
        Model that scored it: its name, its version and the digest of its file. Scores of different digests cannot be compared.
    key : str or None
        Name of the item in the user's data.
    score : float
        Finite; higher is more anomalous.
    p_value : float or None
    flagged : bool
        True if the score is above the threshold.
    alpha : float
        False-alarm rate of the threshold.
    payload : bytes or None
        The row as a JSON object by column name, or the image file.
    media_type : str or None
        Media type of the payload, such as "application/json" or "image/png".

    Raises
    ------
    InvalidInputError
        If the time has no zone, the score is not finite, or the p-value or alpha is not in [0, 1].
    """

    time: datetime
    request_id: str
    model: str
    version: str
    digest: str
    key: str | None
    score: float
    p_value: float | None
    flagged: bool
    alpha: float
    payload: bytes | None = None
    media_type: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        check_time("time", self.time)
        if not isfinite(self.score):
            raise InvalidInputError(f"score must be finite, got {self.score}.")
        for name, value in (("p_value", self.p_value), ("alpha", self.alpha)):
            if value is not None and not 0 <= value <= 1:
                raise InvalidInputError(f"{name} must be in [0, 1], got {value}.")


@dataclass(frozen=True)
class Review:
    """Judgement of a person on an item. All are kept, and the newest counts.

    Attributes
    ----------
    id, item_id : int
    verdict : {"confirmed", "dismissed", "undone"}
        "confirmed" for an anomaly, "dismissed" for a false alarm, "undone" if the earlier review was a mistake.
    reviewer : str
    time : datetime
    note : str
    """

    id: int
    item_id: int
    verdict: Verdict
    reviewer: str
    time: datetime
    note: str


@dataclass(frozen=True)
class StoredItem:
    """A scored item in the store.

    Attributes
    ----------
    id : int
        Number in the order of storing.
    item : ScoredItem
        Has the payload only where a query says so.
    verdict : {"confirmed", "dismissed"} or None
        Newest review. None if there is none, or it was undone.
    has_payload : bool
        True if the row or image is kept.
    """

    id: int
    item: ScoredItem
    verdict: Verdict | None
    has_payload: bool


@dataclass(frozen=True)
class ItemFilter:
    """Conditions that items must satisfy; None stands for any.

    Attributes
    ----------
    model, digest : str, optional
        Name of the model, and digest of its file.
    digests : tuple of str, optional
        Digests of files whose scores can be compared.
    since, until : datetime, optional
        Times of scoring, with a time zone; `until` is excluded.
    key : str, optional
        Text that the key contains, in upper or lower case.

    Raises
    ------
    InvalidInputError
        If a time has no zone.
    """

    model: str | None = None
    digest: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    key: str | None = None
    digests: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check the times."""
        for name in ("since", "until"):
            if (time := getattr(self, name)) is not None:
                check_time(name, time)


@dataclass(frozen=True)
class ItemPage:
    """Some items of a list.

    Attributes
    ----------
    items : tuple of StoredItem
        Without payloads.
    next : str or None
        Cursor of the next page, None on the last one.
    """

    items: tuple[StoredItem, ...]
    next: str | None


@dataclass(frozen=True)
class Counts:
    """Numbers of items.

    Attributes
    ----------
    scored, flagged : int
    confirmed, dismissed : int
        Flagged items with these reviews.
    missed : int
        Items that were not flagged and were confirmed as anomalies.
    """

    scored: int
    flagged: int
    confirmed: int
    dismissed: int
    missed: int

    @property
    def flagged_share(self) -> float:
        """Share of items that were flagged."""
        return self.flagged / self.scored

    @property
    def waiting(self) -> int:
        """Number of flagged items that are not reviewed."""
        return self.flagged - self.confirmed - self.dismissed


@dataclass(frozen=True)
class Period(Counts):
    """Numbers of items of one hour or day.

    Attributes
    ----------
    start : datetime
        Beginning, in UTC.
    """

    start: datetime


@dataclass(frozen=True)
class ModelCounts(Counts):
    """Numbers of items of one model.

    Attributes
    ----------
    model, version, digest : str
    first, last : datetime
        Times of the first and the last item.
    """

    model: str
    version: str
    digest: str
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Arrivals:
    """Scores in the order of arrival.

    Attributes
    ----------
    ids : ndarray of int of shape (n,)
        Numbers of the items, ascending.
    scores : ndarray of shape (n,)
    p_values : ndarray of shape (n,)
        NaN where an item has none.
    """

    ids: NDArray[np.int64]
    scores: Floats
    p_values: Floats


@dataclass(frozen=True)
class ScoreGroups:
    """Scores by flag and review.

    Attributes
    ----------
    unflagged : ndarray of shape (n,)
        Not flagged, and not confirmed.
    waiting, confirmed, dismissed : ndarray
        Flagged, by review.
    missed : ndarray
        Not flagged, and confirmed.
    """

    unflagged: Floats
    waiting: Floats
    confirmed: Floats
    dismissed: Floats
    missed: Floats


def check_verdict(verdict: str) -> Verdict:
    """Return a verdict if it exists.

    Raises
    ------
    InvalidInputError
    """
    for known in VERDICTS:
        if verdict == known:
            return known
    raise unknown("verdict", verdict, VERDICTS)


def check_time(name: str, time: datetime) -> None:
    """Raise unless a time has a time zone.

    Raises
    ------
    InvalidInputError
    """
    if time.utcoffset() is None:
        raise InvalidInputError(
            f"{name} must have a time zone, got {time}. Use for example datetime.now(timezone.utc)."
        )


def storable(text: str) -> str:
    r"""Return a text that every database can store: NUL and halves of surrogate pairs are escaped.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> storable("row\x00 1"), storable("caf\udce9")
    ('row\\x00 1', 'caf\\xe9')
    """
    if text.isascii() and "\x00" not in text:
        return text
    return printable(text).replace("\x00", "\\x00")
