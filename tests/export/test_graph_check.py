"""Graphs that no detector has are refused, and so are those that take too much memory."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from egbad.export import graph_check
from egbad.export.graph_check import check_graph

N, D = 16, 3


def constant(name, values):
    return numpy_helper.from_array(np.asarray(values), name)


def model_of(nodes, constants=(), outputs=(("score", ("n",)),), opsets=(("", 18),)):
    """Return a model that computes outputs from rows (n, 3)."""
    x = helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["n", D])
    results = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape) for name, shape in outputs]
    graph = helper.make_graph(list(nodes), "g", [x], results, list(constants))
    versions = [helper.make_opsetid(*opset) for opset in opsets]
    return helper.make_model(graph, opset_imports=versions, ir_version=10)


def total(source="x"):
    """Return the operator that computes the score from rows."""
    return helper.make_node("ReduceSum", [source, "axis"], ["score"], keepdims=0)


AXIS = constant("axis", np.array([1]))
BRANCH = helper.make_graph([], "g", [], [])
SAME = helper.make_node("Identity", ["x"], ["y"])


def with_changes(change):
    model = model_of([total()], [AXIS])
    change(model)
    return model


def in_another_file(model):
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def of_another_size(model):
    model.graph.initializer[0].dims[0] = 10**12


def with_a_function(model):
    model.functions.append(helper.make_function("", "f", ["a"], ["b"], [], [helper.make_opsetid("", 18)]))


def with_attribute(name, value):
    """Return a model whose operator has a number as an attribute."""
    node = total()
    del node.attribute[:]
    node.attribute.append(helper.make_attribute(name, value))
    return model_of([node], [AXIS])


def expanded(*shape):
    """Return a model that repeats the input to a shape (*, 3)."""
    nodes = [
        helper.make_node("Expand", ["x", "shape"], ["y"]),
        helper.make_node("ReduceSum", ["y", "axes"], ["z"], keepdims=0),
        helper.make_node("Add", ["z", "z"], ["score"]),
    ]
    axes = [*range(len(shape) - 2), len(shape) - 1]
    return model_of(nodes, [constant("shape", np.array(shape)), constant("axes", np.array(axes))])


def test_a_graph_of_known_operators_is_accepted():
    check_graph(model_of([total()], [AXIS]), (N, D))
    check_graph(expanded(10, 1, D), (N, D))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            model_of([helper.make_node("If", ["c"], ["score"], then_branch=BRANCH)]),
            "operators that egbad exports, got If",
        ),
        (model_of([helper.make_node("Loop", ["c"], ["score"], body=BRANCH)]), "operators that egbad exports, got Loop"),
        (model_of([helper.make_node("Scan", ["x"], ["score"], body=BRANCH)]), "operators that egbad exports, got Scan"),
        (model_of([helper.make_node("Add", ["x"], ["score"], domain="com.evil")]), "got com.evil.Add"),
        (model_of([helper.make_node("Identity", ["x"], ["score"], body=BRANCH)]), "no graphs in its operators"),
        (model_of([total()], [AXIS], opsets=[("", 18), ("com.evil", 1)]), "version 18 of ONNX's operators"),
        (model_of([total()], [AXIS], opsets=[("", 17)]), "version 18 of ONNX's operators"),
        (with_changes(in_another_file), "must contain all its constants, got 'axis' in another file"),
        (with_changes(of_another_size), "constants of the size that their shape says, got 8 bytes"),
        (with_changes(with_a_function), "must have no functions, got 1"),
        (model_of([total("z")], [AXIS]), "must be valid"),
        (model_of([total(), total()], [AXIS]), "must be valid"),
        (model_of([total()], [AXIS], outputs=[("sum", ("n",))]), "must compute 'score' and its terms from 'x'"),
        (model_of([SAME, total()], [AXIS], outputs=[("score", "n"), ("y", ("n", D))]), "'score' and its terms"),
        (model_of([helper.make_node("Identity", ["x"], ["score"])]), "'score' of shape \\(16,\\), got \\(16, 3\\)"),
        (
            with_attribute("keepdims", -1),
            "must have attributes from 0 to 1,048,576, got -1 for 'keepdims' of ReduceSum",
        ),
        (with_attribute("keepdims", 2**40), "must have attributes from 0 to"),
        (with_attribute("axis", -(2**63)), "must have attributes from -16 to"),
        (expanded(10**9, 1, D), "must compute at most [0-9,]+ numbers for input of shape \\(16, 3\\)"),
        (expanded(10**7, 10**7, 1, D), "must compute at most"),
    ],
)
def test_other_graphs_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        check_graph(model, (N, D))


def test_sizes_that_depend_on_values_are_refused():
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["size"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["size", "first"], ["shape"]),
        helper.make_node("Expand", ["one", "shape"], ["y"]),
        helper.make_node("ReduceSum", ["y"], ["z"], keepdims=0),
        total("x"),
    ]
    constants = [AXIS, constant("first", np.array([0])), constant("one", np.array(1.0))]
    with pytest.raises(ValueError, match="whose size follows from that of its input, got 'y' of Expand"):
        check_graph(model_of(nodes, constants), (N, D))


def test_the_list_has_no_operator_with_a_graph_or_a_state():
    attributes = [onnx.defs.get_schema(name, 18).attributes for name in graph_check.OPERATORS]
    types = {attribute.type for of_one in attributes for attribute in of_one.values()}
    assert not types & {onnx.defs.OpSchema.AttrType.GRAPH, onnx.defs.OpSchema.AttrType.GRAPHS}
    assert not {name for name in graph_check.OPERATORS if name.startswith(("Random", "Sequence", "Optional"))}


# -- images of any size ------------------------------------------------------------------------------------------------


def image_model(nodes, constants):
    """Return a model that computes the score of images (n, h, w) of any size."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "h", "w"])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])
    total = helper.make_node("ReduceSum", ["y", "axes"], ["score"], keepdims=0)
    graph = helper.make_graph([*nodes, total], "g", [x], [score], list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


AXES = constant("axes", np.array([1, 2, 3]))
CHANNEL = helper.make_node("Unsqueeze", ["x", "one"], ["u"])
ONE = constant("one", np.array([1]))


def test_a_graph_that_resizes_images_is_accepted():
    resize = helper.make_node("Resize", ["u", "", "", "size"], ["y"], mode="linear", antialias=1)
    model = image_model([CHANNEL, resize], [AXES, ONE, constant("size", np.array([1, 1, 32, 32]))])
    check_graph(model, (1, 40, 56), any_size=True)


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        (
            [CHANNEL, helper.make_node("Tile", ["u", "repeats"], ["y"])],
            [ONE, constant("repeats", np.array([1, 17, 1, 1]))],
            "operators that egbad exports, got Tile",
        ),
        (
            [CHANNEL, helper.make_node("Concat", ["u"] * 64, ["y"], axis=1)],
            [ONE],
            "at most 64 numbers for each pixel of any image, got 65",
        ),
        (
            [
                helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
                helper.make_node("MatMul", ["x", "t"], ["m"]),
                helper.make_node("Unsqueeze", ["m", "one"], ["y"]),
            ],
            [ONE],
            "compute results whose size follows from that of its input, got 'm' of MatMul",
        ),
    ],
)
def test_results_must_not_grow_faster_than_images(nodes, constants, message):
    model = image_model(nodes, [AXES, *constants])
    with pytest.raises(ValueError, match=message):
        check_graph(model, (1, 40, 56), any_size=True)
