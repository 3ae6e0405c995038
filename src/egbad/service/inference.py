"""Rows and images of a model as tensors of the Open Inference Protocol."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import numpy as np

from egbad.arrays import Array
from egbad.data import Data
from egbad.data.column_types import BOOLEAN, NUMBER
from egbad.errors import InvalidInputError, shorten
from egbad.service.bodies import InputReader, Submission
from egbad.service.image_bodies import read_image_files
from egbad.service.json_bodies import decode_base64, read_json_rows
from egbad.service.models import ServedModel
from egbad.service.problems import ProblemError
from egbad.service.scoring import Scored
from egbad.service.tensors import BOOL, BYTES, Tensor

ROWS, IMAGES = "rows", "images"
_TERM = "term."
_DATATYPES = {NUMBER: "FP64", BOOLEAN: BOOL}


def describe_inputs(model: ServedModel) -> list[dict[str, Any]]:
    """Return the metadata of a model's inputs.

    Parameters
    ----------
    model : ServedModel

    Returns
    -------
    list of dict
        One tensor for rows of numbers or for images, or one for each column.
    """
    scorer = model.scorer
    if scorer.kind_ == "images":
        shape = list(scorer.shape_) if scorer.min_image_side is None else [*scorer.shape_[:-2], -1, -1]
        return [{"name": IMAGES, "datatype": "UINT8", "shape": [-1, *shape]}]
    if scorer.column_types_ is None:
        return [{"name": ROWS, "datatype": "FP64", "shape": [-1, scorer.n_features_in_]}]
    columns = zip(_column_names(scorer), scorer.column_types_, strict=True)
    return [{"name": name, "datatype": _DATATYPES.get(kind, BYTES), "shape": [-1]} for name, kind in columns]


def describe_outputs(terms: Sequence[str]) -> list[dict[str, Any]]:
    """Return the metadata of the outputs.

    Parameters
    ----------
    terms : sequence of str
        Names of the terms of the score.

    Returns
    -------
    list of dict
    """
    numbers = ("score", "p_value", *(_TERM + name for name in terms))
    outputs = [{"name": name, "datatype": "FP64", "shape": [-1]} for name in numbers]
    return [*outputs, {"name": "flagged", "datatype": BOOL, "shape": [-1]}]


def read_tensors(reader: InputReader, tensors: Sequence[Tensor], deadline: float) -> Submission:
    """Convert the tensors of a request to what a model scores.

    Parameters
    ----------
    reader : InputReader
    tensors : sequence of Tensor
    deadline : float
        Time of `time.monotonic` at which reading stops.

    Returns
    -------
    Submission

    Raises
    ------
    InvalidInputError, ProblemError
        If the tensors do not match the model, or exceed a limit.
    """
    first, name = tensors[0], ROWS if reader.scorer.kind_ == "rows" else IMAGES
    n = first.shape[0]
    reader.check_count(n)
    if len(tensors) > reader.settings.max_columns:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request may have at most {reader.settings.max_columns:,} inputs."
        )
    if name == IMAGES or (first.name == ROWS and len(first.shape) == 2):
        if len(tensors) != 1 or first.name != name:
            raise InvalidInputError(
                f"The model takes one input '{name}', got {len(tensors)} beginning with '{shorten(first.name)}'."
            )
        return _read_images(reader, first, deadline) if name == IMAGES else _read_rows(reader, first)
    return _read_columns(reader, tensors, n)


def _read_images(reader: InputReader, tensor: Tensor, deadline: float) -> Submission:
    """Read images as pixels, or as files: in base64 if they come as JSON."""
    if tensor.datatype == BYTES:
        files = [
            value if isinstance(value, bytes) else decode_base64(i, value) for i, value in enumerate(tensor.values)
        ]
        return read_image_files(reader, files, deadline)
    if tensor.datatype == BOOL:
        raise InvalidInputError("Pixels must be numbers, got the datatype BOOL.")
    return Submission([Data(np.ascontiguousarray(tensor.values))])


def _read_rows(reader: InputReader, tensor: Tensor) -> Submission:
    """Read rows of numbers (n, d)."""
    scorer = reader.scorer
    if tensor.datatype == BYTES or scorer.column_types_ is not None:
        raise InvalidInputError(f"Only rows of numbers fit into the input '{ROWS}'. Send one input for each column.")
    return Submission(
        [Data(tensor.values.astype(np.float64), scorer.columns_)],
        payload=lambda i: _row_payload(reader, tensor.values[i]),
    )


def _read_columns(reader: InputReader, tensors: Sequence[Tensor], n: int) -> Submission:
    """Read rows of which each column is a tensor (n,) or (n, 1)."""
    columns: dict[str, list[Any]] = {}
    for tensor in tensors:
        if tensor.shape not in ((n,), (n, 1)):
            raise InvalidInputError(
                f"Columns must have the shape ({n},) or ({n}, 1), got {tensor.shape} for '{shorten(tensor.name)}'."
            )
        if tensor.name in columns:
            raise InvalidInputError(f"Inputs must have different names, got '{shorten(tensor.name)}' twice.")
        columns[tensor.name] = _cells(tensor)
    rows: list[Any] = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if reader.scorer.columns_ is None:
        rows = [_in_order(reader, row) for row in rows]
    return read_json_rows(reader, rows)


def _in_order(reader: InputReader, row: dict[str, Any]) -> list[Any]:
    """Return a row of a model without column names, whose inputs are named by their positions."""
    names = _column_names(reader.scorer)
    if {*row} != {*names}:
        raise InvalidInputError("The inputs must be those that the model's metadata lists, got others.")
    return [row[name] for name in names]


def _cells(tensor: Tensor) -> list[Any]:
    """Return the values of a column as JSON holds them."""
    if tensor.datatype != BYTES:
        cells: list[Any] = tensor.values.ravel().tolist()
        return cells
    try:
        return [value.decode() if isinstance(value, bytes) else value for value in tensor.values]
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"Texts must be UTF-8, got other bytes in the input '{shorten(tensor.name)}'."
        ) from error


def _row_payload(reader: InputReader, row: Array) -> tuple[bytes, str]:
    submission = read_json_rows(reader, [[None if value != value else value for value in row.tolist()]])
    assert submission.payload is not None
    return submission.payload(0)


def _column_names(scorer: Any) -> list[str]:
    return list(scorer.columns_ or map(str, range(scorer.n_features_in_)))


def outputs_of(scored: Sequence[Scored], wanted: Sequence[str] | None) -> dict[str, Array]:
    """Return the output tensors.

    Parameters
    ----------
    scored : sequence of Scored
    wanted : sequence of str, optional
        Names of the outputs. By default all.

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)

    Raises
    ------
    InvalidInputError
        If there is no such output.
    """
    parts = [
        {"score": one.scores, "p_value": one.p_values, "flagged": one.flagged}
        | {_TERM + name: values for name, values in one.terms.items()}
        for one in scored
    ]
    names = [*parts[0]] if wanted is None else [*dict.fromkeys(wanted)]
    for name in names:
        if name not in parts[0]:
            raise InvalidInputError(f"There is no output '{shorten(name)}'. Known: {', '.join(parts[0])}.")
    return {name: np.concatenate([part[name] for part in parts]) for name in names}
