"""Models that are served: several names, each with several versions, changed while requests run."""

import copy
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from egbad.data import Data
from egbad.errors import InvalidInputError, UnreadableFileError, shorten
from egbad.export.onnx_scorer import OnnxScorer
from egbad.loading import load
from egbad.service.batching import Batcher
from egbad.service.bodies import InputReader
from egbad.service.problems import ProblemError
from egbad.service.scoring import Piece, Scored, score_pieces
from egbad.service.settings import ServiceSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,199}")
_FIRST_VERSION = "1"


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One version of a model, and the queue of its requests.

    Attributes
    ----------
    name, version : str
    digest : str
        SHA-256 of the file.
    scorer : Scorer
    threshold : float
    terms : tuple of str
        Names of the terms of its scores.
    reader : InputReader
    batcher : Batcher
    earlier : tuple of str
        Digests of models with the same scores, which recalibration has replaced by this one.
    """

    name: str
    version: str
    digest: str
    scorer: Any
    threshold: float
    terms: tuple[str, ...]
    reader: InputReader
    batcher: Batcher[Piece, Scored]
    earlier: tuple[str, ...] = ()

    @property
    def digests(self) -> tuple[str, ...]:
        """Digests of all model files that give the scores of this one."""
        return (self.digest, *self.earlier)

    @property
    def platform(self) -> str:
        """Name of what runs the model."""
        return "egbad_onnx" if isinstance(self.scorer, OnnxScorer) else "egbad_torch"

    @property
    def describes_images(self) -> bool:
        """True if a frozen backbone describes images to the model."""
        return bool(getattr(self.scorer, "describes_images", False))

    def describe(self) -> dict[str, Any]:
        """Return what clients may know about the model, as JSON."""
        scorer = self.scorer
        return {
            "name": self.name,
            "version": self.version,
            "digest": self.digest,
            "platform": self.platform,
            "kind": scorer.kind_,
            "shape": list(scorer.shape_),
            "columns": None if scorer.columns_ is None else list(scorer.columns_),
            "column_types": None if scorer.column_types_ is None else list(scorer.column_types_),
            "alpha": float(scorer.alpha),
            "threshold": self.threshold,
            "calibration_rows": len(scorer.calibration_scores_),
        }


class ModelLoader:
    """Loads model files, and gives each a queue.

    Parameters
    ----------
    settings : ServiceSettings
    executor : Executor
        Worker threads.
    keep : bool
        Whether rows may be kept in the store.
    observe : callable, optional
        Called with the number of requests and rows of each batch.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        executor: Executor,
        *,
        keep: bool = False,
        observe: Callable[[int, int], None] = lambda items, rows: None,
    ) -> None:
        self.settings, self._executor, self._keep, self._observe = settings, executor, keep, observe

    def load(self, path: Path, name: str | None = None, version: str | None = None) -> ServedModel:
        """Load a file and score one row, so that the first request is as fast as the others.

        Parameters
        ----------
        path : Path
        name, version : str, optional
            By default those in the name of the file: "payments@2.egbad" is version 2 of "payments". Files without a version
            have version 1.

        Returns
        -------
        ServedModel

        Raises
        ------
        InvalidInputError
            If the name is not valid, or the file cannot be read.
        """
        own_name, _, own_version = path.stem.partition("@")
        name, version = name or own_name, version or own_version or _FIRST_VERSION
        for what, text in (("name", name), ("version", version)):
            if not _NAME.fullmatch(text):
                raise InvalidInputError(
                    f"The {what} of a model must be letters, digits, '.', '_' and '-', got '{shorten(text)}'. Rename the file."
                )
        digest = _digest(path)
        scorer = load(path)
        if _digest(path) != digest:
            raise UnreadableFileError(f"'{path}' changed while it was loaded. Load it again.")
        settings, threshold = self.settings, float(scorer.threshold_)
        example = np.zeros((1, *scorer.shape_), dtype=np.float64 if scorer.kind_ == "rows" else np.uint8)
        (scored,) = score_pieces(
            scorer, threshold, [Piece(Data(example, scorer.columns_, column_types=scorer.column_types_))]
        )
        batcher = Batcher[Piece, Scored](
            partial(score_pieces, scorer, threshold),
            self._executor,
            max_rows=settings.batch_rows,
            max_running=settings.workers,
            latency_budget=settings.latency_budget,
            observe=self._observe,
        )
        reader = InputReader(scorer, settings, keep=self._keep)
        return ServedModel(name, version, digest, scorer, threshold, tuple(scored.terms), reader, batcher)

    def recalibrate(self, model: ServedModel, data: Data, alpha: float) -> ServedModel:
        """Return a model with threshold and p-values set anew by normal rows or images, as 'egbad recalibrate' sets them.

        Parameters
        ----------
        model : ServedModel
            Is not changed.
        data : Data
        alpha : float
            False-alarm rate, in (0, 1).

        Returns
        -------
        ServedModel

        Raises
        ------
        InvalidInputError
            If the data does not match the model.
        """
        scorer = copy.deepcopy(model.scorer).recalibrate(data, alpha)
        with TemporaryDirectory(prefix="egbad-") as folder:
            path = Path(folder, "model.egbad")
            scorer.save(path)
            loaded = self.load(path, model.name, model.version)
        return replace(loaded, earlier=model.digests)

    def find_file(self, file_name: str) -> Path:
        """Return the path of a file in the folder of models.

        Parameters
        ----------
        file_name : str
            Bare name, without folders.

        Returns
        -------
        Path

        Raises
        ------
        ProblemError
            If no folder was given, the name is not bare, or there is no such file.
        """
        folder = self.settings.models_dir
        if folder is None:
            raise ProblemError(
                HTTPStatus.FORBIDDEN, "Models can be loaded only if the service was started with --models-dir."
            )
        if not _FILE_NAME.fullmatch(file_name):
            raise ProblemError(
                HTTPStatus.BAD_REQUEST, "The file must be a bare name such as 'payments@2.egbad', got another one."
            )
        path = next((entry for entry in folder.iterdir() if entry.name == file_name and entry.is_file()), None)
        if path is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no file '{file_name}' in the folder of models.")
        return path


