"""Checks of an ONNX graph from a file, before a session is made of it. Needs onnx, but no torch.

A graph that egbad exports is a straight sequence of operators that compute numbers: no loops, no branches, no other files, no
operators of other domains. All sizes follow from the size of the input, so that the memory that scoring takes is known before
anything is computed.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import prod

import onnx
from onnx import AttributeProto, ModelProto, TensorProto, ValueInfoProto

from egbad.export.onnx_file import INPUT, OPSET, RECONSTRUCTION, SCORE, TERM_PREFIX

# Operators that the exporter emits for the networks, encoders and scores of this library.
OPERATORS = frozenset({
    "Abs", "Add", "And", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "ConstantOfShape", "Conv",
    "ConvTranspose", "Cos", "Div", "Equal", "Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor", "Gather",
    "GatherElements", "GatherND", "Gemm", "Greater", "GreaterOrEqual", "Identity", "IsInf", "IsNaN", "LayerNormalization",
    "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "MatMul", "Max", "MaxPool", "Min", "Mod", "Mul", "Neg", "Not",
    "Or", "Pad", "Pow", "Reciprocal", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum",
    "Relu", "Reshape", "Resize", "Shape", "Sigmoid", "Sign", "Sin", "Slice", "Softmax", "Softplus", "Split", "Sqrt",
    "Squeeze", "Sub", "Tanh", "TopK", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip
MAX_VALUES = 2**27  # numbers that all operators together compute from one chunk of input,
MAX_VALUES_PER_INPUT = 2**16  # besides this many for each number of the input,
MAX_VALUES_PER_PIXEL = 64  # and this many for each number of an image that may have any size
_MAX_NODES = 100_000
_MAX_ATTRIBUTE = 2**20  # of a whole number that is an attribute, such as a stride
_MAX_RANK = 16  # of a result; attributes of these names count dimensions from the last one if they are negative
_MAY_BE_NEGATIVE = ("axis", "start", "end", "k")
_MAX_SIZES = 4096  # numbers of a constant that sizes may follow from
_DOMAIN = ""  # of the operators of ONNX itself
_ATTRIBUTES = {
    *(AttributeProto.INT, AttributeProto.INTS, AttributeProto.FLOAT, AttributeProto.FLOATS),
    *(AttributeProto.STRING, AttributeProto.TENSOR),
}
_TYPES: dict[int, int] = {
    TensorProto.FLOAT: 4,
    TensorProto.DOUBLE: 8,
    TensorProto.INT32: 4,
    TensorProto.INT64: 8,
    TensorProto.BOOL: 1,
}  # of constants, with the bytes of one number

_SIDES = ("height", "width")  # dimensions of images of any size

Shape = tuple[int | str, ...]  # names stand for dimensions of any size
Shapes = Mapping[str, Shape]


def check_graph(model: ModelProto, shape: tuple[int, ...], *, any_size: bool = False) -> None:
    """Check that a model is a graph that egbad may have exported, and that scoring takes limited memory.

    Parameters
    ----------
    model : onnx.ModelProto
    shape : tuple of int
        Shape (n, ...) of a chunk of input.
    any_size : bool, default=False
        True if images may have another height and width. Then few results, of limited size, may depend on these.

    Raises
    ------
    ValueError
        If it is not. The message has no full stop and does not name the file.
    """
    _check_parts(model)
    for node in model.graph.node:
        if node.domain != _DOMAIN or node.overload or node.op_type not in OPERATORS:
            raise _error(
                "have operators that egbad exports", f"{node.domain}{'.' if node.domain else ''}{node.op_type}"
            )
        for attribute in node.attribute:
            if attribute.type not in _ATTRIBUTES or attribute.ref_attr_name:
                raise _error("have no graphs in its operators", f"'{attribute.name}' of {node.op_type}")
            _check_numbers(node.op_type, attribute)
    for tensor in _constants(model):
        _check_constant(tensor)
    if any_size:
        _check_sizes_by_pixel(model, _infer_shapes(model, (*shape[:-2], *_SIDES)), shape)
    _check_sizes(model, _infer_shapes(model, shape), shape)


def _error(requirement: str, found: object) -> ValueError:
    return ValueError(f"its graph must {requirement}, got {found}")


def _check_parts(model: ModelProto) -> None:
    """Raise if a model has parts that no exported graph has."""
    graph, opsets = model.graph, [(opset.domain, opset.version) for opset in model.opset_import]
    if opsets != [(_DOMAIN, OPSET)]:
        raise _error(f"use version {OPSET} of ONNX's operators", opsets[:4])
    for name, part in {
        "functions": model.functions,
        "training steps": model.training_info,
        "sparse constants": graph.sparse_initializer,
        "quantized values": graph.quantization_annotation,
        "recorded shapes": graph.value_info,
    }.items():
        if len(part):
            raise _error(f"have no {name}", len(part))
    inputs, outputs = [value.name for value in graph.input], [value.name for value in graph.output]
    is_term = [name.startswith(TERM_PREFIX) or name == RECONSTRUCTION for name in outputs[1:]]
    if inputs != [INPUT] or outputs[:1] != [SCORE] or not all(is_term) or len({*outputs}) != len(outputs):
        raise _error(f"compute '{SCORE}' and its terms from '{INPUT}'", f"{outputs[:4]} from {inputs[:4]}")
    if len(graph.node) > _MAX_NODES:
        raise _error(f"have at most {_MAX_NODES:,} operators", f"{len(graph.node):,}")


def _check_numbers(operator: str, attribute: AttributeProto) -> None:
    """Raise if a whole number of an attribute is out of range: some operators of onnxruntime do not check it themselves."""
    least = -_MAX_RANK if attribute.name in _MAY_BE_NEGATIVE else 0
    wrong = next((value for value in (attribute.i, *attribute.ints) if not least <= value <= _MAX_ATTRIBUTE), None)
    if wrong is not None:
        raise _error(
            f"have attributes from {least} to {_MAX_ATTRIBUTE:,}", f"{wrong:,} for '{attribute.name}' of {operator}"
        )


def _constants(model: ModelProto) -> Iterator[TensorProto]:
    """Yield the constants of a graph and of its attributes."""
    yield from model.graph.initializer
    for node in model.graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.type == AttributeProto.TENSOR)


def _check_constant(tensor: TensorProto) -> None:
    """Raise unless a constant lies in the file and has the size that its shape says."""
    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
        raise _error("contain all its constants", f"'{tensor.name}' in another file")
    size = _TYPES.get(tensor.data_type)
    if size is None or min(tensor.dims, default=0) < 0 or len(tensor.raw_data) != size * prod(tensor.dims):
        raise _error(
            "have constants of the size that their shape says",
            f"{len(tensor.raw_data)} bytes of type {tensor.data_type} and shape {[*tensor.dims][:8]} for '{tensor.name}'",
        )


def _infer_shapes(model: ModelProto, shape: Shape) -> Shapes:
    """Return the shape of each result of an operator for a chunk of input.

    Shapes are inferred from a copy without the values of large constants, which say nothing about sizes.
    """
    small = [tensor for tensor in model.graph.initializer if prod(tensor.dims) <= _MAX_SIZES]
    large = [
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in model.graph.initializer
        if prod(tensor.dims) > _MAX_SIZES
    ]
    input_type = model.graph.input[0].type.tensor_type.elem_type
    inputs = [onnx.helper.make_tensor_value_info(INPUT, input_type, shape), *large]
    outputs = model.graph.output
    graph = onnx.helper.make_graph(model.graph.node, "graph", inputs, outputs, small)
    copy = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        onnx.checker.check_model(copy)
        for value in copy.graph.output:
            value.type.tensor_type.ClearField("shape")  # a claim, which must follow from the operators
        inferred = onnx.shape_inference.infer_shapes(copy, check_type=True, strict_mode=True, data_prop=True).graph
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _error("be valid", reason) from error
    return dict(_known_shapes([*inferred.value_info, *inferred.output]))


def _known_shapes(values: Iterable[ValueInfoProto]) -> Iterator[tuple[str, Shape]]:
    """Yield name and shape of each value all of whose dimensions are known, or are those of the image."""
    for value in values:
        kind = value.type.tensor_type
        dims = [dim.dim_param or (dim.dim_value if dim.HasField("dim_value") else -1) for dim in kind.shape.dim]
        if kind.HasField("shape") and all(dim in _SIDES if isinstance(dim, str) else dim >= 0 for dim in dims):
            yield value.name, tuple(dims)


def _check_sizes_by_pixel(model: ModelProto, shapes: Shapes, shape: tuple[int, ...]) -> None:
    """Raise unless the size of each result is fixed or a multiple of that of an image, and the sum of these is limited."""
    n_per_pixel, n_channels = 0, prod(shape[1:-2])
    for node in model.graph.node:
        for name in filter(None, node.output):
            found = shapes.get(name)
            if found is None or max(map(found.count, _SIDES)) > 1:
                raise _error("compute results whose size follows from that of its input", f"'{name}' of {node.op_type}")
            if {*_SIDES} & {*found}:
                n_per_pixel += prod(dim for dim in found if isinstance(dim, int))
    if n_per_pixel > MAX_VALUES_PER_PIXEL * n_channels:
        raise _error(f"compute at most {MAX_VALUES_PER_PIXEL} numbers for each pixel of any image", n_per_pixel)


def _check_sizes(model: ModelProto, shapes: Shapes, shape: tuple[int, ...]) -> None:
    """Raise unless all sizes are known, their sum is limited, and the outputs have the shapes that scores have."""
    n_values = 0
    for node in model.graph.node:
        for name in filter(None, node.output):
            if name not in shapes:
                raise _error("compute results whose size follows from that of its input", f"'{name}' of {node.op_type}")
            n_values += prod(dim for dim in shapes[name] if isinstance(dim, int))
    limit = MAX_VALUES + MAX_VALUES_PER_INPUT * prod(shape)
    if n_values > limit:
        raise _error(f"compute at most {limit:,} numbers for input of shape {shape}", f"{n_values:,}")
    for value in model.graph.output:
        expected = shape if value.name == RECONSTRUCTION else shape[:1]
        if shapes.get(value.name) != expected:
            raise _error(f"compute '{value.name}' of shape {expected}", shapes.get(value.name))
