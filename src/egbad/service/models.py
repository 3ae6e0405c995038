"""Models that are served: several names, each with several versions, changed while requests run."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from egbad.errors import InvalidInputError, shorten
from egbad.export.onnx_scorer import OnnxScorer
from egbad.service.batching import Batcher
from egbad.service.bodies import InputReader
from egbad.service.problems import ProblemError
from egbad.service.scoring import Piece, Scored
from egbad.service.store import ServedFile


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One version of a model, and the queue of its requests.

    Attributes
    ----------
    name, version : str
    digest : str
        SHA-256 of the file.
    path : Path
        File that it was loaded from, before any recalibration.
    original : str
        SHA-256 of that file.
    scorer : Scorer
    threshold : float
    terms : tuple of str
        Names of the terms of its scores.
    reader : InputReader
    batcher : Batcher
    earlier : tuple of str
        Digests of other models with the same scores: the original and recalibrated ones.
    """

    name: str
    version: str
    digest: str
    path: Path
    original: str
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
    def is_recalibrated(self) -> bool:
        """True if threshold and p-values are not those of the file that the model was loaded from."""
        return self.digest != self.original

    @property
    def file(self) -> ServedFile:
        """The file that the model was loaded from, as the store names it."""
        return ServedFile(self.name, self.version, self.original)

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
