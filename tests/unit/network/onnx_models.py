"""Small ONNX models as tools write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper


class Graph:
    """Collect nodes and weights; every method returns the name of its result."""

    def __init__(self, shape=("N", 3, 32, 32), *, opset=13):
        self.opset = opset
        self.nodes, self.weights = [], []
        self.inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)]
        self.n = 0

    def name(self, op):
        self.n += 1
        return f"{op.lower()}{self.n}"

    def constant(self, shape, values=None):
        name = self.name("w")
        if values is None:
            array = np.zeros(shape, np.float32)
        else:
            array = np.array(values, np.int64).reshape(shape)
        self.weights.append(onnx.numpy_helper.from_array(array, name))
        return name

    def node(self, op, *inputs, outputs=1, domain="", **attributes):
        name = self.name(op)
        names = [name] if outputs == 1 else [f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(
            helper.make_node(op, list(inputs), names, name=name, domain=domain, **attributes)
        )
        return name if outputs == 1 else names

    def conv(self, data, cin, cout, kernel, **attributes):
        group = attributes.get("group", 1)
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        weights = self.constant((cout, cin // group, *kernel))
        return self.node("Conv", data, weights, self.constant((cout,)), **attributes)

    def batch_norm(self, data, channels):
        scales = [self.constant((channels,)) for _ in range(4)]
        return self.node("BatchNormalization", data, *scales)

    def model(self, *outputs):
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", self.inputs, infos, self.weights)
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid("custom", 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=7)

    def save(self, folder: Path, *outputs, name="net.onnx") -> Path:
        path = folder / name
        path.write_bytes(self.model(*outputs).SerializeToString())
        return path


def resnet_like(opset=13, shape=("N", 3, 32, 32)):
    g = Graph(shape, opset=opset)
    x = g.node("Relu", g.batch_norm(g.conv("image", 3, 16, 7, strides=[2, 2], pads=[3] * 4), 16))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    y = g.node("Relu", g.batch_norm(g.conv(x, 16, 16, 3, pads=[1] * 4), 16))
    y = g.batch_norm(g.conv(y, 16, 32, 3, strides=[2, 2], pads=[1] * 4), 32)
    z = g.batch_norm(g.conv(x, 16, 32, 1, strides=[2, 2]), 32)
    x = g.node("Relu", g.node("Add", y, z))
    x = g.node("Flatten", g.node("GlobalAveragePool", x))
    weights = g.constant((10, 32))
    return g, g.node("Gemm", x, weights, g.constant((10,)), transB=1)


def mobilenet_like(opset=13):
    g = Graph(("batch", 3, 32, 32), opset=opset)
    x = g.conv("image", 3, 16, 3, strides=[2, 2], auto_pad="SAME_UPPER")
    x = g.node("Relu", x)
    e = g.node("Relu", g.conv(x, 16, 64, 1))
    e = g.node("Relu", g.conv(e, 64, 64, 3, group=64, pads=[1] * 4))
    x = g.node("Add", g.conv(e, 64, 16, 1), x)
    shape = g.node("Shape", x)
    first = g.node("Gather", shape, g.constant((), [0]), axis=0)
    axes = g.constant((1,), [0])
    if opset >= 13:
        first = g.node("Unsqueeze", first, axes)
    else:
        first = g.node("Unsqueeze", first, axes=[0])
    target = g.node("Concat", first, g.constant((1,), [-1]), axis=0)
    x = g.node("GlobalAveragePool", x)
    x = g.node("Reshape", x, target)
    return g, g.node("MatMul", x, g.constant((16, 10)))
