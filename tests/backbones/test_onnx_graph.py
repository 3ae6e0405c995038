"""Tests of `egbad.backbones.onnx_graph`."""

import onnx

from egbad.backbones import load_backbone


def test_the_graph_is_valid_and_ends_at_the_deepest_layer():
    backbone = load_backbone("efficientnet_lite0")
    model = onnx.ModelProto.FromString(backbone.onnx_graph(["block_10", "block_4"]))
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.output] == ["block_10", "block_4"]
    assert not any(node.name.startswith("block_11") or "block_11" in node.output[0] for node in model.graph.node)
