"""Weights of backbones: `.safetensors` files for a network of timm, and the arrays of a backbone in a model file.

Mutations change arrays or the header of the file. In a model file, the digests of file and backbone are repaired.
"""

import hashlib
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse
from safetensors.numpy import save

from egbad import load
from egbad.backbones import FeatureConfig, FeatureExtractor, load_backbone
from egbad.detectors.gaussian import Gaussian
from tests.fuzz.harness import Target, mutate_bytes
from tests.fuzz.targets.model_files import mutate_arrays, mutate_manifest, with_digest
from tests.timm_import import import_timm

try:
    TIMM = import_timm()
except ImportError:
    TIMM = None  # every file for it is refused then

NETWORK = "test_resnet"  # the smallest of timm
IMAGES = np.random.default_rng(0).integers(0, 256, size=(6, 32, 32)).astype(np.uint8)
CONFIG = {"image_size": 32, "max_patches": 40}
_LENGTH_BYTES = 8  # a file begins with the length of its header
_WEIGHTS = "encoder.backbone."  # beginning of names in a model file


def check(path: Path) -> None:
    """Load weights, and compute features or scores of images."""
    if b"__metadata__" in path.read_bytes():
        detector = load(path)
        assert np.isfinite(detector.anomaly_score(IMAGES)).all()
        return
    extractor = FeatureExtractor(load_backbone(f"timm:{NETWORK}@{path}"), FeatureConfig(**CONFIG))
    patches, _ = extractor.fit_sample(IMAGES, np.random.default_rng(0))
    assert np.isfinite(patches).all() and np.isfinite(extractor.vectors(IMAGES[:1])).all()


def seeds() -> list[bytes]:
    """Return weights of a network of timm, and a model with a part of EfficientNet-Lite0."""
    config = FeatureConfig(layers=("block_1",), **CONFIG)
    detector = Gaussian(
        backbone="efficientnet_lite0", features="patches", feature_config=config, alpha=0.4, random_state=0
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.egbad"
        detector.fit(np.concatenate([IMAGES // k for k in (1, 2, 3, 4)])).save(path)
        files = [path.read_bytes()]
    if TIMM is not None:
        network = TIMM.create_model(NETWORK)
        files.append(save({name: value.numpy() for name, value in network.state_dict().items()}))
    return files


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change arrays, the header, or single bytes."""
    kind = rng.randrange(8)
    if kind == 0:
        return mutate_bytes(content, rng)
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    try:
        header, arrays = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length]), parse(content)
        fields = json.loads(header["__metadata__"]["egbad"]) if "__metadata__" in header else None
        described = None if fields is None else fields["state"]["features"]["backbone"]
    except (ValueError, LookupError, TypeError, RecursionError, SafetensorError):  # an earlier mutation
        return mutate_bytes(content, rng)
    if kind == 1:
        mutate_manifest({"header": header}, rng)
        text = json.dumps(header).encode()
        return len(text).to_bytes(_LENGTH_BYTES, "little") + text + content[_LENGTH_BYTES + length :]
    if isinstance(described, dict):
        return _mutate_model(fields, described, arrays, rng)
    with np.errstate(all="ignore"):
        mutate_arrays(arrays, rng)
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _mutate_model(
    fields: dict[str, Any], described: dict[str, Any], arrays: dict[str, np.ndarray], rng: random.Random
) -> bytes:
    """Change the backbone of a model and its entry in the manifest, mostly with its digest."""
    weights = {name: arrays.pop(name) for name in [*arrays] if name.startswith(_WEIGHTS)}
    if weights and rng.randrange(4):
        with np.errstate(all="ignore"):
            mutate_arrays(weights, rng)
    if rng.randrange(8):
        found = hashlib.sha256()
        for name in sorted(weights):
            array = np.ascontiguousarray(weights[name])
            found.update(f"{name.removeprefix(_WEIGHTS)} {array.dtype.str} {array.shape}\n".encode())
            found.update(array.tobytes())
        described["sha256"] = found.hexdigest()
    if rng.randrange(4) == 0:
        mutate_manifest({"backbone": described}, rng)
    return with_digest(fields, arrays | weights)


TARGET = Target(check=check, seeds=seeds, suffix=".safetensors", mutate=mutate)
