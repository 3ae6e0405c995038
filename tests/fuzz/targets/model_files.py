"""Model files (`.egbad`) of all detectors: loading, scoring and explaining.

Mutations change an entry of the manifest or of an array and repair the digest, as a forger would.
"""

import json
import random
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load as parse
from safetensors.numpy import save

from egbad import load
from egbad.backbones import FeatureConfig
from egbad.detectors.registry import all_detectors
from egbad.model_file import Manifest, write
from egbad.preprocessing import Preprocessing
from egbad.training import TrainingConfig
from tests.fuzz.harness import Target, mutate_bytes

_N = 24
_RNG = np.random.default_rng(0)
ROWS = _RNG.normal(size=(_N, 3))
IMAGES = _RNG.integers(0, 256, size=(_N, 8, 8)).astype(np.uint8)
COLOUR_IMAGES = _RNG.integers(0, 256, size=(_N, 3, 8, 8)).astype(np.uint8)
TABLE = {
    "number": _RNG.normal(size=_N).tolist(),
    "missing": [None, *_RNG.normal(size=_N - 1).tolist()],
    "category": _RNG.choice(["tcp", "udp", "icmp"], _N).tolist(),
    "boolean": (_RNG.random(_N) < 0.5).tolist(),
    "time": (np.datetime64("2024-01-01T00", "s") + 3600 * np.arange(_N)).tolist(),
}
# Sizes that networks take from here are small, so that the files are.
_SMALL = {"encoder_steps": 2, "search_steps": 2, "width": 4, "memory_size": 16, "n_subvectors": 4, "n_estimators": 5}

_PARTS = {"blend": {"parts": ("nearest", "isolation_forest")}, "tiled": {"detector": "pca"}}


def _inputs() -> list[Any]:
    return [ROWS, pa.table(TABLE), IMAGES, COLOUR_IMAGES]


def check(path: Path) -> None:
    """Load a model, and score and explain input of its kind."""
    detector = load(path)
    fitting = [x for x in _inputs() if _fits(detector, x)]
    for x in fitting or _inputs()[:1]:
        scores = detector.anomaly_score(x[:5])
        assert not np.isnan(scores).any()
        assert not np.isnan(detector.p_value(x[:5])).any()
        detector.predict(x[:5])
        if detector.kind_ == "rows":
            detector.explain(x[:2])
    detector.describe()


def _fits(detector: Any, x: Any) -> bool:
    columns = getattr(x, "column_names", None)
    shape = (len(columns),) if columns else x.shape[1:]
    names = None if columns is None else tuple(columns)
    return bool(shape == detector.shape_ and detector.columns_ == names)


def small(detector_type: type[Any], **parameters: Any) -> Any:
    """Return an unfitted detector with few and small networks or trees."""
    known = detector_type().get_params(deep=False)
    own: dict[str, Any] = {name: value for name, value in _SMALL.items() if name in known}
    if "training" in known:
        own["training"] = TrainingConfig(steps=2, batch_size=8)
    if known.get("backbone") is not None:
        own["feature_config"] = FeatureConfig(image_size=32, max_patches=40)
    own |= _PARTS.get(detector_type.name, {})
    return detector_type(alpha=0.4, random_state=0, n_exemplars=2, **{**own, **parameters})


def detectors() -> dict[str, Any]:
    """Return small fitted detectors of every class, some for each kind of input."""
    rows, table, images, colour_images = _inputs()
    found: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, detector_type in all_detectors().items():
            if not detector_type.learns_rows:
                found[f"{name}-images"] = small(detector_type).fit(images)
                continue
            guard = Preprocessing(range_guard=True, scaling="robust")
            found[f"{name}-table"] = small(detector_type, preprocessing=guard).fit(table)
            members = {"members": 2} if hasattr(detector_type, "model_type") else {}
            found[f"{name}-rows"] = small(detector_type, **members).fit(rows)
            found[f"{name}-images"] = small(detector_type).fit(colour_images if name == "knn" else images)
    return found


def seeds() -> list[bytes]:
    """Return the files of all `detectors`."""
    files = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.egbad"
        for detector in detectors().values():
            detector.save(path)
            files.append(path.read_bytes())
    return files


# -- mutations ---------------------------------------------------------------------------------------------------------

_NUMBERS = (0, 1, -1, 2, 3, 7, 100, 10**6, 10**9, 2**31, 2**63, 2**64, 10**400, 0.5, -0.5, 1e-300, 1e300, 1e-12)
_SPECIAL = (float("nan"), float("inf"), float("-inf"))
_VALUES = (None, True, False, "", "x", "a" * 1000, "\u202e\x1b[2J", [], {}, [0], {"a": 1}, [[]], "nan", "1", "knn")
_TYPES = ("float64", "float32", "float16", "int64", "int32", "uint64", "uint8", "bool")


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a JSON value, without its own."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in children for place in ((*path, key), *_places(child, (*path, key)))]


