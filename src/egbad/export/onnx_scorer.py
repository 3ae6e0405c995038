"""A detector as an ONNX file, and the session that scores by it: no torch is imported here, nor needed."""

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Floats
from egbad.data import Data
from egbad.data.column_types import labels_from_json
from egbad.errors import EgbadError, InvalidInputError, UnreadableFileError
from egbad.scoring.scorer import Scorer

Array = NDArray[Any]

SUFFIX = ".onnx"
FORMAT = 1
KEY = "egbad"  # of the file's metadata
INPUT, SCORE, REBUILT, TERM = "x", "score", "reconstruction", "term."
_CHUNK = {"rows": 256, "images": 32}  # scored at once: in one shape a row has the same bits in any place
_FEW = (2, 4, 16)  # so few are not padded to a chunk where they get the same bits


@dataclass(frozen=True)
class About:
    """What an exported file says of itself, beside its graph.

    Attributes
    ----------
    detector : str
        Its name.
    kind, shape, columns, kinds
        As `Scorer` has them.
    threshold, alpha : float
        Above the first lies a share `alpha` of normal rows.
    fit_seconds : float
        What learning took.
    calibration : str
        The calibration scores, ascending, as little-endian doubles in base 64.
    texts : dict
        What the numbers of categories stand for, as `egbad.data.column_types.labels_to_json` has it.
    description : dict
        `Detector.describe()` of what was exported.
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

    def to_text(self) -> str:
        """For the file's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "About":
        """The way back; KeyError, TypeError or ValueError when it isn't one."""
        fields = json.loads(text)
        if fields["format"] > FORMAT:
            raise ValueError(f"it has format {fields['format']}, this release reads up to {FORMAT}")
        listed = {name: fields.get(name) for name in ("shape", "columns", "column_types")}
        return cls(**fields | {name: None if found is None else tuple(found) for name, found in listed.items()})


def packed(scores: Floats) -> str:
    """Calibration scores as text."""
    return base64.b64encode(np.asarray(scores, dtype="<f8").tobytes()).decode()


class OnnxScorer(Scorer):
    """Scores by an exported graph, with the answers of the detector that it came from.

    Parameters
    ----------
    path : path
        A file that `egbad.export.to_onnx.export` wrote.
    threads : int, optional
        Chunks that are scored at the same time, each on one thread, so that bits don't depend on their number. By default
        as many as there are cores.

    Raises
    ------
    UnreadableFileError
        When the file is missing, damaged, no exported detector, or of a newer format.
    EgbadError
        When onnxruntime isn't installed.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int | None = None) -> None:
        if not Path(path).is_file():
            raise UnreadableFileError(f"There is no file '{path}'. Check the path.")
        try:
            import onnxruntime
        except ImportError as error:
            raise EgbadError(
                "Scoring by an ONNX file needs onnxruntime, which isn't installed. Install it with: pip install 'egbad[onnx]'"
            ) from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1  # a product that is divided among threads rounds as it is divided
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            about = About.from_text(self._session.get_modelmeta().custom_metadata_map[KEY])
            calibration = np.frombuffer(base64.b64decode(about.calibration, validate=True), dtype="<f8")
        except KeyError as error:
            raise UnreadableFileError(
                f"{path} is no detector that egbad exported. Export one with 'egbad export'."
            ) from error
        except Exception as error:  # onnxruntime has its own exception types, for every kind of damage
            raise UnreadableFileError(f"{path} can't be used: {_first_line(error)}. Export it anew.") from error
        self._only_asked = onnxruntime.RunOptions()
        self._only_asked.only_execute_path_to_fetches = True
        self.about_ = about
        self.kind_, self.shape_, self.columns_, self.column_types_ = (
            about.kind,
            about.shape,
            about.columns,
            about.column_types,
        )
        self.category_labels_ = labels_from_json(about.category_labels)
        self.calibration_scores_, self.threshold_, self.alpha = calibration, about.threshold, about.alpha
        self.n_calibration_, self.fit_seconds_ = len(calibration), about.fit_seconds
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._dtype = np.float64 if about.kind == "rows" else np.float32
        self._threads = threads or cores()
        self._few = self._smallest_alike()

    def anomaly_score(self, X: Any) -> Floats:
        """How anomalous each row or image is -> (n,), higher is more."""
        return self._run(self._numbers(X), [SCORE])[SCORE]

    def score_terms(self, X: Any) -> dict[str, Floats]:
        """What the score is made of: terms (n,) which add up to `anomaly_score`."""
        found = self._run(self._numbers(X), [name for name in self._outputs if name.startswith(TERM)])
        return {name.removeprefix(TERM): values for name, values in found.items()}

    def reconstruct(self, X: Any) -> Floats:
        """What the detector makes of each row or image, in the input's units and shape.

        Raises
        ------
        InvalidInputError
            When the detector makes none.
        """
        if REBUILT not in self._outputs:
            raise InvalidInputError(
                f"An exported '{self.about_.detector}' must rebuild its input for that, it does not."
            )
        return self._to_user_units(self._run(self._numbers(X), [REBUILT])[REBUILT])

    def describe(self) -> dict[str, Any]:
        """What this detector is and how it came about, JSON-able."""
        return self.about_.description | {"runtime": "onnx"}

    def _numbers(self, X: Any) -> Array:
        data: Data = self._validate_input(X, f"The exported '{self.about_.detector}'")
        return np.ascontiguousarray(data.x, dtype=self._dtype)

    def _run(self, x: Array, names: list[str]) -> dict[str, Array]:
        """Outputs by name for numbers x (n, ...), in chunks of one shape."""
        size = self._few if len(x) <= self._few else _CHUNK[self.kind_]

        def one(start: int) -> list[Array]:
            chunk = x[start : start + size]
            n = len(chunk)
            if n < size:
                chunk = np.concatenate([chunk, np.zeros((size - n, *x.shape[1:]), dtype=x.dtype)])
            found: list[Array] = self._session.run(names, {INPUT: chunk}, self._only_asked)
            return found if n == size else [values[:n] for values in found]

        if len(x) <= size:
            return dict(zip(names, one(0), strict=True))
        with ThreadPoolExecutor(self._threads) as pool:
            parts = [*pool.map(one, range(0, len(x), size))]
        return {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(names)}

    def _smallest_alike(self) -> int:
        """The smallest number of rows that get the bits here that they have in a whole chunk: one row, one score."""
        size = _CHUNK[self.kind_]
        x = np.random.default_rng(0).normal(size=(size, *self.shape_)).astype(self._dtype)
        whole = self._session.run(None, {INPUT: x})
        for few in _FEW:
            parts = [self._session.run(None, {INPUT: x[start : start + few]}) for start in range(0, size, few)]
            if all(
                (values == np.concatenate(own)).all()
                for values, own in zip(whole, zip(*parts, strict=True), strict=True)
            ):
                return few
        return size


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
