"""What every detector is: `Model` on the torch side, `Detector` on the scikit-learn side."""

import os
import platform
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, ClassVar, Self

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from egbad import calibration, persistence
from egbad.encoding import Encoder
from egbad.errors import HealthWarning, InvalidInputError, InvalidTypeError, UnreadableFileError
from egbad.networks import Draws
from egbad.progress import progress
from egbad.sources import Data, as_data, check_numbers, names_message
from egbad.training import Schedule, Turn, train

Floats = NDArray[np.float64]
Encoded = NDArray[np.float32]
Array = NDArray[Any]
Watch = Callable[[int], None]

# Matrix products round differently by shape, but a row's bits do not depend on its place in a batch of one shape
# (measured, tests/test_base.py). So everything is scored in padded chunks of one size, at full single-precision speed.
ROWS_A_CHUNK = 256
IMAGES_A_CHUNK = 32
_ENCODE_AT_ONCE = 16_384  # rows that are encoded together: bounds memory, changes no score


class Model(nn.Module):
    """K members of a method: networks, turns, score. Knows no data set, no optimizer, no epoch."""

    def turns(self) -> tuple[Turn, ...]:
        """The players, in the order in which they move."""
        raise TypeError(f"{type(self).__name__} defines no turns.")

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """x (K, B, ...) -> terms (K, B) which add up to A(x), higher is more anomalous."""
        raise TypeError(f"{type(self).__name__} defines no score_terms.")

    def settle(self, chunks: Iterator[Tensor]) -> None:
        """Do what is needed once after the loop, given all training rows in chunks (K, B, ...)."""

    def symptoms(self, x: Tensor) -> dict[str, Tensor]:
        """What may be wrong, in words -> (K,) bool, seen on a training batch x (K, B, ...)."""
        return {}

    def reconstruct(self, x: Tensor) -> Tensor:
        """x (K, B, ...) -> what the members make of it (K, B, ...)."""
        raise InvalidTypeError(f"{type(self).__name__} does not reconstruct.")


