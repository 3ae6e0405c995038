"""Scoring of exported ONNX files. Imports neither torch nor scikit-learn."""

import base64
import binascii
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from egbad.arrays import Array, Floats
from egbad.data.column_roles import ColumnRoles
from egbad.data.column_types import labels_from_json
from egbad.data.csv_options import CsvDialect
from egbad.data.pixel_scale import PixelScale
from egbad.data.tiles import MAX_TILED_SIDE, Tiling
from egbad.data.worker_pool import available_cores
from egbad.errors import InvalidInputError, UnreadableFileError, require_extra
from egbad.explain.explanation import Explanation, distribute
from egbad.scoring.scorer import Scorer

SUFFIX = ".onnx"
FORMAT = 1  # version of the metadata
METADATA_KEY = "egbad"  # entry of the ONNX metadata that contains `OnnxMetadata`
INPUT, SCORE, RECONSTRUCTION, TERM_PREFIX = "x", "score", "reconstruction", "term."  # names of inputs and outputs
# Scored together: in a fixed shape a row's result is the same in any position.
_CHUNK_SIZE = {"rows": 256, "images": 32}
_SMALL_SIZES = (2, 4, 16)  # chunks for a few rows, used if they give the same bits
_LOG_ERRORS = 3  # onnxruntime's level that logs errors only


@dataclass(frozen=True)
class OnnxMetadata:
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
        Calibration scores, as `encode_scores` writes them.
    description : dict
        Result of the detector's `describe()`.
    format : int
        Version of the metadata.
    category_labels : dict
        Labels of categories, as `egbad.data.column_types.labels_to_json` writes them.
    pixel_scale : dict, optional
        Scale of the pixels of images, as `PixelScale.state` writes it.
    tiling : dict, optional
        For a graph of tiles: "size" and "overlap" of tiles, and "any_size", True if images may have any size.
    normal_label : str, optional
        See `Scorer`.
    csv, roles : dict, optional
        The attributes `csv_dialect_` and `column_roles_` of `Scorer`.
    """

    detector: str
    kind: str
    shape: tuple[int, ...]
    columns: tuple[str, ...] | None
    threshold: float
    alpha: float
    fit_seconds: float
    calibration: str
    description: dict[str, Any]
    format: int = FORMAT
    column_types: tuple[str, ...] | None = None
    category_labels: dict[str, Any] = field(default_factory=dict)
    pixel_scale: dict[str, Any] | None = None
    tiling: dict[str, Any] | None = None
    normal_label: str | None = None
    csv: dict[str, Any] | None = None
    roles: dict[str, Any] | None = None

    def to_json(self) -> str:
        """Return the metadata as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "OnnxMetadata":
        """Parse what `to_json` returned.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the text is something else, or has a newer format.
        """
        fields = json.loads(text)
        if fields["format"] > FORMAT:
            raise ValueError(f"it has format {fields['format']}, this release reads up to {FORMAT}")
        lists = {name: fields.get(name) for name in ("shape", "columns", "column_types")}
        return cls(**fields | {name: None if value is None else tuple(value) for name, value in lists.items()})


def encode_scores(scores: Floats) -> str:
    """Return scores as text: little-endian doubles in base 64."""
    return base64.b64encode(np.asarray(scores, dtype="<f8").tobytes()).decode()


def decode_scores(text: str) -> Floats:
    """Return the scores that `encode_scores` wrote.

    Raises
    ------
    ValueError
        If the text is something else.
    """
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f8")


