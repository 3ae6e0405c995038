"""Scoring of exported ONNX files. Imports neither torch nor scikit-learn."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

import numpy as np

from egbad.arrays import Array, Floats
from egbad.data.column_types import labels_from_json
from egbad.data.pixel_scale import PixelScale
from egbad.data.ragged import is_ragged
from egbad.data.tiles import MAX_TILED_SIDE, Tiling
from egbad.data.worker_pool import available_cores
from egbad.errors import EgbadError, InvalidInputError, require_extra
from egbad.explain.explanation import Explanation, distribute
from egbad.export.onnx_file import INPUT, RECONSTRUCTION, SCORE, TERM_PREFIX, OnnxMetadata
from egbad.scoring.learned_rows import warn_if_learned
from egbad.scoring.scorer import Scorer

_SMALL_SIZES = (2, 4, 16)  # chunks for a few rows, used if they give the same bits


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
        require_extra("Scoring an ONNX file", "onnx", "onnx", "onnxruntime")
        from egbad.export import onnx_session

        self._session, metadata = onnx_session.open_session(path)
        self._chunk_size = onnx_session.chunk_size(metadata)
        self._errors = partial(onnx_session.runtime_errors, path)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._dtype = np.float64 if metadata.kind == "rows" else np.float32
        self._threads = threads or available_cores()
        self._use_metadata(metadata)

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
        return self.score_checked(self._check_new(X))

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
        return self._terms(self._check_new(X))

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
        return MAX_TILED_SIDE if self.any_size else super().max_side

    @property
    def any_size(self) -> bool:
        """True if images in one list may have different sizes."""
        return self.tiling_ is not None or self.metadata_.features is not None

    @property
    def min_image_side(self) -> int | None:
        """Least side of an image in pixels, if images of any size are scored."""
        tiling, features = self.metadata_.tiling, self.metadata_.features
        if tiling is not None:
            return tiling.size if tiling.any_size else None
        return None if features is None else features.min_side

    @property
    def enough_side(self) -> int | None:
        """Side of a square with as many pixels as the backbone needs of an image. None for other graphs."""
        return None if self.metadata_.features is None else self.metadata_.features.enough_side

    def describe(self) -> dict[str, Any]:
        """Return what the exported detector is and how it was trained, as JSON stores it."""
        return self.metadata_.description | {"runtime": "onnx"}

    def _use_metadata(self, metadata: OnnxMetadata) -> None:
        """Set the attributes that come from the metadata of the file."""
        self.metadata_ = metadata
        self.kind_, self.shape_ = metadata.kind, metadata.shape
        scale, tiling = metadata.pixel_scale, metadata.tiling
        self.pixel_scale_ = None if scale is None else PixelScale(scale.white, scale.low, scale.high)
        self.tiling_ = None if tiling is None else Tiling(tiling.size, tiling.overlap)
        self.columns_, self.column_types_ = metadata.columns, metadata.column_types
        self.column_roles_ = metadata.roles
        self.category_labels_ = labels_from_json(metadata.category_labels)
        self.normal_label_ = metadata.normal_label
        self.csv_dialect_ = metadata.csv_dialect()
        self.calibration_scores_ = metadata.calibration_scores()
        self.n_calibration_ = len(self.calibration_scores_)
        self.learned_rows_ = metadata.known_rows()
        self.alpha, self.threshold_, self.fit_seconds_ = metadata.alpha, metadata.threshold, metadata.fit_seconds

    def _check_new(self, X: Any) -> Array:
        """Return checked rows or images (n, ...), and warn if the detector was trained on some of them."""
        x = self._to_numbers(X)
        warn_if_learned(self.learned_rows_, x)
        return x

    def _to_numbers(self, X: Any) -> Array:
        return self._validate_input(X, f"The exported '{self.metadata_.detector}'").x

    def _run(self, x: Array, names: list[str]) -> dict[str, Array]:
        """Return outputs by name for numbers (n, ...), computed in chunks of one shape."""
        size = self._small_size if len(x) <= self._small_size else self._chunk_size

        def run_chunk(start: int) -> list[Array]:
            chunk = x[start : start + size]
            with np.errstate(over="ignore"):  # the graph clips pixels, also infinite ones
                chunk = np.ascontiguousarray(chunk[0][None] if is_ragged(chunk) else chunk, dtype=self._dtype)
            n = len(chunk)
            if n < size:
                chunk = np.concatenate([chunk, np.zeros((size - n, *x.shape[1:]), dtype=self._dtype)])
            outputs = self._run_chunk(chunk, names)
            return outputs if n == size else [values[:n] for values in outputs]

        if len(x) <= size:
            return dict(zip(names, run_chunk(0), strict=True))
        with ThreadPoolExecutor(self._threads) as pool:
            chunks = [*pool.map(run_chunk, range(0, len(x), size))]
        return {name: np.concatenate([outputs[i] for outputs in chunks]) for i, name in enumerate(names)}

    def _run_chunk(self, x: Array, names: list[str]) -> list[Array]:
        """Return outputs by name for one chunk of numbers (n, ...); a score alone needs no reconstruction."""
        with self._errors():
            outputs: list[Array] = self._session.run(names, {INPUT: x})
        for name, values in zip(names, outputs, strict=True):
            if name != RECONSTRUCTION and np.isnan(values).any():
                raise EgbadError(f"The exported graph must compute numbers, got NaN as '{name}'. Export it again.")
        return outputs

    @cached_property
    def _small_size(self) -> int:
        """Smallest chunk size in which random rows have the same bits as in a full chunk.

        It depends on the processor and on nothing else, so that every call scores a row with the same chunk sizes.
        """
        if self._chunk_size == 1:
            return 1
        shape = (self._chunk_size, *self.metadata_.graph_shape)
        x = np.random.default_rng(0).normal(size=shape).astype(self._dtype)
        expected = self._run_chunk(x, self._outputs)
        for size in _SMALL_SIZES:
            chunks = [self._run_chunk(x[start : start + size], self._outputs) for start in range(0, len(x), size)]
            outputs = [np.concatenate(values) for values in zip(*chunks, strict=True)]
            if all((one == other).all() for one, other in zip(expected, outputs, strict=True)):
                return size
        return self._chunk_size
