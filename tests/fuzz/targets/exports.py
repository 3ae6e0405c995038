"""Exported graphs (`.onnx`): loading and scoring. Most mutations have a valid digest."""

import json
import random
import tempfile
from pathlib import Path

import numpy as np
import onnx
from torch import nn

from egbad import EGBAD, TrainingConfig, load
from egbad.backbones import FeatureConfig
from egbad.detectors.knn import KNN
from egbad.detectors.patchcore import PatchCore
from egbad.export import export, graph_check, onnx_session
from egbad.export.onnx_file import with_digest
from tests.fuzz.harness import Target, mutate_bytes

assert onnx_session.open_session  # onnxruntime is imported before the limits count

_VALUES = (0, 1, -1, 3, 255, 4096, 10**6, 2**31 - 1, 2**31, 2**40, -(2**63), 2**63 - 1)
_JSON_VALUES = (None, True, -1, 0, 2**70, 1e308, float("nan"), "", "x", [], {}, [[]], {"size": 1}, [1e308, "a"], "AAAA")


def check(path: Path) -> None:
    """Load a graph and score rows or images with it."""
    scorer = load(path)
    x = np.random.default_rng(1).normal(size=(5, *scorer.metadata_.graph_shape)).astype(np.float32)
    if scorer.tiling_ is None:
        assert not np.isnan(scorer.score_checked(x)).any()
    scorer.describe()
    scores = scorer.anomaly_score(x)
    assert not np.isnan(scores).any() and scorer.p_value(x).shape == scores.shape


def seeds() -> list[bytes]:
    """Return the exports of small fitted detectors."""
    rng = np.random.default_rng(0)
    rows, images = rng.normal(size=(40, 3)), rng.normal(size=(40, 8, 8))
    training = TrainingConfig(steps=1)
    network = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.ReLU())
    patches = PatchCore(backbone=network, feature_config=FeatureConfig(image_size=32, max_patches=40), memory_size=8)
    fitted = [
        KNN(alpha=0.2, random_state=0).fit(rows),
        KNN(alpha=0.2, random_state=0).fit(images),
        EGBAD(alpha=0.2, members=1, training=training, random_state=0).fit(rows),
        patches.set_params(alpha=0.2, random_state=0).fit(images),
    ]
    files = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for detector in fitted:
            export(detector, path)
            files.append(path.read_bytes())
    return files


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change bytes, or one part of the model or of its metadata, mostly with a valid digest."""
    if rng.randrange(10) == 0:
        return mutate_bytes(content, rng)
    model = onnx.ModelProto.FromString(content)
    del model.metadata_props[-1]
    if rng.randrange(4) == 0:
        return with_digest(mutate_bytes(model.SerializeToString(), rng))
    for _ in range(rng.choice((1, 1, 2))):
        _change(model, rng)
    return with_digest(model.SerializeToString())


def _change(model: onnx.ModelProto, rng: random.Random) -> None:
    """Change one part of a model."""
    node, tensor = rng.choice(model.graph.node), rng.choice(model.graph.initializer)
    match rng.randrange(8):
        case 0:
            node.op_type = rng.choice(sorted(graph_check.OPERATORS))
        case 1 if node.input:
            names = [name for other in model.graph.node for name in (*other.input, *other.output)]
            node.input[rng.randrange(len(node.input))] = rng.choice(names)
        case 2 if node.attribute:
            attribute = rng.choice(node.attribute)
            attribute.i = rng.choice(_VALUES)
            if attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(_VALUES)
        case 3:
            model.graph.node.remove(node)
        case 4:
            sizes = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT64 and t.raw_data]
            tensor = rng.choice(sizes)
            values = np.frombuffer(tensor.raw_data, np.int64).copy()
            values[rng.randrange(len(values))] = rng.choice(_VALUES)
            tensor.raw_data = values.tobytes()
        case 5:
            tensor.raw_data = mutate_bytes(tensor.raw_data, rng)[: len(tensor.raw_data)].ljust(len(tensor.raw_data))
        case 6 if len(tensor.dims):
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(_VALUES)
        case _:
            entry = model.metadata_props[0]
            metadata = json.loads(entry.value)
            name = rng.choice(sorted(metadata))
            metadata[name] = rng.choice(_JSON_VALUES)
            entry.value = json.dumps(metadata)


TARGET = Target(check=check, seeds=seeds, suffix=".onnx", mutate=mutate)
