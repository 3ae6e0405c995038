"""Model files of a detector: its content, digest, and the way back."""

import hashlib
import json
import os
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from math import prod
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from egbad import model_file
from egbad.arrays import ArraySpec, State, check_arrays
from egbad.backbones import Backbone
from egbad.data import Data
from egbad.data.column_roles import NO_ROLES
from egbad.data.column_types import labels_to_json
from egbad.data.csv_options import CsvDialect
from egbad.data.ragged import is_ragged, update_digest
from egbad.detectors.base.feature_encoder import FeatureEncoder
from egbad.detectors.base.parameters import ParameterMixin
from egbad.detectors.base.provenance import versions
from egbad.detectors.base.saved_state import (
    COMMON_ARRAYS,
    CommonState,
    check_array_names,
    check_labels,
    check_networks_of_parts,
    check_parameter_types,
    without_backbones,
)
from egbad.detectors.base.scoring import ScoreMixin
from egbad.detectors.base.settings import Settings
from egbad.errors import InvalidEntryError, InvalidInputError, UnreadableFileError, shorten
from egbad.explain.normal_range import NormalRange
from egbad.model_file import Manifest, entries_within, validated_entries, with_prefix_removed
from egbad.preprocessing.range_guard import RangeGuard
from egbad.preprocessing.row_encoder import Encoder
from egbad.scoring.learned_rows import LearnedRows
from egbad.scoring.normal_maps import NormalMaps
from egbad.scoring.recalibration import Recalibration
from egbad.scoring.reference_rows import ReferenceRows

_EXAMPLES = ArraySpec("number", optional=True)
_CALIBRATION = ArraySpec("float64", ("n_calibration",), ascending=True)


def _first_line(error: Exception) -> str:
    """Describe an error that no check foresaw, in one line."""
    return f"its content is invalid ({shorten(' '.join([type(error).__name__, *str(error).splitlines()[:1]]))})"


