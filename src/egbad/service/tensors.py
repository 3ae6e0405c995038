"""Tensors of the Open Inference Protocol, in JSON and in binary form."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import to_json

from egbad.arrays import Array
from egbad.errors import InvalidInputError, shorten
from egbad.service.bodies import parse_json_body

BYTES, BOOL = "BYTES", "BOOL"
_NUMBERS = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_LENGTH_BYTES = 4  # before each element of type BYTES
_MAX_AXES = 8


class InputSpec(BaseModel):
    """Tensor of a request, without its binary data."""

    name: str
    shape: Annotated[list[Annotated[int, Field(ge=0, le=2**40)]], Field(min_length=1, max_length=_MAX_AXES)]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class OutputSpec(BaseModel):
    """Tensor that a request asks for."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(BaseModel):
    """Request of the protocol, without binary data."""

    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[InputSpec] = Field(min_length=1)
    outputs: list[OutputSpec] | None = None

    def wants_binary(self, output: str) -> bool:
        """Return True if an output is wanted in binary form."""
        own = next((spec.parameters for spec in self.outputs or () if spec.name == output), {})
        return bool(own.get("binary_data", self.parameters.get("binary_data_output", False)))


@dataclass(frozen=True)
class Tensor:
    """Tensor with its values.

    Attributes
    ----------
    name, datatype : str
    shape : tuple of int
    values : ndarray, or list of bytes or str for the type BYTES
        An array has the shape, a list is flat. Elements of JSON are texts.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Any


def read_request(content: bytes, json_length: int | None) -> tuple[InferRequest, list[Tensor]]:
    """Read a request.

    Parameters
    ----------
    content : bytes
    json_length : int, optional
        Bytes of the JSON object, if binary data follow it.

    Returns
    -------
    request : InferRequest
    tensors : list of Tensor

    Raises
    ------
    InvalidInputError
        If the request is not one of the protocol.
    """
    if json_length is not None and not 0 < json_length <= len(content):
        raise InvalidInputError(
            "Inference-Header-Content-Length must be the size of the JSON object, got another number."
        )
    body = parse_json_body(content[:json_length])
    try:
        request = InferRequest.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise InvalidInputError(f"The request is not one of the protocol: {shorten(place)}: {first['msg']}.") from error
    binary, start = memoryview(content)[len(content) if json_length is None else json_length :], 0
    tensors = []
    for spec in request.inputs:
        size = spec.parameters.get("binary_data_size")
        if size is None:
            tensors.append(_from_json(spec))
            continue
        if type(size) is not int or not 0 <= size <= len(binary) - start:
            raise InvalidInputError(
                f"The input '{shorten(spec.name)}' must have as many bytes as binary_data_size says."
            )
        tensors.append(_from_binary(spec, binary[start : start + size]))
        start += size
    if start != len(binary):
        raise InvalidInputError(
            f"The body must end after the binary data of the inputs, got {len(binary) - start:,} bytes more."
        )
    return request, tensors


def write_response(
    response: dict[str, Any], outputs: dict[str, Array], request: InferRequest
) -> tuple[bytes, int | None]:
    """Write a response.

    Parameters
    ----------
    response : dict
        Its keys without "outputs".
    outputs : dict of str to ndarray
        Arrays of bool or float64.
    request : InferRequest

    Returns
    -------
    content : bytes
    json_length : int, optional
        Bytes of the JSON object, if binary data follow it.
    """
    specs, parts = list[dict[str, Any]](), list[bytes]()
    for name, values in outputs.items():
        spec = {"name": name, "datatype": BOOL if values.dtype == bool else "FP64", "shape": list(values.shape)}
        if request.wants_binary(name):
            parts.append(np.ascontiguousarray(values, _NUMBERS[str(spec["datatype"])]).tobytes())
            specs.append(spec | {"parameters": {"binary_data_size": len(parts[-1])}})
        else:
            specs.append(spec | {"data": values.ravel().tolist()})
    content = to_json(response | {"outputs": specs})
    return b"".join([content, *parts]), len(content) if parts else None


def _from_binary(spec: InputSpec, content: memoryview) -> Tensor:
    """Return a tensor of binary data."""
    shape, n = tuple(spec.shape), prod(spec.shape)
    if spec.datatype == BYTES:
        return Tensor(spec.name, BYTES, shape, _check_count(spec, [*_split_bytes(spec, content, n)]))
    values = np.frombuffer(content, _dtype(spec)) if len(content) == n * _dtype(spec).itemsize else None
    if values is None:
        raise _wrong_size(spec)
    return Tensor(spec.name, spec.datatype, shape, values.reshape(shape))


def _split_bytes(spec: InputSpec, content: memoryview, n: int) -> Iterator[bytes]:
    """Yield the elements of type BYTES, at most one more than there must be."""
    start = 0
    while start < len(content) and n >= 0:
        stop = start + _LENGTH_BYTES
        length = int.from_bytes(content[start:stop], "little")
        if stop + length > len(content):
            raise _wrong_size(spec)
        yield bytes(content[stop : stop + length])
        start, n = stop + length, n - 1


def _from_json(spec: InputSpec) -> Tensor:
    """Return a tensor of JSON values, which may be nested or flat."""
    if spec.data is None:
        raise InvalidInputError(f"The input '{shorten(spec.name)}' must have data, got none.")
    flat, shape = _check_count(spec, _flatten(spec.data)), tuple(spec.shape)
    if spec.datatype == BYTES:
        if not all(isinstance(value, str) for value in flat):
            raise InvalidInputError(
                f"The input '{shorten(spec.name)}' of type BYTES must hold texts, got other values."
            )
        return Tensor(spec.name, BYTES, shape, flat)
    dtype = _dtype(spec)
    try:
        numbers = np.frombuffer(array("d", flat)) if flat else np.empty(0)
    except (TypeError, OverflowError) as error:
        raise InvalidInputError(f"The input '{shorten(spec.name)}' must hold numbers, got other values.") from error
    with np.errstate(over="ignore", invalid="ignore"):
        values = numbers.astype(dtype)
        is_exact = dtype.kind == "f" or bool((values.astype(np.float64) == numbers).all())
    if not is_exact:
        raise InvalidInputError(
            f"The input '{shorten(spec.name)}' must hold numbers of type {spec.datatype}, got others."
        )
    return Tensor(spec.name, spec.datatype, shape, values.reshape(shape))


def _flatten(values: list[Any]) -> list[Any]:
    """Return the elements of nested lists of at most as many levels as tensors have axes."""
    for _ in range(_MAX_AXES):
        if not any(isinstance(value, list) for value in values):
            break
        values = [element for value in values for element in (value if isinstance(value, list) else [value])]
    return values


def _check_count(spec: InputSpec, elements: Sequence[Any]) -> Any:
    if len(elements) != prod(spec.shape):
        raise _wrong_size(spec)
    return elements


def _dtype(spec: InputSpec) -> np.dtype[Any]:
    if spec.datatype not in _NUMBERS:
        known = ", ".join((*_NUMBERS, BYTES))
        raise InvalidInputError(f"A datatype must be one of {known}, got '{shorten(spec.datatype)}'.")
    return np.dtype(_NUMBERS[spec.datatype])


def _wrong_size(spec: InputSpec) -> InvalidInputError:
    return InvalidInputError(
        f"The input '{shorten(spec.name)}' must have as many elements as its shape {tuple(spec.shape)} says, got another number."
    )