class OnnxScorer(Scorer):
    """Scorer of an exported ONNX file. It has the answers of the exported detector, except `fit`.

    It explains images that the detector reconstructs, and no others.

    Parameters
    ----------
    path : path-like
        File that `egbad.export.export` wrote.
    threads : int, optional
        Number of chunks that are scored at the same time. By default the number of available cores. Each chunk is scored
        on one thread, so that the result does not depend on this number.

    Attributes
    ----------
    metadata_ : OnnxMetadata
        Description of the exported detector.
    alpha : float
        False alarm rate of `threshold_`.
    n_calibration_ : int
        Number of calibration scores.
    fit_seconds_ : float
        Duration of training.

    Raises
    ------
    UnreadableFileError
        If the file is missing or damaged, was not exported by egbad, or has a newer format.
    MissingExtraError
        If onnxruntime is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from egbad import load
    >>> from egbad.detectors.knn import KNN
    >>> from egbad.export import export
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> detector = KNN(alpha=0.2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(detector, f"{folder}/model.onnx")
    ...     scorer = load(f"{folder}/model.onnx")
    >>> bool(np.allclose(scorer.anomaly_score(X), detector.anomaly_score(X)))
    True
    """

    def __init__(self, path: str | os.PathLike[str], threads: int | None = None) -> None:
        if not Path(path).is_file():
            raise UnreadableFileError(f"There is no file '{path}'. Check the path.")
        require_extra("Scoring an ONNX file", "onnx", "onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_ERRORS
        options.intra_op_num_threads = 1  # a product that is split over threads is rounded differently
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises several types of its own
            raise UnreadableFileError(f"{path} cannot be used: {_first_line(error)}. Export it again.") from error
        self._read_metadata(path)
        self._run_options = onnxruntime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True  # a score alone needs no reconstruction
        self._outputs = [output.name for output in self._session.get_outputs()]
        tiling = self.metadata_.tiling
        self.tiling_ = None if tiling is None else Tiling(int(tiling["size"]), float(tiling["overlap"]))
        self._min_image_side = int(tiling["size"]) if tiling is not None and tiling["any_size"] else None
        self._dtype = np.float64 if self.kind_ == "rows" else np.float32
        self._threads = threads or available_cores()
        self._small_size = self._find_small_size()

    def anomaly_score(self, X: Any) -> Floats:
        """Compute the anomaly score of each row or image. Higher is more anomalous.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        InvalidInputError
            If X does not match the data that the detector was fitted on.
        """
        return self.score_checked(self._to_numbers(X))

    def score_checked(self, x: Array) -> Floats:
        """Compute the anomaly scores (n,) of numbers (n, ...) that are already validated."""
        if self.tiling_ is not None:
            return np.asarray(sum(self._terms(x).values()))
        return self._run(x, [SCORE])[SCORE]

    def score_terms(self, X: Any) -> dict[str, Floats]:
        """Compute the terms of the anomaly score.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images

        Returns
        -------
        dict of str to ndarray of shape (n_samples,)
            Terms that add up to `anomaly_score`.

        Raises
        ------
        InvalidInputError
            If X does not match the data that the detector was fitted on.
        """
        return self._terms(self._to_numbers(X))

    def _terms(self, x: Array) -> dict[str, Floats]:
        """Return the terms (n,) of numbers (n, ...): those of its most anomalous tile, for a graph of tiles."""
        names = [name for name in self._outputs if name.startswith(TERM_PREFIX)]

        def run(numbers: Array) -> dict[str, Floats]:
            return {name.removeprefix(TERM_PREFIX): values for name, values in self._run(numbers, names).items()}

        return run(x) if self.tiling_ is None else self.tiling_.worst_terms(x, run)

    def reconstruct(self, X: Any) -> Array:
        """Reconstruct each row or image, in the units and shape of the input.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images

        Returns
        -------
        ndarray of the shape of X

        Raises
        ------
        InvalidInputError
            If the exported detector does not reconstruct.
        """
        if RECONSTRUCTION not in self._outputs:
            raise InvalidInputError(
                f"The exported detector must reconstruct its input, '{self.metadata_.detector}' does not."
            )
        return self._to_user_units(self._run(self._to_numbers(X), [RECONSTRUCTION])[RECONSTRUCTION])

    def explain(self, X: Any) -> Explanation:
        """Explain the score of each image by its difference from the reconstruction.

        Parameters
        ----------
        X : images of shape (n_samples, ..., height, width)

        Returns
        -------
        Explanation

        Raises
        ------
        InvalidInputError
            If the exported detector does not reconstruct images, or X does not match the data that it was fitted on.
        """
        self.check_explains()
        x = self._to_numbers(X)
        terms = self._terms(x)
        score, expected = np.asarray(sum(terms.values())), self._run(x, [RECONSTRUCTION])[RECONSTRUCTION]
        difference = (x.astype(np.float64) - expected) ** 2
        by_pixel = difference if difference.ndim == 3 else difference.sum(axis=1)
        return Explanation(
            score=score,
            base=np.zeros(len(x)),
            shares=distribute(by_pixel, score),
            observed=x,
            expected=expected,
            columns=(),
            method="differences",
            terms=terms,
        )

    def check_explains(self) -> None:
        """Check that scores can be explained.

        Raises
        ------
        InvalidInputError
            If the exported detector does not reconstruct images.
        """
        if self.kind_ != "images" or RECONSTRUCTION not in self._outputs:
            raise InvalidInputError(
                "An exported model cannot explain its scores unless it reconstructs images. Use the model that it was "
                "exported from."
            )

    @property
    def max_side(self) -> int:
        """Largest height and width of an image in pixels."""
        return super().max_side if self.tiling_ is None else MAX_TILED_SIDE

    @property
    def any_size(self) -> bool:
        """True if images in one list may have different sizes."""
        return self.tiling_ is not None

    @property
    def min_image_side(self) -> int | None:
        """Least side of an image in pixels, if the detector was fitted on images of different sizes."""
        return self._min_image_side

    def describe(self) -> dict[str, Any]:
        """Return what the exported detector is and how it was trained, as JSON stores it."""
        return self.metadata_.description | {"runtime": "onnx"}

    def _read_metadata(self, path: str | os.PathLike[str]) -> None:
        """Set the attributes that come from the metadata of the file."""
        try:
            metadata = OnnxMetadata.from_json(self._session.get_modelmeta().custom_metadata_map[METADATA_KEY])
            calibration_scores = decode_scores(metadata.calibration)
        except KeyError as error:
            raise UnreadableFileError(
                f"{path} was not exported by egbad. Export a model with 'egbad export'."
            ) from error
        except (TypeError, ValueError, binascii.Error) as error:
            raise UnreadableFileError(f"{path} cannot be used: {_first_line(error)}. Export it again.") from error
        self.metadata_, self.pixel_scale_ = metadata, PixelScale.from_state(metadata.pixel_scale)
        self.kind_, self.shape_, self.normal_label_ = metadata.kind, metadata.shape, metadata.normal_label
        self.columns_, self.column_types_ = metadata.columns, metadata.column_types
        self.column_roles_ = ColumnRoles.from_json(metadata.roles)
        self.category_labels_ = labels_from_json(metadata.category_labels)
        self.csv_dialect_ = None if metadata.csv is None else CsvDialect.from_json(metadata.csv)
        self.calibration_scores_, self.n_calibration_ = calibration_scores, len(calibration_scores)
        self.alpha, self.threshold_, self.fit_seconds_ = metadata.alpha, metadata.threshold, metadata.fit_seconds

    def _to_numbers(self, X: Any) -> Array:
        return self._validate_input(X, f"The exported '{self.metadata_.detector}'").x

    def _run(self, x: Array, names: list[str]) -> dict[str, Array]:
        """Return outputs by name for numbers (n, ...), computed in chunks of one shape."""
        with np.errstate(over="ignore"):  # the graph clips pixels, also infinite ones
            x = np.ascontiguousarray(x, dtype=self._dtype)
        size = self._small_size if len(x) <= self._small_size else _CHUNK_SIZE[self.kind_]

        def run_chunk(start: int) -> list[Array]:
            chunk = x[start : start + size]
            n = len(chunk)
            if n < size:
                chunk = np.concatenate([chunk, np.zeros((size - n, *x.shape[1:]), dtype=x.dtype)])
            outputs: list[Array] = self._session.run(names, {INPUT: chunk}, self._run_options)
            return outputs if n == size else [values[:n] for values in outputs]

        if len(x) <= size:
            return dict(zip(names, run_chunk(0), strict=True))
        with ThreadPoolExecutor(self._threads) as pool:
            chunks = [*pool.map(run_chunk, range(0, len(x), size))]
        return {name: np.concatenate([outputs[i] for outputs in chunks]) for i, name in enumerate(names)}

    @property
    def _graph_shape(self) -> tuple[int, ...]:
        """Shape of one row, image or tile."""
        return self.shape_ if self.tiling_ is None else (*self.shape_[:-2], self.tiling_.size, self.tiling_.size)

    def _find_small_size(self) -> int:
        """Return the smallest chunk size in which random rows have the same bits as in a full chunk.

        Called once, when the file is loaded, so that every call scores a row with the same chunk sizes.
        """
        full_size = _CHUNK_SIZE[self.kind_]
        x = np.random.default_rng(0).normal(size=(full_size, *self._graph_shape)).astype(self._dtype)
        expected = self._session.run(None, {INPUT: x})
        for size in _SMALL_SIZES:
            chunks = [self._session.run(None, {INPUT: x[start : start + size]}) for start in range(0, full_size, size)]
            outputs = [np.concatenate(values) for values in zip(*chunks, strict=True)]
            if all((one == other).all() for one, other in zip(expected, outputs, strict=True)):
                return size
        return full_size


def _first_line(error: Exception) -> str:
    """Return the first line of an error's message, without a full stop."""
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
