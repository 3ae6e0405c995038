"""Bodies of requests: media types, and the rows or images that they hold."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from egbad.data import ColumnSelection, Data
from egbad.data.csv_options import CsvDialect
from egbad.errors import InvalidInputError
from egbad.scoring.json_rows import JsonRowReader, MissingMarks, parse_json
from egbad.scoring.reading import read_options
from egbad.scoring.scorer import Scorer
from egbad.service.problems import ProblemError
from egbad.service.settings import ServiceSettings

ANSWER_KEYS = ("score", "p_value", "flagged", "terms", "explanation")  # of one row
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json_body(content: bytes) -> Any:
    """Parse a body that is JSON.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    object

    Raises
    ------
    InvalidInputError
        If the body is not one JSON value, or has a text that no answer can repeat.
    """
    body = parse_json(content, "The body")
    if _SURROGATE.search(content):
        try:
            json.dumps(body, ensure_ascii=False).encode()
        except (UnicodeEncodeError, RecursionError) as error:
            raise InvalidInputError("Texts must be valid Unicode, got half of a surrogate pair.") from error
    return body


@dataclass(frozen=True)
class Submission:
    """Rows or images of one request.

    Attributes
    ----------
    pieces : list of Data
        Consecutive rows or images; those of one piece can be joined.
    repeated : list of dict
        For each row the values that its answer repeats, such as ids. Empty if there are none.
    payload : callable
        Returns the content and the media type of the row at a position, to keep in the store.
    """

    pieces: list[Data]
    repeated: list[dict[str, Any]] = field(default_factory=list)
    payload: Callable[[int], tuple[bytes, str]] | None = None

    @property
    def rows(self) -> int:
        """Number of rows or images."""
        return sum(len(piece.x) for piece in self.pieces)

    @property
    def bytes(self) -> int:
        """Number of bytes in memory."""
        return sum(image.nbytes for piece in self.pieces for image in _arrays(piece))


def _arrays(piece: Data) -> Sequence[Any]:
    """Return the arrays that hold the numbers of a piece."""
    return list(piece.x) if piece.x.dtype == object else [piece.x]


class InputReader:
    """Conversion of bodies to what one model scores. Thread-safe.

    Parameters
    ----------
    scorer : Scorer
    settings : ServiceSettings
    keep : bool
        Whether rows may be kept in the store, so that tables are read with all their columns.
    """

    def __init__(self, scorer: Scorer, settings: ServiceSettings, *, keep: bool) -> None:
        self.scorer, self.settings, self.keep = scorer, settings, keep
        roles = scorer.column_roles_
        self.options = read_options(scorer, columns=ColumnSelection(kept=None if keep else ()))
        marks = MissingMarks.find(scorer.csv_dialect_ or CsvDialect())
        self.json = JsonRowReader(scorer, marks, ColumnSelection(roles, features=scorer.columns_), ANSWER_KEYS)

    def require(self, kind: str) -> None:
        """Raise unless the model scores "rows" or "images".

        Parameters
        ----------
        kind : {"rows", "images"}
        """
        if self.scorer.kind_ != kind:
            raise ProblemError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"The model scores {self.scorer.kind_}, got {kind}. Send {self.scorer.kind_}.",
            )

    def check_count(self, n: int) -> None:
        """Raise unless a request may have so many rows or images.

        Parameters
        ----------
        n : int
        """
        most = self.settings.max_rows
        if n > most:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"A request may have at most {most:,} {self.scorer.kind_}, got more. Send fewer at a time.",
            )
        if n == 0:
            raise ProblemError(HTTPStatus.BAD_REQUEST, f"A request must have {self.scorer.kind_}, got none.")