def _other_value(value: Any, rng: random.Random) -> Any:
    """Return another JSON value, often of the same type."""
    if isinstance(value, list) and value and rng.randrange(2):
        return rng.choice((value[:-1], [*value, value[0]], value[::-1], value * 2))
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.randrange(2):
        finite = float(min(max(value, -1e308), 1e308))  # integers may be larger than any float
        return rng.choice((value + 1, value - 1, -value, value * 2, finite / 3, finite, str(value)))
    if rng.randrange(20) == 0:
        deep: Any = 0
        for _ in range(rng.choice((10, 70, 400))):
            deep = [deep]
        return deep
    return rng.choice((*_NUMBERS, *_SPECIAL, *_VALUES))


def mutate_manifest(fields: dict[str, Any], rng: random.Random) -> None:
    places = _places(fields)
    state = [place for place in places if place[0] == "state"]
    *parents, key = rng.choice(state if state and rng.randrange(3) else places)
    holder: Any = fields
    for parent in parents:
        holder = holder[parent]
    match rng.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(("x", "", "kind", str(key) + "_"))] = rng.choice(_VALUES)
        case _:
            holder[key] = _other_value(holder[key], rng)


def _other_number(array: np.ndarray, rng: random.Random) -> Any:
    """Return a number that fits the type of an array, as often as not an extreme one."""
    if array.dtype.kind == "b":
        return bool(rng.randrange(2))
    if array.dtype.kind == "f":
        limits = np.finfo(array.dtype)
        extremes = (float(limits.max), float(limits.min), float(limits.tiny), *_SPECIAL)
        return rng.choice((*extremes, 0.0, -1.0, 1.0, 1e30, -1e30, 1e-30))
    low, high = int(np.iinfo(array.dtype).min), int(np.iinfo(array.dtype).max)
    return min(high, max(low, rng.choice((low, high, 0, 1, -1, 2, 5, 64, 10**6, 2**40))))


def mutate_arrays(arrays: dict[str, np.ndarray], rng: random.Random) -> None:
    name = rng.choice(sorted(arrays))
    array = np.array(arrays[name])
    other = rng.choice(sorted(arrays))
    match rng.randrange(12):
        case 0:
            del arrays[name]
        case 1:
            arrays[
                rng.choice((name + "x", "learned.new", "model.new", "part.new", "new", name.replace(".", "", 1)))
            ] = array
        case 2:
            arrays[name] = array.astype(rng.choice(_TYPES))
        case 3:
            shapes = (
                array.ravel(),
                array[None],
                array[..., None],
                array.T,
                array[:0] if array.ndim else array,
                array[:-1] if array.ndim else array,
            )
            arrays[name] = rng.choice(shapes)
        case 4:
            arrays[name], arrays[other] = arrays[other], array
        case 5:
            arrays[name] = np.concatenate([array, array]) if array.ndim else np.repeat(array, 3)
        case 6:
            arrays[name] = np.full_like(array, _other_number(array, rng))
        case 7:
            arrays[name] = np.full(
                rng.choice(((0, 10**9), (10**9, 0), (0,), (1, 1, 1))), _other_number(array, rng), array.dtype
            )
        case _ if array.size:
            for _ in range(rng.choice((1, 1, 3))):
                array.reshape(-1)[rng.randrange(array.size)] = _other_number(array, rng)
            arrays[name] = array
        case _:
            arrays.pop(other, None)


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change an entry of the manifest, an array or single bytes. In the first two cases the digest stays valid."""
    if rng.randrange(8) == 0:
        return mutate_bytes(content, rng)
    length = int.from_bytes(content[:8], "little")
    try:
        fields = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["egbad"])
        arrays = parse(content)
    except (ValueError, LookupError, TypeError, RecursionError, SafetensorError):  # an earlier mutation
        return mutate_bytes(content, rng)
    if not isinstance(fields, dict):
        return mutate_bytes(content, rng)
    with np.errstate(all="ignore"):  # numbers that other types cannot hold
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if not fields or (arrays and rng.randrange(2)):
                mutate_arrays(arrays, rng)
            else:
                mutate_manifest(fields, rng)
    return with_digest(fields, arrays)


def with_digest(fields: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """Return the file with these fields and arrays, with a valid digest where the fields are those of a manifest."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.egbad"
        try:
            write(path, Manifest(**fields), arrays)
        except (ValueError, TypeError, RecursionError, OSError):
            return save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, {"egbad": json.dumps(fields)})
        return path.read_bytes()


TARGET = Target(check=check, seeds=seeds, suffix=".egbad", mutate=mutate)
