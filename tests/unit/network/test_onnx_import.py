"""ONNX files of any tool become layers with exact shapes; nothing is dropped silently."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest

from gpusim.errors import GpusimError
from gpusim.network import LayerKind
from gpusim.network.open import open_network
from tests.conftest import need

try:
    import onnx
    from onnx import TensorProto, helper

    from tests.unit.network.onnx_models import Graph, mobilenet_like, resnet_like
except ImportError:
    onnx = None

OPSETS = (9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)


@pytest.fixture(autouse=True)
def _has_onnx():
    need(onnx is not None, "the onnx package")


def rows(network):
    return [
        (
            layer.kind.value,
            (layer.in_channels, layer.in_height, layer.in_width),
            (layer.out_channels, layer.out_height, layer.out_width),
            layer.inputs,
        )
        for layer in network.layers
    ]


def save(folder: Path, graph, *outputs):
    return open_network(graph.save(folder, *outputs))


@pytest.mark.parametrize("opset", OPSETS)
def test_a_residual_network(tmp_path, opset):
    network = save(tmp_path, *resnet_like(opset))
    assert rows(network) == [
        ("convolution", (3, 32, 32), (16, 16, 16), ()),
        ("pooling", (16, 16, 16), (16, 8, 8), (0,)),
        ("convolution", (16, 8, 8), (16, 8, 8), (1,)),
        ("convolution", (16, 8, 8), (32, 4, 4), (2,)),
        ("convolution", (16, 8, 8), (32, 4, 4), (1,)),
        ("elementwise", (32, 4, 4), (32, 4, 4), (3, 4)),
        ("pooling", (32, 4, 4), (32, 1, 1), (5,)),
        ("fully_connected", (32, 1, 1), (10, 1, 1), (6,)),
    ]
    assert [layer.index for layer in network.convolutions] == [0, 1, 2, 3]
    assert network.notes == ("fused into the layer before or after: 4 BatchNormalization, 3 Relu",)


@pytest.mark.parametrize("opset", OPSETS)
def test_a_separable_network_with_computed_shapes(tmp_path, opset):
    network = save(tmp_path, *mobilenet_like(opset))
    depthwise = network.convolutions[2]
    assert (depthwise.groups, depthwise.in_channels) == (64, 64)
    assert network.convolutions[0].pads == (0, 0, 1, 1)
    assert (network.convolutions[0].out_height, network.convolutions[0].out_width) == (16, 16)
    assert network.layers[-1].kind is LayerKind.FULLY_CONNECTED
    assert network.layers[-1].in_channels == 16
    assert len(network.layers) == 7


@pytest.mark.parametrize(
    ("attributes", "pads", "out"),
    [
        ({"pads": [1, 2, 3, 4]}, (1, 2, 3, 4), (10, 12)),
        ({"strides": [2, 3]}, (0, 0, 0, 0), (3, 2)),
        ({"dilations": [2, 1], "pads": [1, 1, 1, 1]}, (1, 1, 1, 1), (6, 8)),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (0, 0, 1, 1), (4, 4)),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, (1, 1, 0, 0), (4, 4)),
        ({"auto_pad": "VALID"}, (0, 0, 0, 0), (6, 6)),
        ({"group": 2}, (0, 0, 0, 0), (6, 6)),
    ],
)
def test_windows_of_convolutions(tmp_path, attributes, pads, out):
    graph = Graph(("N", 4, 8, 8))
    (layer,) = save(tmp_path, graph, graph.conv("image", 4, 6, 3, **attributes)).layers
    assert layer.pads == pads
    assert (layer.out_height, layer.out_width) == out
    assert layer.strides == tuple(attributes.get("strides", (1, 1)))
    assert layer.dilations == tuple(attributes.get("dilations", (1, 1)))
    inferred = onnx.shape_inference.infer_shapes(graph.model("conv3"))
    dims = inferred.graph.output[0].type.tensor_type.shape.dim
    assert tuple(dim.dim_value for dim in dims)[2:] == out


@pytest.mark.parametrize(("size", "ceil", "out"), [(7, 0, 3), (8, 0, 3), (8, 1, 4), (7, 1, 3)])
def test_poolings_round_as_told(tmp_path, size, ceil, out):
    graph = Graph(("N", 4, size, size))
    pool = graph.node("MaxPool", "image", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=ceil)
    (layer,) = save(tmp_path, graph, pool).layers
    assert (layer.kind, layer.out_height, layer.out_width) == (LayerKind.POOLING, out, out)


def test_means_over_the_map_are_poolings(tmp_path):
    graph = Graph(("N", 4, 6, 5))
    (layer,) = save(tmp_path, graph, graph.node("ReduceMean", "image", axes=[-1, 2])).layers
    assert (layer.kind, layer.kernel_height, layer.kernel_width) == (LayerKind.POOLING, 6, 5)


def test_padding_in_front_of_a_convolution_is_folded_into_it(tmp_path):
    graph = Graph(("N", 4, 8, 8))
    pads = graph.constant((8,), [0, 0, 0, 1, 0, 0, 1, 2])
    padded = graph.node("Pad", "image", pads)
    (layer,) = save(tmp_path, graph, graph.conv(padded, 4, 6, 3)).layers
    assert layer.pads == (0, 1, 1, 2)


def test_padding_that_something_else_reads_is_a_layer(tmp_path):
    graph = Graph(("N", 4, 8, 8))
    padded = graph.node("Pad", "image", graph.constant((8,), [0, 0, 1, 1, 0, 0, 1, 1]))
    network = save(tmp_path, graph, graph.node("Add", graph.conv(padded, 4, 4, 1), padded))
    assert [layer.kind.value for layer in network.layers] == ["other", "convolution", "elementwise"]
    assert network.layers[0].moved_elements == 4 * (64 + 100)


def test_activations_are_fused_only_where_a_single_layer_feeds_them(tmp_path):
    graph = Graph(("N", 4, 8, 8))
    first = graph.conv("image", 4, 4, 1)
    both = graph.node("Add", first, graph.node("Relu", first))
    network = save(tmp_path, graph, graph.node("Softmax", both))
    assert [layer.kind.value for layer in network.layers] == [
        "convolution", "elementwise", "elementwise", "other",
    ]  # fmt: skip
    assert network.layers[1].inputs == (0,)
    assert network.layers[2].inputs == (0, 1)


def test_unsupported_operators_stay_as_the_bytes_they_move(tmp_path):
    graph = Graph(("N", 4, 8, 8))
    mine = graph.node("Wobble", graph.conv("image", 4, 6, 1), domain="custom")
    wide = graph.node("Concat", mine, "image", axis=1)
    turned = graph.node("Transpose", wide, perm=[0, 2, 3, 1])
    network = save(tmp_path, graph, turned)
    assert [layer.name for layer in network.layers[1:]] == [
        f"{mine} (custom.Wobble)", f"{wide} (Concat)", f"{turned} (Transpose)",
    ]  # fmt: skip
    assert [layer.moved_elements for layer in network.layers[1:]] == [768, 1280, 1280]
    assert network.layers[2].inputs == (1,)
    assert any("taken to be that of its first input" in note for note in network.notes)


def test_matrix_products(tmp_path):
    graph = Graph(("N", 12, 64))
    tokens = graph.node("MatMul", "image", graph.constant((64, 32)))
    scores = graph.node("MatMul", tokens, graph.node("Transpose", tokens, perm=[0, 2, 1]))
    network = save(tmp_path, graph, scores)
    rows_ = [(one.kind.value, one.in_channels, one.in_height, one.macs) for one in network.layers]
    assert rows_[0] == ("convolution", 64, 12, 12 * 64 * 32)
    assert [row[0] for row in rows_[1:]] == ["other", "other"]


def test_a_batch_in_the_file_is_divided_out(tmp_path):
    one = save(tmp_path, *resnet_like(13, (1, 3, 32, 32)))
    eight = save(tmp_path, *resnet_like(13, (8, 3, 32, 32)))
    assert rows(one) == rows(eight)
    assert any("batch of 8" in note for note in eight.notes)


def test_an_open_image_size_must_be_given(tmp_path):
    graph, output = resnet_like(13, ("N", 3, "height", "width"))
    path = graph.save(tmp_path, output)
    with pytest.raises(GpusimError, match=r"input image: leaves dimension 2 \(height\) open"):
        open_network(path)
    assert rows(open_network(path, image=(32, 32))) == rows(save(tmp_path, *resnet_like(13)))


def test_functions_of_the_file_are_expanded(tmp_path):
    graph = Graph(("N", 4, 8, 8))
    output = graph.node("Twice", "image", domain="custom")
    model = graph.model(output)
    body = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Softmax", ["y"], ["z"])]
    model.functions.append(
        helper.make_function("custom", "Twice", ["x"], ["z"], body, [helper.make_opsetid("", 13)])
    )
    path = tmp_path / "functions.onnx"
    path.write_bytes(model.SerializeToString())
    assert [layer.kind.value for layer in open_network(path).layers] == ["elementwise", "other"]


def test_weights_in_another_file_are_not_needed(tmp_path):
    graph, output = resnet_like()
    model = graph.model(output)
    path = tmp_path / "external.onnx"
    onnx.save_model(
        model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=16
    )
    (tmp_path / "weights.bin").unlink()
    assert len(open_network(path).layers) == 8


def test_a_shape_in_a_missing_file_is_one_line(tmp_path):
    graph = Graph(("N", 4, 8, 8))
    graph.node("Reshape", "image", graph.constant((2,), [1, 256]))
    tensor = graph.weights[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="nowhere.bin")
    path = graph.save(tmp_path, "reshape2")
    with pytest.raises(GpusimError, match="constant w1: cannot be read") as caught:
        open_network(path)
    assert "\n" not in str(caught.value)


def test_without_onnx_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = resnet_like()[0].save(tmp_path, "relu9")
    original = builtins.__import__

    def without(name, *rest):
        if name == "onnx":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(GpusimError, match=r"pip install 'gpusim\[onnx\]'"):
        open_network(path)


def broken_models():
    def weights(graph, array):
        name = graph.name("w")
        graph.weights.append(onnx.numpy_helper.from_array(array, name))
        return name

    def channels(graph):
        return graph.conv("image", 5, 6, 3)

    def groups(graph):
        return graph.node("Conv", "image", graph.constant((6, 4, 3, 3)), group=0)

    def too_small(graph):
        return graph.conv("image", 4, 6, 9)

    def unknown_pads(graph):
        return graph.conv("image", 4, 6, 3, auto_pad="SOMEHOW")

    def no_stride(graph):
        return graph.conv("image", 4, 6, 3, strides=[0, 0])

    def huge_dilation(graph):
        return graph.conv("image", 4, 6, 3, dilations=[1 << 40, 1])

    def dangling(graph):
        return graph.node("Relu", "nobody")

    def no_weights(graph):
        return graph.node("Conv", "image")

    def wrong_width(graph):
        return graph.node("MatMul", "image", weights(graph, np.zeros((7, 3), np.float32)))

    return [
        channels, groups, too_small, unknown_pads, no_stride, huge_dilation, dangling, no_weights,
        wrong_width,
    ]  # fmt: skip


@pytest.mark.parametrize("build", broken_models(), ids=lambda build: build.__name__)
def test_a_contradiction_is_one_line_that_names_the_place(tmp_path, build):
    graph = Graph(("N", 4, 8, 8))
    path = graph.save(tmp_path, build(graph))
    with pytest.raises(GpusimError) as caught:
        open_network(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [("N", 1 << 40, 1 << 40, 8), (1, -3, 8, 8), (1, 3, 0, 8)])
def test_absurd_inputs_are_refused(tmp_path, shape):
    graph = Graph(shape)
    with pytest.raises(GpusimError, match=r"impossible size|open"):
        save(tmp_path, graph, graph.node("Relu", "image"))


@pytest.mark.parametrize("keep", [0, 1, 7, 50, 400, 2000])
def test_truncated_files_are_one_line(tmp_path, keep):
    graph, output = resnet_like()
    path = graph.save(tmp_path, output)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(GpusimError) as caught:
        open_network(path)
    assert str(path) in str(caught.value)


def test_altered_bytes_never_end_in_anything_but_a_network_or_one_line(tmp_path):
    graph, output = mobilenet_like()
    path = graph.save(tmp_path, output)
    model = onnx.load_model(str(path))
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.raw_data = b""
    original = model.SerializeToString()
    random = np.random.default_rng(3)
    refused = []
    for _ in range(150):
        data = bytearray(original)
        for position in random.integers(0, len(data), 3):
            data[position] = random.integers(0, 256)
        path.write_bytes(bytes(data))
        try:
            open_network(path)
        except GpusimError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert not any("\n" in text for text in refused)


def test_names_and_files_that_do_not_exist(tmp_path):
    with pytest.raises(GpusimError, match="resnet50"):
        open_network("resnet51")
    with pytest.raises(GpusimError, match="cannot be read"):
        open_network(tmp_path / "no.onnx")
    assert open_network("resnet18").id == "resnet18"
