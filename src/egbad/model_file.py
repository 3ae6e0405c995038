"""Model files: named arrays and a JSON manifest in one safetensors file. Reading a model file never runs code."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as to_safetensors

from egbad.arrays import State
from egbad.errors import InvalidEntryError, UnreadableFileError, shorten
from egbad.output_files import atomic_write

FORMAT = 1  # version of the file format
_METADATA_KEY = "egbad"  # entry of the safetensors metadata that contains the manifest
_LENGTH_BYTES = 8  # safetensors begins with the length of its header
_MAX_DEPTH = 64  # objects and lists within each other in a manifest

M = TypeVar("M", bound=BaseModel)


class Manifest(BaseModel):
    """Everything in a model file except the arrays.

    Attributes
    ----------
    format : int
        Version of the file format.
    library : str
        Version of egbad that wrote the file.
    detector : str
        Name of the detector, or of what else the arrays belong to.
    parameters : dict
        Parameters of its constructor.
    state : dict
        Everything that was learned and is not an array.
    shapes : dict of str to list of int
        Shape of each array. Set by `write`.
    digest : str
        SHA-256 of manifest and arrays. Set by `write`.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: int = FORMAT
    library: str
    detector: str
    parameters: dict[str, Any]
    state: dict[str, Any]
    shapes: dict[str, list[int]] = {}
    digest: str = ""


def write(path: str | os.PathLike[str], manifest: Manifest, arrays: State) -> None:
    """Write a model file atomically.

    Parameters
    ----------
    path : path-like
    manifest : Manifest
        Its `shapes` and `digest` are computed here.
    arrays : dict of str to ndarray

    Raises
    ------
    EgbadError
        If the file cannot be written, for instance because the disk is full. An existing file is unchanged.
    """
    arrays = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    manifest = manifest.model_copy(update={"shapes": shapes})
    manifest = manifest.model_copy(update={"digest": _digest(manifest, arrays)})
    content = to_safetensors(arrays, metadata={_METADATA_KEY: manifest.model_dump_json()})
    with atomic_write(path) as draft:
        draft.write_bytes(content)


def read(path: str | os.PathLike[str]) -> tuple[Manifest, State]:
    """Read and verify a model file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    manifest : Manifest
    arrays : dict of str to ndarray

    Raises
    ------
    UnreadableFileError
        If the file is missing, is not a model file, is truncated or damaged, or has a newer format.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    fields = _manifest_fields(path, content)
    version = fields.get("format")
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise UnreadableFileError(
            f"{path} has format {shorten(repr(version))}, this release reads up to {FORMAT}. Upgrade egbad or fit again."
        )
    try:
        manifest = validated_entries(Manifest, fields)
        arrays = parse_safetensors(content)
    except InvalidEntryError as error:
        raise UnreadableFileError(f"{path} is damaged: {error} Fit again.") from error
    except Exception as error:  # safetensors raises several types of its own
        raise UnreadableFileError(f"{path} is damaged: {error}. Copy it again or fit again.") from error
    _verify(path, manifest, arrays)
    return manifest, arrays


def validated_entries(model: type[M], values: Mapping[str, Any], entry: str = "") -> M:
    """Return values from a manifest as a pydantic model.

    Parameters
    ----------
    model : type of BaseModel
    values : mapping of str to JSON value
    entry : str
        Name of the entry of the manifest that holds the values.

    Returns
    -------
    BaseModel

    Raises
    ------
    InvalidEntryError
        If a value is missing, unknown, of the wrong type or out of its range. The message is one sentence.
    """
    try:
        return model.model_validate_json(json.dumps(values))  # lists become tuples also in strict models
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in ((entry,) if entry else ()) + first["loc"])
        message = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
        found = "" if first["type"] == "missing" else f", got {shorten(repr(first['input']))}"
        raise InvalidEntryError(name, f"is invalid: {message[0].lower()}{message[1:]}{found}") from error


@contextmanager
def entries_within(prefix: str) -> Iterator[None]:
    """Add a prefix to the names of entries in errors that a `with` block raises."""
    try:
        yield
    except InvalidEntryError as error:
        raise error.within(prefix) from error


def with_prefix_removed(prefix: str, arrays: State) -> State:
    """Return the arrays whose names begin with a prefix, named without it.

    Examples
    --------
    >>> with_prefix_removed("encoder.", {"encoder.low": 1, "weights": 2})
    {'low': 1}
    """
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _is_deep(value: Any) -> bool:
    """Return True if a JSON value has more levels than `_MAX_DEPTH`."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return bool(level)


def _manifest_fields(path: str | os.PathLike[str], content: bytes) -> dict[str, Any]:
    """Return the manifest of a file as parsed JSON, before its fields are validated."""
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if len(content) < _LENGTH_BYTES or length > len(content) - _LENGTH_BYTES:
        raise UnreadableFileError(
            f"{path} is not an egbad model, or it is truncated. Pass a file that 'egbad fit' wrote."
        )
    try:
        header = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
        fields = json.loads(header.pop("__metadata__")[_METADATA_KEY])
        end_of_arrays = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
        if not isinstance(fields, dict) or _is_deep(fields):
            raise TypeError("the manifest is not a JSON object, or it has too many levels")
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise UnreadableFileError(f"{path} is not an egbad model. Pass a file that 'egbad fit' wrote.") from error
    expected = _LENGTH_BYTES + length + end_of_arrays
    if len(content) != expected:
        raise UnreadableFileError(
            f"{path} is truncated or has extra bytes: it must have {expected} bytes, got {len(content)}. "
            "Copy it again or fit again."
        )
    return fields


def _verify(path: str | os.PathLike[str], manifest: Manifest, arrays: State) -> None:
    """Raise if the arrays do not have the shapes or the digest of the manifest."""
    for name in sorted(manifest.shapes.keys() | arrays.keys()):
        found, shape = list(arrays[name].shape) if name in arrays else None, manifest.shapes.get(name)
        if found != shape:
            raise UnreadableFileError(f"{path} is damaged: '{name}' must have shape {shape}, got {found}. Fit again.")
    if _digest(manifest, arrays) != manifest.digest:
        raise UnreadableFileError(
            f"{path} is damaged: its content does not match its digest. Copy it again or fit again."
        )


def _digest(manifest: Manifest, arrays: State) -> str:
    """Return the SHA-256 of the manifest without its digest, and of every array in the order of names."""
    sha256 = hashlib.sha256(manifest.model_copy(update={"digest": ""}).model_dump_json().encode())
    for name in sorted(arrays):
        sha256.update(f"{name}:{arrays[name].dtype.str}:{arrays[name].shape}".encode())
        sha256.update(np.ascontiguousarray(arrays[name]).tobytes())
    return sha256.hexdigest()
