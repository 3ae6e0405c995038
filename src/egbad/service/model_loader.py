"""Loading of model files for the service, and recalibration of loaded models."""

import copy
import re
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from egbad.data import Data
from egbad.errors import EgbadError, InvalidInputError, UnreadableFileError, shorten
from egbad.loading import load, local_path
from egbad.service.batching import Batcher
from egbad.service.bodies import InputReader
from egbad.service.models import ServedModel
from egbad.service.problems import ProblemError
from egbad.service.scoring import Piece, Scored, score_pieces
from egbad.service.settings import ServiceSettings
from egbad.service.store.recalibrations import RecalibrationStore

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,199}")
_FILE = "model.egbad"  # in temporary folders
_FIRST_VERSION = "1"


class ModelLoader:
    """Loads model files, and gives each a queue.

    Parameters
    ----------
    settings : ServiceSettings
    executor : Executor
        Worker threads.
    keep : bool
        Whether rows may be kept in the store.
    recalibrations : RecalibrationStore, optional
        Keeps recalibrated models. A file that was recalibrated is then served with the newest threshold, also after a restart.
    observe : callable, optional
        Called with the number of requests and rows of each batch.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        executor: Executor,
        *,
        keep: bool = False,
        recalibrations: RecalibrationStore | None = None,
        observe: Callable[[int, int], None] = lambda items, rows: None,
    ) -> None:
        self.settings, self._executor, self._keep, self._observe = settings, executor, keep, observe
        self._recalibrations = recalibrations

    def load(self, path: Path, name: str | None = None, version: str | None = None) -> ServedModel:
        """Load a file, with its newest recalibration if the store has one.

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
        StoreError
            If the store cannot be read.
        """
        model = self._load(path, name, version)
        found = None if self._recalibrations is None else self._recalibrations.recalibration(model.file)
        if found is None:
            return model
        if found.file is None:
            return replace(model, earlier=found.digests)
        return self._restore(model, found.file, found.digests)

    def _restore(self, model: ServedModel, content: bytes, digests: tuple[str, ...]) -> ServedModel:
        """Return a recalibrated model from the store."""
        with TemporaryDirectory(prefix="egbad-") as folder:
            path = Path(folder, _FILE)
            path.write_bytes(content)
            try:
                restored = self._load(path, model.name, model.version)
            except EgbadError as error:
                raise UnreadableFileError(
                    f"The recalibrated model of '{model.name}' in the store is damaged. Serve a copy under another name, "
                    "and recalibrate it anew."
                ) from error
        earlier = (*(digest for digest in digests if digest != restored.digest), model.original)
        return replace(restored, path=model.path, original=model.original, earlier=earlier)

    def _load(self, path: Path, name: str | None, version: str | None) -> ServedModel:
        """Load a file and score one row, so that the first request is as fast as the others."""
        file = Path(local_path(path))
        # An address of the Hub has no suffix, and dots may stand in its name and revision.
        own_name, _, own_version = (path.stem if file == path else path.name).partition("@")
        name, version = name or own_name, version or own_version or _FIRST_VERSION
        for what, text in (("name", name), ("version", version)):
            if not _NAME.fullmatch(text):
                raise InvalidInputError(
                    f"The {what} of a model must be letters, digits, '.', '_' and '-', got '{shorten(text)}'. Rename the file."
                )
        digest = _digest(file)
        scorer = load(file)
        if _digest(file) != digest:
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
        terms = tuple(scored.terms)
        return ServedModel(name, version, digest, path, digest, scorer, threshold, terms, reader, batcher)

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
        StoreError
            If the store cannot keep it.
        """
        scorer = copy.deepcopy(model.scorer).recalibrate(data, alpha)
        with TemporaryDirectory(prefix="egbad-") as folder:
            path = Path(folder, _FILE)
            scorer.save(path)
            loaded = self._load(path, model.name, model.version)
            if self._recalibrations is not None:
                self._recalibrations.keep_recalibration(model.file, loaded.digest, path.read_bytes())
        return replace(loaded, path=model.path, original=model.original, earlier=model.digests)

    def undo_recalibration(self, model: ServedModel) -> ServedModel:
        """Return a model with the threshold and p-values of the file that it was loaded from, also for the next start.

        Parameters
        ----------
        model : ServedModel
            Is not changed.

        Returns
        -------
        ServedModel

        Raises
        ------
        InvalidInputError
            If the file cannot be read, or is not the same any more.
        StoreError
            If the store cannot be changed.
        """
        loaded = self._load(model.path, model.name, model.version)
        if loaded.digest != model.original:
            raise InvalidInputError(
                f"The file of the model '{model.name}' has changed since it was loaded. Load it again to serve it."
            )
        if self._recalibrations is not None:
            self._recalibrations.undo_recalibration(model.file)
        return replace(loaded, earlier=tuple(digest for digest in model.digests if digest != loaded.digest))

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


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UnreadableFileError(f"'{path}' cannot be read as a model: {error.strerror}. Check the path.") from error