class SaveMixin(ScoreMixin, ParameterMixin):
    """Writes a fitted detector to a model file and reads it back."""

    name: ClassVar[str]
    array_names: ClassVar[frozenset[str]]  # beginnings of the names of the method's own arrays, up to the first dot
    settings_: Settings
    recalibration_: Recalibration | None

    @abstractmethod
    def _state(self) -> tuple[dict[str, Any], State]:
        """Return what the method learned, as JSON and as arrays."""

    @abstractmethod
    def _restore(self, state: dict[str, Any], arrays: State) -> None:
        """Restore what `_state` returned."""

    @property
    def backbones(self) -> list[Backbone]:
        """Backbones of the fitted detector, or of its parts."""
        encoder = self.encoder_
        return [encoder.extractor.backbone] if isinstance(encoder, FeatureEncoder) else []

    def save(self, path: str | os.PathLike[str], *, reference_backbone: bool = False) -> None:
        """Write the fitted detector to a file, atomically. `egbad.load` reads it back.

        Parameters
        ----------
        path : str or path-like
        reference_backbone : bool, default=False
            Leave the weights of backbones out. Loading then takes the installed ones, and checks their digest.

        Raises
        ------
        InvalidInputError
            If a backbone is a torch module without a name, or a part of the detector has networks of the user's own.
        """
        check_is_fitted(self)
        for backbone in self.backbones:
            backbone.check_storable()
        manifest, arrays = self.content()
        check_networks_of_parts(manifest.state["method"])
        model_file.write(path, manifest, without_backbones(arrays) if reference_backbone else arrays)

    def content(self) -> tuple[Manifest, State]:
        """Return the content of a model file.

        Returns
        -------
        manifest : Manifest
        arrays : dict of str to ndarray
        """
        state, arrays = self._state()
        arrays |= {f"encoder.{name}": array for name, array in self._encoder_state().items()}
        arrays |= {f"guard.{name}": a for name, a in (self.range_guard_.state() if self.range_guard_ else {}).items()}
        arrays |= {} if self.exemplars_ is None else {"examples": self.exemplars_}
        arrays |= {f"usual.{name}": a for name, a in (self.normal_range_.state() if self.normal_range_ else {}).items()}
        arrays |= {f"maps.{name}": a for name, a in (self.normal_maps_.state() if self.normal_maps_ else {}).items()}
        arrays |= {f"rows.{name}": a for name, a in (self.learned_rows_.state() if self.learned_rows_ else {}).items()}
        reference = self.reference_rows_.state() if self.reference_rows_ else {}
        arrays |= {f"reference.{name}": array for name, array in reference.items()}
        arrays["calibration"] = self.calibration_scores_
        common = {
            "kind": self.kind_,
            "shape": list(self.shape_),
            "pixel_scale": None if self.pixel_scale_ is None else self.pixel_scale_.state(),
            "columns": list(self.columns_) if self.columns_ is not None else None,
            "column_types": list(self.column_types_) if self.column_types_ is not None else None,
            "category_labels": labels_to_json(self.used_category_labels()),
            "roles": self.column_roles_.to_json(),
            "csv": None if self.csv_dialect_ is None else self.csv_dialect_.to_json(),
            "settings": self.settings_.model_dump(),  # a later release's defaults must not change the scores of a file
            "seed": self.seed_,
            "n_train": self.n_train_,
            "threshold": self.threshold_,
            "normal_label": self.normal_label_,
            "recalibration": None if self.recalibration_ is None else asdict(self.recalibration_),
            "fit_seconds": self.fit_seconds_,
            "versions": self.fit_versions_,
        }
        if (features := self._feature_state()) is not None:
            common["features"] = features
        manifest = Manifest(
            library=version("egbad"),
            detector=self.name,
            parameters=self.json_parameters(),
            state=common | {"method": state},
        )
        return manifest, arrays

    @classmethod
    def from_file(
        cls,
        manifest: Manifest,
        arrays: State,
        source: str | os.PathLike[str] = "The model file",
        code: Mapping[str, Any] = MappingProxyType({}),
    ) -> Self:
        """Return the detector that a model file holds, after `egbad.model_file.read` has checked the file.

        Parameters
        ----------
        manifest : Manifest
        arrays : dict of str to ndarray
        source : str or path-like
            Name of the file in errors.
        code : mapping of str to object
            Parameters that a file names but does not contain, such as functions.

        Returns
        -------
        Detector

        Raises
        ------
        UnreadableFileError
            If the content does not fit this class. The message names the first entry that does not.
        """
        try:
            return cls.restored(manifest, arrays, code)
        except (
            ValueError,
            TypeError,
            LookupError,
            ArithmeticError,
            AttributeError,
            RuntimeError,
            MemoryError,
        ) as error:
            reason = str(error).rstrip(".") if isinstance(error, InvalidInputError) else _first_line(error)
            raise UnreadableFileError(f"{source} does not fit {cls.__name__}: {reason}. Fit again.") from error

    @classmethod
    def restored(cls, manifest: Manifest, arrays: State, code: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Return the detector with this content, which may be a part of another's.

        Parameters
        ----------
        manifest : Manifest
        arrays : dict of str to ndarray
        code : mapping of str to object
            See `from_file`.

        Returns
        -------
        Detector

        Raises
        ------
        InvalidInputError
            If the content does not fit this class.
        """
        check_parameter_types(cls, manifest.parameters)
        check_array_names(arrays, COMMON_ARRAYS | cls.array_names)
        detector = cls.from_json_parameters({**manifest.parameters, **code})
        detector.check_parameters()
        state = validated_entries(CommonState, manifest.state, "state")
        detector._restore_common(state, arrays)
        detector.settings_for(detector.encoded_shape)  # a file with invalid parameters could not be fitted again
        detector._restore(state.method, arrays)
        check_labels(detector.category_labels_, detector.table_encoder)
        return detector

    def _restore_common(self, state: CommonState, arrays: State) -> None:
        """Restore all but what the method learned."""
        self.kind_, self.shape_, self.pixel_scale_ = state.kind, state.shape, state.pixel_scale
        state.check(self.max_side)
        self.csv_dialect_ = None if state.csv is None else CsvDialect.from_json(state.csv.to_json())
        self.remember_columns(state.columns, state.column_types, state.labels_by_code)
        self.column_roles_ = state.roles or NO_ROLES
        self.settings_ = validated_entries(self.settings_type, state.settings, "state.settings")
        self._check_features(state)
        self._restore_components(state, arrays)
        self.n_train_, self.n_calibration_ = state.n_train, len(self.calibration_scores_)
        self.seed_, self.threshold_ = state.seed, state.threshold
        self.fit_seconds_, self.fit_versions_ = state.fit_seconds, state.versions
        self.normal_label_, self.recalibration_ = state.normal_label, state.recalibration

    def _encoder_state(self) -> State:
        """Return what the encoder learned."""
        return self.encoder_.state()

    def _feature_state(self) -> dict[str, Any] | None:
        """Return the description of a backbone as JSON, None without one."""
        return None

    def _check_features(self, state: CommonState) -> None:
        """Raise unless the description of a backbone is one of this detector."""
        if state.features is not None:
            raise InvalidEntryError("state.features", "must not be given for this detector")

    def _restored_encoder(self, state: CommonState, arrays: State) -> Encoder:
        """Return the encoder that `_encoder_state` described."""
        return self._new_encoder(self.settings_.preprocessing).restore(arrays, self.shape_)

    def _restore_components(self, state: CommonState, arrays: State) -> None:
        """Restore encoder, range guard, comparison with normal rows and maps, digests, kept rows and scores."""
        with entries_within("encoder."):
            self.encoder_ = self._restored_encoder(state, with_prefix_removed("encoder.", arrays))
        prefixes = ("guard.", "usual.", "rows.", "maps.", "reference.")
        guard, normal, rows, maps, reference = (with_prefix_removed(prefix, arrays) for prefix in prefixes)
        with entries_within("guard."):
            self.range_guard_ = RangeGuard.from_state(guard, prod(self.encoded_shape)) if guard else None
        with entries_within("usual."):
            self.normal_range_ = NormalRange.from_state(normal, prod(self.shape_)) if normal else None
        with entries_within("rows."):
            self.learned_rows_ = LearnedRows.from_state(rows) if rows else None
        with entries_within("maps."):
            self.normal_maps_ = NormalMaps.from_state(maps) if maps else None
        with entries_within("reference."):
            self.reference_rows_ = ReferenceRows.from_state(reference, prod(self.shape_)) if reference else None
        own: State = {name: arrays[name] for name in ("examples", "calibration") if name in arrays}
        check_arrays(own, {"examples": replace(_EXAMPLES, shape=("n", *self.shape_)), "calibration": _CALIBRATION})
        self.exemplars_, self.calibration_scores_ = own.get("examples"), own["calibration"]

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