class Detector(OutlierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Input, sign, seeds, calibration and file of every detector.

    A subclass stores its parameters, among them `alpha`, `calibration_fraction`, `random_state` and `verbose`, and
    says how it learns (`_learn`), scores (`_terms`) and is kept (`_state`, `_restore`). It meets encoded input only.
    """

    name: ClassVar[str]

    alpha: float
    calibration_fraction: float
    random_state: Any
    verbose: bool

    # -- what a method says ------------------------------------------------------------------------------------------

    @abstractmethod
    def _prepare(self) -> Encoder:
        """Check the parameters against `_encoded_shape`, and choose the encoder: for a new fit and for a loaded file."""

    def _training_rows(self, x: Array) -> Array:
        """Which of the rows in the user's units (n, ...) to learn from."""
        return x

    @abstractmethod
    def _learn(self, x: Encoded, rng: np.random.Generator, watch: Watch | None, watch_every: int) -> None:
        """Learn from encoded normal rows or images."""

    @abstractmethod
    def _terms(self, x: Encoded) -> dict[str, Floats]:
        """Encoded (n, ...) -> terms (n,) which add up to the score. Each row's depend on that row alone."""

    @abstractmethod
    def _state(self) -> tuple[dict[str, Any], persistence.Arrays]:
        """What was learned: a JSON-able part and arrays."""

    @abstractmethod
    def _restore(self, state: dict[str, Any], arrays: persistence.Arrays) -> None:
        """Take up what `_state` gave."""

    # -- learning ----------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: None = None, *, watch: Watch | None = None, watch_every: int = 1000) -> Self:
        """Learn from normal rows (n, d) or images (n, h, w), (n, c, h, w); y is ignored.

        A share `calibration_fraction` of the rows is held out of training and sets the threshold. Where a detector is
        trained in steps, `watch(step)` is called after every `watch_every` of them, and the detector then scores as it
        would if training ended there.

        Raises
        ------
        InvalidInputError
            When X is no table of finite numbers or no stack of images, has fewer than two rows, or a parameter is out
            of its range.
        TrainingError
            When training ends without usable weights.
        """
        started = time.perf_counter()
        if not 0 < self.alpha < 1:
            raise InvalidInputError(f"alpha must be in (0, 1), got {self.alpha}.")
        if not 0 < self.calibration_fraction < 1:
            raise InvalidInputError(f"calibration_fraction must be in (0, 1), got {self.calibration_fraction}.")
        data = self._check(X, fitting=True)
        n = len(data.x)
        if n < 2:
            raise InvalidInputError(
                f"fit needs at least two rows, one to learn from and one to calibrate, got n_samples = {n}."
            )
        self.seed_ = _seed(self.random_state)
        rng = np.random.default_rng(self.seed_)
        order = rng.permutation(n)
        held_out = max(1, min(n - 1, round(self.calibration_fraction * n)))
        kept = np.sort(order[held_out:])
        encoder = self._prepare()
        x = self._training_rows(data.x[kept])
        self.encoder_ = encoder.fit(x)
        self.n_train_, self.n_calibration_ = len(x), held_out
        self._learn(self.encoder_.encode(x), rng, watch, watch_every)
        self.calibration_scores_ = np.sort(self._score(data.x[np.sort(order[:held_out])]))
        self.threshold_ = calibration.threshold(self.calibration_scores_, self.alpha)
        self.offset_ = -self.threshold_
        self.fit_versions_ = versions()
        self.fit_seconds_ = time.perf_counter() - started
        return self

    # -- scoring -----------------------------------------------------------------------------------------------------

    def anomaly_score(self, X: Any) -> Floats:
        """How anomalous each row or image is -> (n,), higher is more."""
        return self._score(self._check(X).x)

    def score_terms(self, X: Any) -> dict[str, Floats]:
        """What the score is made of: terms (n,) which add up to `anomaly_score`."""
        return self._all_terms(self._check(X).x)

    def score_samples(self, X: Any) -> Floats:
        """The opposite of `anomaly_score` (n,), scikit-learn's sign."""
        return -self.anomaly_score(X)

    def decision_function(self, X: Any) -> Floats:
        """`score_samples` minus `offset_` (n,): negative for an anomaly."""
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """1 for normal, -1 for an anomaly (n,): about a share `alpha` of normal rows is flagged."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_value(self, X: Any) -> Floats:
        """Conformal p-values (n,) in (0, 1]: the share of held-out normal rows that look as strange as this one."""
        return calibration.p_values(self.calibration_scores_, self.anomaly_score(X))

    def discoveries(self, X: Any, fdr: float = 0.05) -> NDArray[np.bool_]:
        """Which rows of this batch are anomalies, if a share `fdr` of those named may be false -> (n,).

        Benjamini and Hochberg's procedure. Unlike every other answer it looks at the batch as a whole.
        """
        if not 0 < fdr < 1:
            raise InvalidInputError(f"fdr must be in (0, 1), got {fdr}.")
        return calibration.benjamini_hochberg(self.p_value(X), fdr)

    # -- keeping -----------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted detector to one file, atomically. `egbad.load` reads it back."""
        check_is_fitted(self)
        state, arrays = self._state()
        arrays |= {f"encoder.{name}": array for name, array in self.encoder_.state().items()}
        arrays["calibration"] = self.calibration_scores_
        common = {
            "kind": self.kind_,
            "shape": list(self.shape_),
            "columns": list(self.columns_) if self.columns_ is not None else None,
            "seed": self.seed_,
            "n_train": self.n_train_,
            "threshold": self.threshold_,
            "fit_seconds": self.fit_seconds_,
            "versions": self.fit_versions_,
        }
        manifest = persistence.Manifest(
            library=version("egbad"),
            detector=self.name,
            parameters=self._plain_parameters(),
            state=common | {"method": state},
        )
        persistence.write(path, manifest, arrays)

    @classmethod
    def from_file(cls, manifest: persistence.Manifest, arrays: persistence.Arrays) -> Self:
        """The detector that a model file holds, once `persistence.read` has checked it."""
        state = manifest.state
        try:
            detector = cls(**manifest.parameters)
            detector.kind_, detector.shape_ = state["kind"], tuple(state["shape"])
            detector._remember(tuple(state["columns"]) if state["columns"] is not None else None)
            prefix = "encoder."
            detector.encoder_ = detector._prepare().restore(
                {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
            )
            detector.calibration_scores_ = arrays["calibration"]
            detector.n_train_, detector.n_calibration_ = state["n_train"], len(arrays["calibration"])
            detector.seed_, detector.threshold_ = state["seed"], state["threshold"]
            detector.offset_ = -detector.threshold_
            detector.fit_seconds_, detector.fit_versions_ = state["fit_seconds"], state["versions"]
            detector._restore(state["method"], arrays)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UnreadableFileError(f"The model file doesn't fit {cls.__name__}: {error}. Fit again.") from error
        return detector

    def describe(self) -> dict[str, Any]:
        """What this detector is and how it came about, JSON-able."""
        check_is_fitted(self)
        return {
            "detector": self.name,
            "parameters": self._plain_parameters(),
            "input": {
                "kind": self.kind_,
                "shape": list(self.shape_),
                "columns": list(self.columns_) if self.columns_ is not None else None,
            },
            "training_rows": self.n_train_,
            "calibration_rows": self.n_calibration_,
            "threshold": self.threshold_,
            "seed": self.seed_,
            "fit_seconds": self.fit_seconds_,
            "versions": self.fit_versions_,
        }

    # -- shared ------------------------------------------------------------------------------------------------------

    def _encoded_shape(self) -> tuple[int, ...]:
        """Shape of one encoded row (d,) or image (c, h, w)."""
        return (1, *self.shape_) if len(self.shape_) == 2 else self.shape_

    def _plain_parameters(self) -> dict[str, Any]:
        given = self.get_params(deep=False)
        if not isinstance(self.random_state, int | np.integer | None):
            given["random_state"] = None  # a generator's state is no setting; `seed_` has what it gave
        return {name: _plain(value) for name, value in given.items()}

    def _score(self, x: Array) -> Floats:
        return np.asarray(sum(self._all_terms(x).values()))

    def _all_terms(self, x: Array) -> dict[str, Floats]:
        parts = [
            self._terms(self.encoder_.encode(x[i : i + _ENCODE_AT_ONCE])) for i in range(0, len(x), _ENCODE_AT_ONCE)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _check(self, X: Any, *, fitting: bool = False) -> Data:
        """X as checked numbers, against what the detector was fitted on."""
        if not fitting:
            check_is_fitted(self)
        data = as_data(X)
        check_numbers(data)
        shape = data.x.shape[1:]
        if fitting:
            self.kind_ = "rows" if data.x.ndim == 2 else "images"
            self.shape_ = tuple(int(s) for s in shape)
            self._remember(data.columns)
        elif self.kind_ == "images" or data.x.ndim != 2:
            if shape != self.shape_:
                raise InvalidInputError(
                    f"{type(self).__name__} was fitted on {self.kind_} of shape {self.shape_}, got {tuple(shape)}. "
                    "Bring them to that shape first (image_size does so when a folder is read)."
                )
        else:
            self._check_columns(data)
        return data

    def _remember(self, columns: tuple[str, ...] | None) -> None:
        self.columns_ = columns
        self.n_features_in_ = int(np.prod(self.shape_))
        if columns is not None:
            self.feature_names_in_ = np.array(columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _check_columns(self, data: Data) -> None:
        name, d = type(self).__name__, data.x.shape[1]
        if self.columns_ is not None and data.columns is not None and data.columns != self.columns_:
            unseen = [c for c in data.columns if c not in self.columns_]
            missing = [c for c in self.columns_ if c not in data.columns]
            raise InvalidInputError(names_message(unseen, missing))
        if d != self.n_features_in_:
            raise InvalidInputError(
                f"X has {d} features, but {name} is expecting {self.n_features_in_} features as input: "
                "score rows with the columns that it was fitted on."
            )
        if (self.columns_ is None) != (data.columns is None):
            which = "X has feature names, but" if self.columns_ is None else "X does not have valid feature names, but"
            how = "without" if self.columns_ is None else "with"
            warnings.warn(f"{which} {name} was fitted {how} feature names", UserWarning, stacklevel=4)


def _plain(value: Any) -> Any:
    """A parameter as JSON gives it back."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _seed(random_state: Any) -> int:
    """One seed from an int, a RandomState or nothing; numpy's global state is neither read nor moved."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if isinstance(random_state, int | np.integer) and random_state >= 0:
        return int(random_state)
    raise InvalidInputError(
        f"random_state must be a non-negative int, a numpy generator or None, got {random_state!r}."
    )


def _check_device(device: str) -> None:
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InvalidInputError(
            f"device must be one that torch knows, such as 'cpu' or 'cuda', got {device!r}."
        ) from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InvalidInputError(
            f"device={device!r} needs CUDA, which this machine or this build of torch hasn't. Use 'cpu'."
        )


def versions() -> dict[str, str]:
    """The releases that a score depends on."""
    return {
        "egbad": version("egbad"),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }


class TorchDetector(Detector):
    """A detector whose model is trained by `train`: building, members, chunks, weights in the file."""

    members: int
    device: str

    @abstractmethod
    def _build(self, shape: tuple[int, ...], draws: Draws) -> Model:
        """Fresh networks for encoded rows of `shape`, one set per member."""

    @abstractmethod
    def _schedule(self, n: int) -> Schedule:
        """How to train on n rows."""

    def reconstruct(self, X: Any) -> Floats:
        """What the detector makes of each row or image, in the input's units and shape; the mean over members."""
        data = self._check(X)
        encoded = self.encoder_.encode(data.x)
        with torch.no_grad():
            parts = [self.model_.reconstruct(chunk)[:, :n].mean(0).cpu().numpy() for chunk, n in self._chunks(encoded)]
        return np.asarray(self.encoder_.decode(np.concatenate(parts)))

    def describe(self) -> dict[str, Any]:
        """What this detector is and how it came about, JSON-able."""
        return super().describe() | {
            "seeds": list(self.seeds_),
            "health": list(self.health_),
            "weights": self._n_weights(),
        }

    def _n_weights(self) -> int:
        return sum(p.numel() for p in self.model_.parameters()) // len(self.seeds_)

    def _learn(self, x: Encoded, rng: np.random.Generator, watch: Watch | None, watch_every: int) -> None:
        if self.members < 1:
            raise InvalidInputError(f"members must be at least 1, got {self.members}.")
        _check_device(self.device)
        self.seeds_ = tuple(int(seed) for seed in rng.integers(2**31, size=self.members))
        draws = Draws(self.seeds_, self.device)
        self.model_ = self._build(x.shape[1:], draws).to(self.device)
        schedule = self._schedule(len(x))

        def settle_and_watch(step: int) -> None:
            self._settle(x)
            if watch is not None:
                watch(step)

        with progress("Training", total=schedule.steps, unit="steps", enabled=self.verbose) as advance:
            history = train(
                self.model_,
                torch.from_numpy(x).to(self.device),
                schedule,
                draws,
                advance=advance,
                watch=settle_and_watch if watch else None,
                watch_every=watch_every,
            )
        self._settle(x)
        curves = history.curves()
        self.history_ = {"step": np.array(history.steps)} | {k: v.cpu().numpy() for k, v in curves.items()}
        self.health_ = [self._sentence(words, ill) for words, ill in history.symptoms.items()]
        for sentence in self.health_:
            warnings.warn(sentence, HealthWarning, stacklevel=3)

    def _settle(self, x: Encoded) -> None:
        with torch.no_grad():
            self.model_.settle(chunk[:, :n] for chunk, n in self._chunks(x))

    def _sentence(self, words: str, ill: list[int]) -> str:
        who = "" if self.members == 1 else f" (members {', '.join(map(str, ill))} of {self.members})"
        return f"{words}{who}"

    def _chunks(self, x: Encoded) -> Iterator[tuple[Tensor, int]]:
        """Chunks (K, C, ...) of one size, and how many of their rows are real: the last is padded."""
        size = ROWS_A_CHUNK if x.ndim == 2 else IMAGES_A_CHUNK
        for start in range(0, len(x), size):
            part = x[start : start + size]
            n = len(part)
            if n < size:
                part = np.concatenate([part, np.zeros((size - n, *x.shape[1:]), dtype=x.dtype)])
            rows = torch.from_numpy(part).to(self.device)
            yield rows.expand(len(self.seeds_), *rows.shape), n

    def _terms(self, x: Encoded) -> dict[str, Floats]:
        parts: dict[str, list[Array]] = {}
        with torch.no_grad():
            for chunk, n in self._chunks(x):
                for name, values in self.model_.score_terms(chunk).items():
                    parts.setdefault(name, []).append(values.double().mean(0)[:n].cpu().numpy())
        return {name: np.concatenate(values) for name, values in parts.items()}

    def _state(self) -> tuple[dict[str, Any], persistence.Arrays]:
        arrays = {f"model.{name}": value.cpu().numpy() for name, value in self.model_.state_dict().items()}
        arrays |= {f"history.{name}": value for name, value in self.history_.items()}
        return {"seeds": list(self.seeds_), "health": list(self.health_)}, arrays

    def _restore(self, state: dict[str, Any], arrays: persistence.Arrays) -> None:
        self.seeds_, self.health_ = tuple(state["seeds"]), list(state["health"])
        self.model_ = self._build(self._encoded_shape(), Draws(self.seeds_, self.device))
        weights = {n.removeprefix("model."): torch.from_numpy(a) for n, a in arrays.items() if n.startswith("model.")}
        for name, value in self.model_.state_dict().items():
            came = tuple(weights[name].shape) if name in weights else None
            if came != tuple(value.shape):
                raise ValueError(f"'{name}' must have the shape {tuple(value.shape)}, got {came}")
        self.model_.load_state_dict(weights)
        self.model_.to(self.device).eval()
        self.history_ = {n.removeprefix("history."): a for n, a in arrays.items() if n.startswith("history.")}
