"""ONNX files of exported detectors: the graph, its metadata, and a digest of both. Needs no torch.

A file is a serialized ONNX model that ends with an entry of its metadata: the SHA-256 digest of all bytes before it. The digest
is verified before anything is parsed. It protects against damage, but not against intent, so that a graph is checked as well
(`egbad.export.graph_check`).
"""

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError, model_validator

from egbad.arrays import Floats
from egbad.data.column_roles import NO_ROLES, ColumnRoles
from egbad.data.column_types import CATEGORY, check_column_types
from egbad.data.csv_options import CsvDialect
from egbad.errors import UnreadableFileError
from egbad.scoring.learned_rows import LearnedRows

SUFFIX = ".onnx"
FORMAT = 1  # version of the metadata
METADATA_KEY = "egbad"  # entry of the ONNX metadata that contains `OnnxMetadata`
OPSET = 18  # version of ONNX's operators
INPUT, SCORE, RECONSTRUCTION, TERM_PREFIX = "x", "score", "reconstruction", "term."  # names of inputs and outputs
MAX_BYTES = 2**31 - 2**20  # of a file; Protocol Buffers hold less than 2 GiB

# The entry of the digest as Protocol Buffers encode it: field 14 of the model, and its fields 1 (key) and 2 (value). Messages
# that follow each other are merged, so that the entry can be appended to a model.
_DIGEST_KEY, _DIGEST_LENGTH = b"egbad.sha256", 64
_DIGEST_ENTRY = b"\x0a" + bytes([len(_DIGEST_KEY)]) + _DIGEST_KEY + b"\x12" + bytes([_DIGEST_LENGTH])
_DIGEST_PREFIX = b"\x72" + bytes([len(_DIGEST_ENTRY) + _DIGEST_LENGTH]) + _DIGEST_ENTRY

_Fraction = Annotated[FiniteFloat, Field(gt=0, lt=1)]
_Label = tuple[FiniteFloat, str]
_STRICT = ConfigDict(frozen=True, strict=True, extra="forbid")


class ScaleOfPixels(BaseModel):
    """Scale of the pixels of images, as `PixelScale.state` writes it."""

    model_config = _STRICT

    white: Annotated[FiniteFloat, Field(gt=0)] | None
    low: FiniteFloat
    high: FiniteFloat

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        """Check the order of the limits."""
        if self.low > self.high:
            raise ValueError(f"low must not be above high, got {self.low} and {self.high}")
        return self


class TilesOfGraph(BaseModel):
    """Tiles of images that a graph scores.

    Attributes
    ----------
    size, overlap
        See `Tiling`.
    any_size : bool
        True if images may have any size.
    """

    model_config = _STRICT

    size: PositiveInt
    overlap: Annotated[FiniteFloat, Field(ge=0, lt=1)]
    any_size: bool


class FeaturesOfGraph(BaseModel):
    """Images that a graph with a backbone scores, one at a time.

    Attributes
    ----------
    min_side : int, optional
        Least side of an image in pixels. None if all images have one size.
    enough_side : int, optional
        See `Scorer`.
    """

    model_config = _STRICT

    min_side: PositiveInt | None
    enough_side: PositiveInt | None


