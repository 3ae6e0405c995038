"""Scored items, as they come and as they are kept."""

from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from egbad.errors import InvalidInputError
from egbad.output_files import printable


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
    return printable(text).replace("\x00", "\\x00")
