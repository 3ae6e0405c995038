"""Model files of a detector: its content, digest, and the way back."""

import hashlib
import json
import os
from abc import abstractmethod
from importlib.metadata import version
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from egbad import model_file
from egbad.arrays import State
from egbad.data import Data
from egbad.data.column_roles import ColumnRoles
from egbad.data.column_types import labels_from_json, labels_to_json
from egbad.data.csv_options import CsvDialect
from egbad.data.pixel_scale import PixelScale
from egbad.data.ragged import is_ragged, update_digest
from egbad.detectors.base.parameters import ParameterMixin
from egbad.detectors.base.provenance import versions
from egbad.detectors.base.scoring import ScoreMixin
from egbad.detectors.base.settings import Settings
from egbad.errors import UnreadableFileError
from egbad.explain.normal_range import NormalRange
from egbad.model_file import Manifest, with_prefix_removed
from egbad.preprocessing.range_guard import RangeGuard
from egbad.scoring.learned_rows import LearnedRows


class SaveMixin(ScoreMixin, ParameterMixin):
    """Writes a fitted detector to a model file and reads it back."""

    name: ClassVar[str]
    settings_: Settings

    @abstractmethod
    def _state(self) -> tuple[dict[str, Any], State]:
        """Return what the method learned, as JSON and as arrays."""

    @abstractmethod
    def _restore(self, state: dict[str, Any], arrays: State) -> None:
        """Restore what `_state` returned."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted detector to a file, atomically. `egbad.load` reads it back.

        Parameters
        ----------
        path : str or path-like
        """
        check_is_fitted(self)
        model_file.write(path, *self.content())

    def content(self) -> tuple[Manifest, State]:
        """Return the content of a model file.

        Returns
        -------
        manifest : Manifest
        arrays : dict of str to ndarray
        """
        state, arrays = self._state()
        arrays |= {f"encoder.{name}": array for name, array in self.encoder_.state().items()}
        arrays |= {f"guard.{name}": a for name, a in (self.range_guard_.state() if self.range_guard_ else {}).items()}
        arrays |= {} if self.exemplars_ is None else {"examples": self.exemplars_}
        arrays |= {f"usual.{name}": a for name, a in (self.normal_range_.state() if self.normal_range_ else {}).items()}
        arrays |= {f"rows.{name}": a for name, a in (self.learned_rows_.state() if self.learned_rows_ else {}).items()}
        arrays["calibration"] = self.calibration_scores_
        common = {
            "kind": self.kind_,
            "shape": list(self.shape_),
            "pixel_scale": None if self.pixel_scale_ is None else self.pixel_scale_.state(),
            "columns": list(self.columns_) if self.columns_ is not None else None,
            "kinds": list(self.column_types_) if self.column_types_ is not None else None,
            "texts": labels_to_json(self.used_category_labels()),
            "roles": self.column_roles_.to_json(),
            "csv": None if self.csv_dialect_ is None else self.csv_dialect_.to_json(),
            "settings": self.settings_.model_dump(),  # a later release's defaults must not change the scores of a file
            "seed": self.seed_,
            "n_train": self.n_train_,
            "threshold": self.threshold_,
            "normal_label": self.normal_label_,
            "fit_seconds": self.fit_seconds_,
            "versions": self.fit_versions_,
        }
        manifest = Manifest(
            library=version("egbad"),
            detector=self.name,
            parameters=self.json_parameters(),
            state=common | {"method": state},
        )
        return manifest, arrays

    @classmethod
    def from_file(cls, manifest: Manifest, arrays: State) -> Self:
        """Return the detector that a model file holds, after `egbad.model_file.read` has checked the file.

        Raises
        ------
        UnreadableFileError
            If the content does not fit this class.
        """
        try:
            detector = cls.from_json_parameters(manifest.parameters)
            detector._restore_common(manifest.state, arrays)
            detector.settings_for(detector.encoded_shape)  # a file with invalid parameters could not be fitted again
            detector._restore(manifest.state["method"], arrays)
        except UnreadableFileError:  # of a component: its own message is enough
            raise
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UnreadableFileError(f"The model file does not fit {cls.__name__}: {error}. Fit again.") from error
        return detector

    def _restore_common(self, state: dict[str, Any], arrays: State) -> None:
        """Restore all but what the method learned."""
        self.kind_, self.shape_ = state["kind"], tuple(state["shape"])
        self.pixel_scale_ = PixelScale.from_state(state.get("pixel_scale"))
        self.remember_columns(
            tuple(state["columns"]) if state["columns"] is not None else None,
            tuple(state["kinds"]) if state.get("kinds") is not None else None,
            labels_from_json(state.get("texts", {})),
        )
        self.column_roles_ = ColumnRoles.from_json(state.get("roles"))
        csv = state.get("csv")
        self.csv_dialect_ = None if csv is None else CsvDialect.from_json(csv)
        self.settings_ = self.settings_type.model_validate(state["settings"])
        self.encoder_ = self._new_encoder(self.settings_.preprocessing).restore(with_prefix_removed("encoder.", arrays))
        guard, normal, rows = (with_prefix_removed(prefix, arrays) for prefix in ("guard.", "usual.", "rows."))
        self.range_guard_ = RangeGuard.from_state(guard) if guard else None
        self.normal_range_ = NormalRange.from_state(normal) if normal else None
        self.learned_rows_ = LearnedRows.from_state(rows) if rows else None
        self.exemplars_ = arrays.get("examples")
        self.calibration_scores_ = arrays["calibration"]
        self.n_train_, self.n_calibration_ = state["n_train"], len(arrays["calibration"])
        self.seed_, self.threshold_ = state["seed"], state["threshold"]
        self.fit_seconds_, self.fit_versions_ = state["fit_seconds"], state["versions"]
        self.normal_label_ = state.get("normal_label")

    def digest(self) -> str:
        """Return the SHA-256 digest of everything that was learned, as hexadecimal digits."""
        manifest, arrays = self.content()
        found = hashlib.sha256(json.dumps(manifest.state, sort_keys=True).encode())
        for name in sorted(arrays):
            found.update(np.ascontiguousarray(arrays[name]).data)
        return found.hexdigest()

    def run_identity(self, data: Data, init_from: Self | None = None) -> dict[str, Any]:
        """Return everything that the result of a fit on `data` depends on, as JSON, for its checkpoints."""
        shapes = [image.shape for image in data.x] if is_ragged(data.x) else data.x.shape
        found = hashlib.sha256(repr((shapes, data.x.dtype.str, data.columns, data.column_types)).encode())
        update_digest(found, data.x)
        if data.coverage_rows is not None:
            update_digest(found, data.coverage_rows)
        parameters = {name: value for name, value in self.json_parameters().items() if name != "verbose"}
        run = {"detector": self.name, "parameters": parameters, "data": found.hexdigest(), "versions": versions()}
        return run if init_from is None else run | {"start": init_from.digest()}
