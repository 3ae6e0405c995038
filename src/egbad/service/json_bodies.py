"""Bodies that are JSON: rows as objects or lists, or images in base64."""

import base64
import binascii
from http import HTTPStatus
from typing import Any

from pydantic_core import to_json

from egbad.data import Data
from egbad.errors import InvalidInputError, shorten
from egbad.service.bodies import InputReader, Submission, parse_json_body
from egbad.service.image_bodies import read_image_files
from egbad.service.problems import ProblemError

_KEYS = ("rows", "images")


def read_json_body(reader: InputReader, content: bytes, deadline: float) -> Submission:
    """Read an object with the key "rows" or "images".

    Parameters
    ----------
    reader : InputReader
    content : bytes
    deadline : float
        Time of `time.monotonic` at which reading stops.

    Returns
    -------
    Submission

    Raises
    ------
    InvalidInputError, ProblemError
        If the content does not match the model, or exceeds a limit.
    """
    body = parse_json_body(content)
    if not isinstance(body, dict) or len(body) != 1 or next(iter(body)) not in _KEYS:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, 'The body must be {"rows": [...]} or {"images": [...]}, got another one.'
        )
    kind, values = next(iter(body.items()))
    reader.require(kind)
    if not isinstance(values, list):
        raise ProblemError(HTTPStatus.BAD_REQUEST, f'The value of "{kind}" must be a list, got another one.')
    reader.check_count(len(values))
    if kind == "images":
        return read_image_files(reader, [decode_base64(i, value) for i, value in enumerate(values)], deadline)
    return read_json_rows(reader, values)


def read_json_rows(reader: InputReader, values: list[Any]) -> Submission:
    """Convert rows as JSON holds them.

    Parameters
    ----------
    reader : InputReader
    values : list
        One object or list for each row.

    Returns
    -------
    Submission

    Raises
    ------
    InvalidInputError
        If a row does not match the model.
    """
    scorer = reader.scorer
    try:
        split = [reader.json.split(value) for value in values]
        rows = [row for _, row in split]
        x = reader.json.parse_rows(rows)
        labels = reader.json.unknown_labels(rows, x)
    except RecursionError as error:
        raise InvalidInputError("A row must be an object or a list of values, got values nested too deeply.") from error
    repeated = [names for names, _ in split]
    return Submission(
        [Data(x, scorer.columns_, column_types=scorer.column_types_, category_labels=labels)],
        repeated if any(repeated) else [],
        lambda i: (to_json(_by_name(reader, values[i])), "application/json"),
    )


def _by_name(reader: InputReader, row: Any) -> dict[str, Any]:
    """Return a row as an object by column name."""
    if isinstance(row, dict):
        return row
    return dict(zip(reader.scorer.columns_ or map(str, range(len(row))), row, strict=True))


def decode_base64(i: int, value: Any) -> bytes:
    """Return the bytes of an image in base64.

    Parameters
    ----------
    i : int
        Position of the image, for the error message.
    value : object

    Returns
    -------
    bytes

    Raises
    ------
    InvalidInputError
    """
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        found = shorten(str(value), 20) if isinstance(value, str) else type(value).__name__
        raise InvalidInputError(f"Image {i} must be a file in base64, got {found}.") from error