class OnnxMetadata(BaseModel):
    """Everything in an exported file except the graph.

    Attributes
    ----------
    detector : str
        Name of the exported detector.
    kind, shape, columns, column_types
        See `Scorer`.
    threshold : float
        A score above it is an anomaly.
    alpha : float
        False alarm rate of the threshold.
    fit_seconds : float
        Duration of training.
    calibration : str
        Calibration scores in ascending order, as `encode_array` writes them.
    description : dict
        Result of the detector's `describe()`.
    format : int
        Version of the metadata.
    category_labels : dict
        Labels of categories, as `egbad.data.column_types.labels_to_json` writes them.
    pixel_scale : ScaleOfPixels, optional
    tiling : TilesOfGraph, optional
        For a graph of tiles.
    features : FeaturesOfGraph, optional
        For a graph with a backbone.
    normal_label : str, optional
        See `Scorer`.
    csv : dict, optional
        The dialect `csv_dialect_` of `Scorer`.
    roles : ColumnRoles
        Columns that are not scored.
    learned_rows : dict of str to str, optional
        Arrays of `LearnedRows.state`, as `encode_array` writes them.
    """

    model_config = _STRICT

    detector: str
    kind: Literal["rows", "images"]
    shape: tuple[PositiveInt, ...]
    columns: tuple[str, ...] | None
    threshold: FiniteFloat
    alpha: _Fraction
    fit_seconds: Annotated[FiniteFloat, Field(ge=0)]
    calibration: str
    description: dict[str, Any]
    format: Annotated[int, Field(ge=1, le=FORMAT)] = FORMAT
    column_types: tuple[str, ...] | None = None
    category_labels: dict[str, list[_Label]] = {}
    pixel_scale: ScaleOfPixels | None = None
    tiling: TilesOfGraph | None = None
    features: FeaturesOfGraph | None = None
    normal_label: str | None = None
    csv: dict[str, Any] | None = None
    roles: ColumnRoles = NO_ROLES
    learned_rows: dict[str, str] | None = None

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        """Check fields that depend on each other, and encoded arrays."""
        n_dimensions, n_features = len(self.shape), self.shape[0] if self.shape else 0
        if n_dimensions not in ((1,) if self.kind == "rows" else (2, 3)):
            raise ValueError(f"shape must be that of {self.kind}, got {self.shape}")
        for name, values in {"columns": self.columns, "column_types": self.column_types}.items():
            if values is not None and (self.kind != "rows" or len(values) != n_features):
                raise ValueError(f"{name} must have one entry per column, got {len(values)}")
        check_column_types(self.column_types or ())
        types = self.column_types or ()
        for j in self.category_labels:
            if not (j.isdecimal() and j.isascii() and int(j) < len(types) and types[int(j)] == CATEGORY):
                raise ValueError("category_labels must belong to columns of categories")
        if self.kind == "rows" and (self.pixel_scale or self.tiling or self.features):
            raise ValueError("pixel_scale, tiling and features must belong to images")
        if self.tiling and self.features and self.features.min_side is not None:
            raise ValueError("features.min_side must be None for tiles, which have one size")
        scores = self.calibration_scores()
        if not len(scores) or not np.isfinite(scores).all() or (np.diff(scores) < 0).any():
            raise ValueError("calibration scores must be finite and in ascending order")
        self.csv_dialect()
        self.known_rows()
        return self

    def calibration_scores(self) -> Floats:
        """Return the calibration scores, ascending."""
        scores: Floats = decode_array(self.calibration)
        return scores

    @property
    def graph_shape(self) -> tuple[int, ...]:
        """Shape of one row, image or tile that the graph scores."""
        return self.shape if self.tiling is None else (*self.shape[:-2], self.tiling.size, self.tiling.size)

    def csv_dialect(self) -> CsvDialect | None:
        """Return the dialect of the CSV file that the detector was fitted on.

        Raises
        ------
        ValueError
            If the entry is something else.
        """
        try:
            return None if self.csv is None else CsvDialect.from_json(self.csv)
        except (KeyError, TypeError) as error:
            raise ValueError(f"csv must describe a dialect: {error}") from error

    def known_rows(self) -> LearnedRows | None:
        """Return the training rows by their digests, None if they are not recorded.

        Raises
        ------
        ValueError
            If the entry is something else.
        """
        if self.learned_rows is None:
            return None
        if self.learned_rows.keys() != {"digests", "counts"}:
            raise ValueError("learned_rows must have digests and counts")
        digests, counts = (decode_array(self.learned_rows[name], "<u8") for name in ("digests", "counts"))
        if len(counts) != 3 or counts[2] > counts[1] or (digests[1:] <= digests[:-1]).any():
            raise ValueError("learned_rows must have three counts, and different digests in ascending order")
        return LearnedRows.from_state({"digests": digests, "counts": counts})

    def to_json(self) -> str:
        """Return the metadata as JSON."""
        return json.dumps(self.model_dump())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse what `to_json` returned.

        Raises
        ------
        ValueError
            If the text is something else, or has another format.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ValueError(_describe(error, text)) from error


def _describe(error: ValidationError, text: str) -> str:
    """Return one sentence on metadata that are invalid, without a full stop."""
    if (version := _format_of(text)) is not None and version > FORMAT:
        return f"it has format {version}, this release reads up to {FORMAT}"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "metadata"
    return f"'{field}' is invalid: {first['msg'].removeprefix('Value error, ').rstrip('.')}"


def _format_of(text: str) -> int | None:
    """Return the version of metadata that may be invalid otherwise."""
    try:
        return _Versioned.model_validate_json(text).format
    except ValidationError:
        return None


class _Versioned(BaseModel):
    """Version of metadata of any release."""

    format: int


# -- content of a file -------------------------------------------------------------------------------------------------


def with_digest(model: bytes) -> bytes:
    """Append the digest to a serialized model.

    Parameters
    ----------
    model : bytes

    Returns
    -------
    bytes
        A serialized model as well, with one more entry of metadata.
    """
    return model + _DIGEST_PREFIX + hashlib.sha256(model).hexdigest().encode()


def read_content(path: str | os.PathLike[str]) -> bytes:
    """Read an ONNX file and verify its digest.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    bytes
        A serialized model. Nothing of it is parsed.

    Raises
    ------
    UnreadableFileError
        If the file is missing, was not written by egbad, or is damaged.
    """
    if not Path(path).is_file():
        raise UnreadableFileError(f"There is no file '{path}'. Check the path.")
    try:
        if (size := Path(path).stat().st_size) > MAX_BYTES:
            raise UnreadableFileError(f"{path} must have at most {MAX_BYTES:,} bytes, got {size:,}. Check the path.")
        content = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    model = memoryview(content)[: -len(_DIGEST_PREFIX) - _DIGEST_LENGTH]
    prefix, digest = content[len(model) : -_DIGEST_LENGTH], content[-_DIGEST_LENGTH:]
    if prefix != _DIGEST_PREFIX:
        raise UnreadableFileError(
            f"{path} was not exported by egbad, was changed or is damaged: it does not end with a digest. Export a model with "
            "'egbad export'."
        )
    if hashlib.sha256(model).hexdigest().encode() != digest:
        raise UnreadableFileError(
            f"{path} is damaged or was changed: its content does not match its digest. Copy it again or export it again."
        )
    return content


def encode_array(values: Any, dtype: str = "<f8") -> str:
    """Return the numbers of an array as text: little-endian, in base 64."""
    return base64.b64encode(np.asarray(values, dtype=dtype).tobytes()).decode()


def decode_array(text: str, dtype: str = "<f8") -> Any:
    """Return the array of shape (n,) that `encode_array` wrote.

    Raises
    ------
    ValueError
        If the text is something else.
    """
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=dtype)
