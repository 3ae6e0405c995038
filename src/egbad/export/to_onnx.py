"""Export of a fitted detector to one ONNX graph: raw rows or images -> score, terms and reconstruction.

`torch.export` traces the module of `egbad.export.graph`. `egbad.load` reads the file and scores without torch.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from egbad.arrays import Array
from egbad.data.column_types import labels_to_json
from egbad.detectors.base import Detector
from egbad.detectors.blend import Blend
from egbad.detectors.tiled import Tiled
from egbad.errors import EgbadError, InvalidInputError, UnreadableFileError, require_extra, shorten
from egbad.export.graph import DetectorGraph
from egbad.export.onnx_file import (
    INPUT,
    MAX_BYTES,
    METADATA_KEY,
    OPSET,
    RECONSTRUCTION,
    SCORE,
    TERM_PREFIX,
    FeaturesOfGraph,
    OnnxMetadata,
    ScaleOfPixels,
    TilesOfGraph,
    encode_array,
    with_digest,
)
from egbad.export.onnx_scorer import OnnxScorer
from egbad.nn.ops import VECTOR_SIZE
from egbad.output_files import atomic_write
from egbad.preprocessing.image_encoder import ImageEncoder
from egbad.preprocessing.row_encoder import RowEncoder

TOLERANCE = 1e-4  # relative difference of scores; rounding stays far below
_N_CHECKED = 64  # synthetic rows or images that are scored by both before a file is written
_N_CHECKED_BY_BACKBONE = 8
_N_TRACED = 3  # of them, that the graph is traced with
_TRACED_SIZE = (40, 56)  # height and width, where images of any size are scored
_MAX_SECONDS = 2e9  # synthetic times lie between 1970 and 2033
_FIRST_AXIS = "first_axis"  # name of a constant
_MAX_REASON = 300  # characters
_UNLIMITED = 2**40  # bytes of a constant that the optimizer may compute


def export(detector: Detector[Any], path: str | os.PathLike[str], tolerance: float = TOLERANCE) -> None:
    """Export a fitted detector to an ONNX file.

    The file is written atomically, after its scores of synthetic rows were compared with those of the detector.

    Parameters
    ----------
    detector : Detector
        Fitted: any method with a network except AnoGAN and ADGAN, KNN, Gaussian or PatchCore, or a Blend or Tiled of these. The
        backbone becomes a part of the graph.
    path : path-like
        Should end in ``.onnx``, so that `egbad.load` recognizes it.
    tolerance : float, default=1e-4
        Largest relative difference between the scores of graph and detector.

    Raises
    ------
    InvalidInputError
        If the detector cannot be written as a graph.
    MissingExtraError
        If onnx, onnxscript or onnxruntime is not installed.
    EgbadError
        If the file cannot be written, or the scores of graph and detector differ by more than `tolerance`.

    See Also
    --------
    egbad.load : Reads the file.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from egbad import load
    >>> from egbad.detectors.knn import KNN
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> detector = KNN(alpha=0.2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(detector, f"{folder}/model.onnx")
    ...     scorer = load(f"{folder}/model.onnx")
    >>> bool((scorer.predict(X) == detector.predict(X)).all())
    True
    """
    require_extra("Export to ONNX", "onnx", "onnx", "onnxscript", "onnxruntime")
    graph = DetectorGraph(detector).eval()
    x = _synthetic_input(detector)
    with _quiet_exporter(), _errors_of_modules(detector):
        program = _to_onnx_program(graph, _traced_input(detector, x), any_size=_takes_any_size(detector))
        _simplify(program.model, with_shared_parts=len(detector.backbones) > 1)
    program.model.metadata_props[METADATA_KEY] = _metadata(detector).to_json()
    with atomic_write(path) as draft:
        draft.write_bytes(with_digest(_serialize(program)))
        _check_scores(detector, _opened(detector, draft), x, tolerance)


def _opened(detector: Detector[Any], file: Path) -> OnnxScorer:
    """Return the scorer of an exported file, which must pass the checks of every file."""
    try:
        return OnnxScorer(file)
    except UnreadableFileError as error:
        raise InvalidInputError(f"{type(detector).__name__} cannot be exported: {error.__cause__}.") from error


@contextmanager
def _errors_of_modules(detector: Detector[Any]) -> Iterator[None]:
    """Replace errors of the exporter by one sentence, for a backbone or networks of the user: they may do anything."""
    try:
        yield
    except EgbadError:
        raise
    except (RuntimeError, AssertionError, ValueError, TypeError, LookupError, AttributeError) as error:
        names = ", ".join(sorted({backbone.name for backbone in detector.backbones}))
        if not names and getattr(detector, "networks", None) is None:
            raise
        what = f"the backbone {names}" if names else "the networks"
        raise InvalidInputError(
            f"torch cannot export {what}: {shorten(' '.join(str(error).split()).rstrip('.'), _MAX_REASON)}."
        ) from error


def _to_onnx_program(graph: DetectorGraph, x: Tensor, *, any_size: bool) -> Any:
    """Trace the graph with rows or images (n, ...) and convert it."""
    sides = {x.ndim - 2: torch.export.Dim("height"), x.ndim - 1: torch.export.Dim("width")} if any_size else {}
    with torch.no_grad():
        terms = graph.score_terms(x)
    outputs = [SCORE, *(TERM_PREFIX + name for name in terms), *([RECONSTRUCTION] if graph.reconstructs else [])]
    traced = torch.export.export(graph, (x,), dynamic_shapes=({0: torch.export.Dim("n"), **sides},))
    program = torch.onnx.export(
        traced.run_decompositions(_decompositions()),
        dynamo=True,
        input_names=[INPUT],
        output_names=outputs,
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None
    return program


def _simplify(model: Any, *, with_shared_parts: bool) -> None:
    """Compute what does not depend on the input, and leave out the description of the code that was traced.

    Detectors in one graph may share a backbone: equal weights are stored once, and equal results computed once.
    """
    import onnx_ir
    from onnxscript import optimizer

    onnx_ir.passes.common.ClearMetadataAndDocStringPass()(model)
    _expose_sizes(model, onnx_ir)
    optimizer.fold_constants(model, input_size_limit=_UNLIMITED, output_size_limit=_UNLIMITED)
    _flatten_weights(model, onnx_ir)
    if with_shared_parts:
        onnx_ir.passes.common.DeduplicateInitializersPass(size_limit=_UNLIMITED)(model)
        onnx_ir.passes.common.CommonSubexpressionEliminationPass()(model)
    onnx_ir.passes.common.RemoveUnusedNodesPass()(model)


def _expose_sizes(model: Any, onnx_ir: Any) -> None:
    """Replace reshapes of a single size, which shape inference does not follow."""
    for node in [node for node in model.graph if node.op_type == "Reshape"]:
        x, shape = node.inputs[0], onnx_ir.convenience.get_const_tensor(node.inputs[1])
        if x.dtype != onnx_ir.DataType.INT64 or x.shape is None or shape is None or [*shape.numpy()] != [-1]:
            continue
        if x.shape.rank() == 1:
            onnx_ir.convenience.replace_all_uses_with(node.outputs[0], x)
        elif x.shape.rank() == 0:
            axes = model.graph.initializers.get(_FIRST_AXIS)
            if axes is None:
                axes = onnx_ir.Value(name=_FIRST_AXIS, const_value=onnx_ir.tensor([0], name=_FIRST_AXIS))
                model.graph.register_initializer(axes)
            as_vector = onnx_ir.Node("", "Unsqueeze", [x, axes])
            onnx_ir.convenience.replace_nodes_and_values(
                model.graph, node, [node], [as_vector], node.outputs, as_vector.outputs
            )


def _flatten_weights(model: Any, onnx_ir: Any) -> None:
    """Replace stacks (1, a, b) of one weight matrix by constant matrices (a, b).

    onnxruntime packs a constant matrix once, but a stack of matrices for every call.
    """
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


def _serialize(program: Any) -> bytes:
    """Return a model as bytes.

    Raises
    ------
    EgbadError
        If it is too large.
    """
    n_bytes = sum(value.const_value.nbytes for value in program.model.graph.initializers.values())
    if n_bytes > MAX_BYTES:
        raise EgbadError(
            f"An exported graph must have at most {MAX_BYTES:,} bytes, got {n_bytes:,}. Fit fewer members, or on fewer rows."
        )
    model = program.model_proto
    model.graph.ClearField("value_info")  # a reader infers the shapes
    content: bytes = model.SerializeToString()
    return content


def _decompositions() -> Any:
    """Return torch's decompositions of operators, and four of our own."""
    aten = torch.ops.aten
    own = {
        aten.convolution_backward.default: _convolution_backward,
        aten.diagonal.default: _diagonal,
        aten.sum.dim_IntList: _padded_sum,
        aten.mean.dim: _padded_mean,
    }
    return {**torch.export.default_decompositions(), **own}


def _convolution_backward(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, *rest: Any
) -> tuple[Tensor | None, ...]:
    """Return the gradient with respect to x as a transposed convolution. ONNX has no gradients."""
    output_padding = [
        x.shape[2 + i]
        - ((grad.shape[2 + i] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (weight.shape[2 + i] - 1) + 1)
        for i in range(2)
    ]
    return F.conv_transpose2d(grad, weight, None, stride, padding, output_padding, 1, dilation), None, None


def _diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return the main diagonal of square matrices of a fixed size as a slice, whose size does not depend on the input."""
    n = x.shape[dim1]
    if offset or not isinstance(n, int) or x.shape[dim2] != n:
        return NotImplemented
    return x.movedim((dim1, dim2), (-2, -1)).flatten(-2)[..., :: n + 1]


def _padded_sum(x: Tensor, dim: Any, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return a sum over rows that are padded to whole vectors.

    Without padding the runtime adds in an order that depends on the position of a row in memory.
    """
    if not _sums_partial_vectors(x, dim):
        return NotImplemented
    return torch.sum(F.pad(x, (0, -x.shape[-1] % VECTOR_SIZE)), dim, keepdim, dtype=dtype)


def _padded_mean(x: Tensor, dim: Any, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return a mean by way of a padded sum."""
    if not _sums_partial_vectors(x, dim):
        return NotImplemented
    return _padded_sum(x, dim, keepdim, dtype=dtype) / prod(x.shape[d] for d in dim)


def _sums_partial_vectors(x: Tensor, dim: Any) -> bool:
    """Return whether a sum over `dim` includes the last dimension of x, and that is no multiple of a vector."""
    includes_last = dim is not None and any(d in (-1, x.dim() - 1) for d in dim)
    return includes_last and isinstance(x.shape[-1], int) and x.shape[-1] % VECTOR_SIZE != 0


def _metadata(detector: Detector[Any]) -> OnnxMetadata:
    scale, learned = detector.pixel_scale_, detector.learned_rows_
    return OnnxMetadata(
        detector=detector.name,
        kind="rows" if detector.kind_ == "rows" else "images",
        shape=detector.shape_,
        columns=detector.columns_,
        column_types=detector.column_types_,
        roles=detector.column_roles_,
        csv=None if detector.csv_dialect_ is None else detector.csv_dialect_.to_json(),
        category_labels=labels_to_json(detector.used_category_labels()),
        pixel_scale=None if scale is None else ScaleOfPixels(white=scale.white, low=scale.low, high=scale.high),
        tiling=_tiling(detector),
        features=_features(detector),
        threshold=detector.threshold_,
        alpha=detector.alpha,
        fit_seconds=detector.fit_seconds_,
        calibration=encode_array(detector.calibration_scores_),
        description=detector.describe(),
        normal_label=detector.normal_label_,
        learned_rows=None if learned is None else {k: encode_array(v, "<u8") for k, v in learned.state().items()},
    )


def _tiling(detector: Detector[Any]) -> TilesOfGraph | None:
    """Return how images are cut into tiles, None for other detectors."""
    if not isinstance(detector, Tiled) or detector.kind_ == "rows":
        return None
    tiling = detector.tiling
    return TilesOfGraph(size=tiling.size, overlap=tiling.overlap, any_size=detector.any_size_)


def _takes_any_size(detector: Detector[Any]) -> bool:
    """Return True if the graph takes images of any size; tiles have one."""
    return not isinstance(detector, Tiled) and detector.min_image_side is not None


def _features(detector: Detector[Any]) -> FeaturesOfGraph | None:
    """Return the images that a graph with a backbone takes, None for other detectors."""
    if not detector.backbones:
        return None
    min_side = detector.min_image_side if _takes_any_size(detector) else None
    return FeaturesOfGraph(min_side=min_side, enough_side=detector.enough_side)


def _traced_input(detector: Detector[Any], x: Array) -> Tensor:
    """Return rows or images to trace a graph with. Dimensions that may vary have different sizes."""
    if _takes_any_size(detector):
        return torch.zeros(_N_TRACED, *detector.shape_[:-2], *_TRACED_SIZE)
    return torch.from_numpy(x[:_N_TRACED])


def _synthetic_input(detector: Detector[Any]) -> Array:
    """Return random rows, images or tiles of images from the whole range of the training data."""
    rng = np.random.default_rng(0)
    while isinstance(detector, Blend | Tiled):
        detector = detector.detector_ if isinstance(detector, Tiled) else next(iter(detector.parts_.values()))
    encoder, scale = detector.encoder_, detector.pixel_scale_
    if detector.backbones:
        assert scale is not None
        return rng.uniform(scale.low, scale.high, (_N_CHECKED_BY_BACKBONE, *detector.shape_)).astype(np.float32)
    if isinstance(encoder, ImageEncoder):
        return rng.uniform(encoder.low, encoder.high, size=(_N_CHECKED, *detector.shape_)).astype(np.float32)
    assert isinstance(encoder, RowEncoder)
    x = encoder.low + encoder.span * rng.uniform(size=(_N_CHECKED, encoder.width))
    x = np.where(encoder.log, np.expm1(np.where(encoder.log, x, 0)), x)
    table = encoder.table_encoder
    if table is None:
        return x
    x = table.decode(x)
    times = [j for j, column in enumerate(table.columns) if column.periods]
    x[:, times] = rng.uniform(0, _MAX_SECONDS, size=(_N_CHECKED, len(times)))
    return x


def _check_scores(detector: Detector[Any], exported: OnnxScorer, x: Array, tolerance: float) -> None:
    """Raise if the scores of graph and detector for x (n, ...) differ by more than the tolerance."""
    expected, found = detector.score_checked(x), exported.score_checked(x)
    difference = np.abs(found - expected) / np.maximum(np.abs(expected), np.abs(expected).mean())
    if not (difference < tolerance).all():
        raise EgbadError(
            f"The exported graph must give the scores of the detector, got a relative difference of "
            f"{difference.max():.1e}. Please report this with the parameters of the detector."
        )


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence the exporter's log and warnings inside the block."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
