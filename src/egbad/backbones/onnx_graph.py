"""EfficientNet-Lite as an ONNX graph for images of any size. Needs onnx.

The graph is written node by node: torch's exporter takes ten seconds for it, longer than scoring a hundred images.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from egbad.arrays import Array
from egbad.backbones.efficientnet_lite import EfficientNetLite, InvertedResidual, SameConv2d

INPUT = "image"
OPSET, IR_VERSION = 18, 9  # versions of ONNX's operators and of its files


def efficientnet_lite_graph(backbone: EfficientNetLite, layers: Sequence[str]) -> bytes:
    """Return a graph that maps one image to its feature maps.

    Parameters
    ----------
    backbone : EfficientNetLite
    layers : sequence of str
        Valid names: the outputs, in this order.

    Returns
    -------
    bytes
        A serialized ONNX model. Its input has the name "image" and shape (1, 3, h, w), RGB in [0, 1].
    """
    graph = _GraphWriter()
    x = graph.add("Sub", [INPUT, graph.constant("mean", backbone.mean_rgb.numpy())], "centred")
    x = graph.add("Div", [x, graph.constant("std", backbone.std_rgb.numpy())], "normalised")
    x = graph.relu6(graph.convolution(x, backbone.stem, "stem"))
    for i in range(max(backbone.layers.index(name) for name in layers) + 1):
        block = backbone.blocks[i]
        assert isinstance(block, InvertedResidual)
        x = graph.block(x, block, backbone.layers[i])
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            backbone.name,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 3, "h", "w"])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, backbone.channels[name], None, None])
                for name in layers
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    content: bytes = model.SerializeToString()
    return content


class _GraphWriter:
    """Nodes and constants of a graph. Methods that add a node return the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.low = self.constant("relu6.low", np.zeros((), np.float32))
        self.high = self.constant("relu6.high", np.full((), 6, np.float32))

    def constant(self, name: str, value: Array) -> str:
        """Add a constant."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name))
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node."""
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def relu6(self, x: str) -> str:
        """Add a ReLU6, which onnxruntime fuses with the convolution before it."""
        return self.add("Clip", [x, self.low, self.high], f"{x}.relu6")

    def convolution(self, x: str, module: SameConv2d, name: str) -> str:
        """Add a convolution. SAME_UPPER is TensorFlow's padding, for any size."""
        assert module.bias is not None
        weight = self.constant(f"{name}.weight", module.weight.numpy())
        bias = self.constant(f"{name}.bias", module.bias.numpy())
        sizes: dict[str, Any] = {"kernel_shape": module.kernel_size, "strides": module.stride, "group": module.groups}
        return self.add("Conv", [x, weight, bias], f"{name}.conv", auto_pad="SAME_UPPER", **sizes)

    def block(self, x: str, block: InvertedResidual, name: str) -> str:
        """Add an inverted residual, whose output has the name of its layer."""
        y = x
        if block.expand is not None:
            y = self.relu6(self.convolution(y, block.expand, f"{name}.expand"))
        y = self.relu6(self.convolution(y, block.depthwise, f"{name}.depthwise"))
        y = self.convolution(y, block.project, f"{name}.project")
        return self.add("Add", [x, y], name) if block.has_skip else self.add("Identity", [y], name)
