"""A fitted detector as one ONNX graph: from raw rows or images to score, terms and reconstruction.

The graph is made by `torch.export` from `egbad.export.graph`. `egbad.load` reads the file and scores by it without torch.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from egbad.data.column_types import TIME, labels_to_json
from egbad.detectors.base import Detector
from egbad.detectors.blend import Blend
from egbad.errors import EgbadError
from egbad.export.graph import Graph
from egbad.export.onnx_scorer import INPUT, KEY, REBUILT, SCORE, TERM, About, OnnxScorer, packed
from egbad.model_file import atomic_write
from egbad.nn.ops import VECTOR_SIZE
from egbad.preprocessing.image_encoder import ImageEncoder
from egbad.preprocessing.row_encoder import RowEncoder

_CLOSE = 1e-4  # how far scores of made rows may be off, as a share: more is no rounding but another graph
_CHECKED = 64  # made rows or images that are scored both ways before a file is written
_OPSET = 18
_SECONDS = 2e9  # since 1970, up to which made times lie
_ANY_SIZE = 2**40  # bytes of a constant that is computed when a graph is made


def export(detector: Detector[Any], path: str | os.PathLike[str]) -> None:
    """Write a fitted detector as an ONNX file, atomically, once its graph gives the detector's scores.

    Raises
    ------
    InvalidInputError
        When the detector has no graph: AnoGAN and ADGAN search, and scikit-learn's score by themselves.
    EgbadError
        When onnx, onnxscript or onnxruntime isn't installed, the file can't be written, or the graph doesn't agree.
    """
    _needs()
    graph = Graph(detector).eval()
    example = _made(detector)
    with torch.no_grad():
        names = [SCORE, *(TERM + name for name in graph.terms_of(torch.from_numpy(example[:2])))]
    names += [REBUILT] if graph.reconstructs else []
    with _quiet():
        traced = torch.export.export(
            graph, (torch.from_numpy(example[:3]),), dynamic_shapes=({0: torch.export.Dim("n")},)
        )
        program = torch.onnx.export(
            traced.run_decompositions(_decompositions()),
            dynamo=True,
            input_names=[INPUT],
            output_names=names,
            opset_version=_OPSET,
            verbose=False,
        )
    assert program is not None
    _arrange(program.model)
    program.model.metadata_props[KEY] = _about(detector).to_text()
    with atomic_write(path) as draft:
        program.save(draft)
        _check(detector, OnnxScorer(draft), example)


def _arrange(model: Any) -> None:
    """Let weights be constant matrices: what runs the graph arranges those once, a stack of one for every row again."""
    import onnx_ir
    from onnxscript import optimizer

    optimizer.fold_constants(model, input_size_limit=_ANY_SIZE, output_size_limit=_ANY_SIZE)
    constants = model.graph.initializers
    for node in [node for node in model.graph if node.op_type == "MatMul"]:
        weight = node.inputs[1]
        if weight.name not in constants or len(weight.const_value.shape) != 3 or weight.const_value.shape[0] != 1:
            continue
        name = f"{weight.name}.flat"
        if name not in constants:
            flat = onnx_ir.tensor(weight.const_value.numpy()[0], name=name)
            model.graph.register_initializer(onnx_ir.Value(name=name, const_value=flat))
        node.replace_input_with(1, constants[name])


def _decompositions() -> Any:
    """How operators are written by others: torch's own ways, and three of ours."""
    aten = torch.ops.aten
    ours = {
        aten.convolution_backward.default: _gradient_of_convolution,
        aten.sum.dim_IntList: _sum,
        aten.mean.dim: _mean,
    }
    return {**torch.export.default_decompositions(), **ours}


def _gradient_of_convolution(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, *rest: Any
) -> tuple[Tensor | None, ...]:
    """With respect to x, by the transposed convolution: ONNX has no gradients."""
    more = [
        x.shape[2 + i]
        - ((grad.shape[2 + i] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (weight.shape[2 + i] - 1) + 1)
        for i in range(2)
    ]
    return F.conv_transpose2d(grad, weight, None, stride, padding, more, 1, dilation), None, None


def _sum(x: Tensor, dim: Any, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """A sum over rows of whole vectors: elsewhere the runtime adds up in an order that depends on where a row begins."""
    if not _ends_between(x, dim):
        return NotImplemented
    return torch.sum(F.pad(x, (0, -x.shape[-1] % VECTOR_SIZE)), dim, keepdim, dtype=dtype)


def _mean(x: Tensor, dim: Any, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """A mean by such a sum."""
    if not _ends_between(x, dim):
        return NotImplemented
    n = prod(x.shape[d] for d in dim)
    return torch.sum(F.pad(x, (0, -x.shape[-1] % VECTOR_SIZE)), dim, keepdim, dtype=dtype) / n


def _ends_between(x: Tensor, dim: Any) -> bool:
    """Whether x's last dimension is summed over, and is no multiple of a vector."""
    last = dim is not None and any(d in (-1, x.dim() - 1) for d in dim)
    return last and isinstance(x.shape[-1], int) and x.shape[-1] % VECTOR_SIZE != 0


def _about(detector: Detector[Any]) -> About:
    return About(
        detector=detector.name,
        kind=detector.kind_,
        shape=detector.shape_,
        columns=detector.columns_,
        column_types=detector.column_types_,
        category_labels=labels_to_json(detector.used_category_labels()),
        threshold=detector.threshold_,
        alpha=detector.alpha,
        fit_seconds=detector.fit_seconds_,
        calibration=packed(detector.calibration_scores_),
        description=detector.describe(),
    )


def _made(detector: Detector[Any]) -> Any:
    """Rows or images from all over what the encoder has seen, to be scored both ways."""
    rng = np.random.default_rng(0)
    while isinstance(detector, Blend):
        detector = next(iter(detector.parts_.values()))
    encoder, shape = detector.encoder_, (_CHECKED, *detector.shape_)
    if isinstance(encoder, ImageEncoder):
        return rng.uniform(encoder.low, encoder.high, size=shape).astype(np.float32)
    assert isinstance(encoder, RowEncoder)
    x = encoder.low + encoder.span * rng.uniform(size=(_CHECKED, encoder.width))
    x = np.where(encoder.log, np.expm1(np.where(encoder.log, x, 0)), x)
    if encoder.table_encoder is None:
        return x
    x = encoder.table_encoder.decode(x)
    times = [j for j, column in enumerate(encoder.table_encoder.columns) if column.column_type == TIME]
    x[:, times] = rng.uniform(0, _SECONDS, size=(_CHECKED, len(times)))
    return x


def _check(detector: Detector[Any], exported: OnnxScorer, x: Any) -> None:
    """Compare the graph's scores with the detector's.

    Raises
    ------
    EgbadError
        When they differ by more than `_CLOSE`.
    """
    wanted, found = detector.score_checked(x), exported._run(x, [SCORE])[SCORE]
    off = np.abs(found - wanted) / np.maximum(np.abs(wanted), np.abs(wanted).mean())
    if not (off < _CLOSE).all():
        raise EgbadError(
            f"The exported graph must give the detector's scores, they differ by up to {off.max():.1e} of a score. "
            "Please report it with the detector's parameters."
        )


def _needs() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise EgbadError(
            f"Exporting needs {' and '.join(missing)}, which isn't installed. Install it with: pip install 'egbad[onnx]'"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on itself."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
