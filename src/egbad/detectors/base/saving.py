"""A detector as what a model file holds, and the way back."""

import hashlib
import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from egbad import model_file
from egbad.data import Data
from egbad.data.column_types import labels_from_json, labels_to_json
from egbad.data.ragged import is_ragged, update_digest
from egbad.detectors.base.provenance import versions
from egbad.errors import UnreadableFileError
from egbad.explain.normal_range import NormalRange
from egbad.preprocessing.range_guard import RangeGuard

if TYPE_CHECKING:
    from egbad.detectors.base.detector import Detector

D = TypeVar("D", bound="Detector[Any]")


def content(detector: "Detector[Any]") -> tuple[model_file.Manifest, model_file.Arrays]:
    """What a model file holds: for `save`, and for a detector that this one is a part of."""
    state, arrays = detector._state()
    arrays |= {f"encoder.{name}": array for name, array in detector.encoder_.state().items()}
    arrays |= {
        f"guard.{name}": array
        for name, array in (detector.range_guard_.state() if detector.range_guard_ else {}).items()
    }
    arrays |= {} if detector.exemplars_ is None else {"examples": detector.exemplars_}
    arrays |= {
        f"usual.{name}": array
        for name, array in (detector.normal_range_.state() if detector.normal_range_ else {}).items()
    }
    arrays["calibration"] = detector.calibration_scores_
    common = {
        "kind": detector.kind_,
        "shape": list(detector.shape_),
        "columns": list(detector.columns_) if detector.columns_ is not None else None,
        "kinds": list(detector.column_types_) if detector.column_types_ is not None else None,
        "texts": labels_to_json(detector.used_category_labels()),
        "settings": detector.settings_.model_dump(),  # a later release's defaults must not change what a file scores
        "seed": detector.seed_,
        "n_train": detector.n_train_,
        "threshold": detector.threshold_,
        "fit_seconds": detector.fit_seconds_,
        "versions": detector.fit_versions_,
    }
    manifest = model_file.Manifest(
        library=version("egbad"),
        detector=detector.name,
        parameters=detector._plain_parameters(),
        state=common | {"method": state},
    )
    return manifest, arrays


def restored(cls: type[D], manifest: model_file.Manifest, arrays: model_file.Arrays) -> D:
    """The detector that a model file holds, once `model_file.read` has checked it."""
    state = manifest.state
    try:
        detector = cls(**manifest.parameters)
        detector.kind_, detector.shape_ = state["kind"], tuple(state["shape"])
        detector._remember(
            tuple(state["columns"]) if state["columns"] is not None else None,
            tuple(state["kinds"]) if state.get("kinds") is not None else None,
            labels_from_json(state.get("texts", {})),
        )
        detector._prepare()  # are the parameters ones that could be fitted with again?
        detector.settings_ = cls.settings_type.model_validate(state["settings"])
        detector.encoder_ = detector._encoder(detector._raw_shape()).restore(
            model_file.with_prefix_removed("encoder.", arrays)
        )
        guard = model_file.with_prefix_removed("guard.", arrays)
        detector.range_guard_ = RangeGuard.from_state(guard) if guard else None
        detector.exemplars_ = arrays.get("examples")
        usual = model_file.with_prefix_removed("usual.", arrays)  # a file of an earlier release has none
        detector.normal_range_ = NormalRange.restored(usual) if usual else None
        detector.calibration_scores_ = arrays["calibration"]
        detector.n_train_, detector.n_calibration_ = state["n_train"], len(arrays["calibration"])
        detector.seed_, detector.threshold_ = state["seed"], state["threshold"]
        detector.fit_seconds_, detector.fit_versions_ = state["fit_seconds"], state["versions"]
        detector._restore(state["method"], arrays)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UnreadableFileError(f"The model file doesn't fit {cls.__name__}: {error}. Fit again.") from error
    return detector


def run_on(detector: "Detector[Any]", data: Data, start: "Detector[Any] | None" = None) -> dict[str, Any]:
    """All that the outcome of a fit depends on, JSON-able, for its checkpoints."""
    shapes = [image.shape for image in data.x] if is_ragged(data.x) else data.x.shape
    found = hashlib.sha256(repr((shapes, data.x.dtype.str, data.columns, data.column_types)).encode())
    update_digest(found, data.x)
    if data.coverage_rows is not None:
        update_digest(found, data.coverage_rows)
    parameters = {name: value for name, value in detector._plain_parameters().items() if name != "verbose"}
    run = {"detector": detector.name, "parameters": parameters, "data": found.hexdigest(), "versions": versions()}
    return run if start is None else run | {"start": start.digest()}


def digest(manifest: model_file.Manifest, arrays: model_file.Arrays) -> str:
    """Of all that a model file says was learned."""
    found = hashlib.sha256(json.dumps(manifest.state, sort_keys=True).encode())
    for name in sorted(arrays):
        found.update(np.ascontiguousarray(arrays[name]).data)
    return found.hexdigest()