class ModelRegistry:
    """Models by name and version. It belongs to the event loop: no other thread changes it.

    A request keeps the model that it found, so that it is answered even if the model is replaced or removed meanwhile.

    Parameters
    ----------
    models : sequence of ServedModel
        The first version of each name is its default.

    Raises
    ------
    InvalidInputError
        If two models have one name and version.
    """

    def __init__(self, models: Sequence[ServedModel] = ()) -> None:
        self._versions: dict[str, dict[str, ServedModel]] = {}
        self._defaults: dict[str, str] = {}
        self._retired: list[ServedModel] = []
        for model in models:
            if model.version in self._versions.get(model.name, {}):
                raise InvalidInputError(
                    f"Models must differ in name or version, got '{model.name}' version {model.version} twice. "
                    "Name a file like 'name@version.egbad'."
                )
            self.add(model, default=model.name not in self._versions)

    def __iter__(self) -> Any:
        """Iterate over all models."""
        return (model for versions in self._versions.values() for model in versions.values())

    def find(self, name: str, version: str | None = None) -> ServedModel:
        """Return a model.

        Parameters
        ----------
        name : str
        version : str, optional
            By default the default version.

        Returns
        -------
        ServedModel

        Raises
        ------
        ProblemError
            With status 404 if there is none.
        """
        versions = self._versions.get(name)
        if versions is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no model '{shorten(name)}'. GET /v1/models lists all.")
        model = versions.get(self._defaults[name] if version is None else version)
        if model is None:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, f"There is no version '{shorten(str(version))}' of the model '{name}'."
            )
        return model

    def find_scored(self, digest: str) -> ServedModel | None:
        """Return a model whose scores are those of the file with a digest.

        Parameters
        ----------
        digest : str

        Returns
        -------
        ServedModel or None
        """
        return next((model for model in self if digest in model.digests), None)

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, the default first.

        Parameters
        ----------
        name : str

        Returns
        -------
        list of str
        """
        default = self.find(name).version
        return [default, *(version for version in self._versions[name] if version != default)]

    def add(self, model: ServedModel, *, default: bool) -> None:
        """Add a model, in place of the one with its name and version.

        Parameters
        ----------
        model : ServedModel
        default : bool
            Whether it becomes the default version of its name.
        """
        versions = self._versions.setdefault(model.name, {})
        self._retire(versions.get(model.version))
        versions[model.version] = model
        if default or model.name not in self._defaults:
            self._defaults[model.name] = model.version

    def set_default(self, name: str, version: str) -> None:
        """Make a version the default of its name.

        Parameters
        ----------
        name, version : str
        """
        self._defaults[name] = self.find(name, version).version

    def replace(self, old: ServedModel, new: ServedModel) -> None:
        """Replace a model by another one with its name and version, if it is still served.

        Parameters
        ----------
        old, new : ServedModel

        Raises
        ------
        ProblemError
            If it was replaced or removed meanwhile.
        """
        if self._versions.get(old.name, {}).get(old.version) is not old:
            raise ProblemError(
                HTTPStatus.CONFLICT, f"The model '{old.name}' has changed meanwhile. Repeat the request."
            )
        self.add(new, default=False)

    def remove(self, name: str, version: str) -> None:
        """Remove a model. The default version goes last.

        Parameters
        ----------
        name, version : str

        Raises
        ------
        ProblemError
            If it is the default version and there are others.
        """
        model, versions = self.find(name, version), self._versions[name]
        if version == self._defaults[name] and len(versions) > 1:
            raise ProblemError(
                HTTPStatus.CONFLICT, "The default version cannot be removed. Make another one the default first."
            )
        self._retire(model)
        del versions[version]
        if not versions:
            del self._versions[name], self._defaults[name]

    def _retire(self, model: ServedModel | None) -> None:
        """Remember a model whose requests may still run, until they have been answered."""
        self._retired = [old for old in self._retired if old.batcher.is_busy]
        if model is not None:
            self._retired.append(model)

    async def drain(self) -> None:
        """Wait until all requests are scored, also those of models that were removed."""
        for model in (*self, *self._retired):
            await model.batcher.drain()


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UnreadableFileError(f"'{path}' cannot be read as a model: {error.strerror}. Check the path.") from error
