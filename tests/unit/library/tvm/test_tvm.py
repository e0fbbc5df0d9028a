"""TVM's launches: the fallback rule, and outputs of every template against NumPy."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gpusim.errors import GpusimError
from gpusim.library.plan import PlanOptions, plan_layer
from gpusim.library.tvm.config import Config, load_log, mimic, split_within
from gpusim.library.tvm.winograd import _INPUT_2, _INPUT_4
from gpusim.network.layers import Layer, LayerKind
from gpusim.network.tables import load_network
from tests.unit.library.tvm.execute import run_trace

_DTYPE = {"f32": np.float32, "f16": np.float16}
_NAME = {"f32": "float32", "f16": "float16"}


def conv(cin, size, cout, kernel, stride=1, pad=0, groups=1, dilation=1):
    return Layer(
        index=0,
        name="layer",
        kind=LayerKind.CONVOLUTION,
        in_channels=cin,
        in_height=size,
        in_width=size + 2,
        out_channels=cout,
        kernel_height=kernel,
        kernel_width=kernel,
        stride=stride,
        pad=pad,
        groups=groups,
        dilation=dilation,
    )


def reference(data, weights, layer):
    """Plain convolution, NCHW, accumulated in double."""
    n, channels, _, _ = data.shape
    top, left, bottom, right = layer.pads
    padded = np.pad(data.astype(float), ((0, 0), (0, 0), (top, bottom), (left, right)))
    per_group = channels // layer.groups
    out_per_group = layer.out_channels // layer.groups
    out = np.zeros((n, layer.out_channels, layer.out_height, layer.out_width))
    for channel in range(layer.out_channels):
        first = channel // out_per_group * per_group
        for y in range(layer.out_height):
            for x in range(layer.out_width):
                rows = slice(
                    y * layer.stride,
                    y * layer.stride + (layer.kernel_height - 1) * layer.dilation + 1,
                    layer.dilation,
                )
                columns = slice(
                    x * layer.stride,
                    x * layer.stride + (layer.kernel_width - 1) * layer.dilation + 1,
                    layer.dilation,
                )
                window = padded[:, first : first + per_group, rows, columns]
                out[:, channel, y, x] = (window * weights[channel].astype(float)).sum((1, 2, 3))
    return out


def logged(tmp_path, template, workload, entity, seconds=1e-3):
    line = {
        "input": ["opencl -device=mali", template, workload, {}],
        "config": {"entity": entity},
        "result": [[seconds], 0, 1.0, 1538220868.9],
    }
    path = tmp_path / "tuned.log"
    with path.open("a") as log:
        log.write(json.dumps(line) + "\n")
    return str(path)


def tensors(layer, dtype, batch=1):
    data = [batch, layer.in_channels, layer.in_height, layer.in_width]
    weights = [
        layer.out_channels,
        layer.in_channels // layer.groups,
        layer.kernel_height,
        layer.kernel_width,
    ]
    return [
        ["TENSOR", data, _NAME[dtype]],
        ["TENSOR", weights, _NAME[dtype]],
        list(layer.strides),
        list(layer.pads),
        list(layer.dilations),
        _NAME[dtype],
    ]


def packed(weights, block):
    """(co, ci, kh, kw) -> (co / block, ci, kh, kw, block)."""
    out, cin, height, width = weights.shape
    split = weights.reshape(out // block, block, cin, height, width)
    return np.ascontiguousarray(split.transpose(0, 2, 3, 4, 1))


def values(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-3, 4, shape).astype(_DTYPE[dtype])


DIRECT = [
    # layer, tile_co, tile_oh, tile_ow, order, reduce, spatial, batch
    (conv(3, 6, 8, 3, pad=1), [1, 2, 4], [3, 1, 2], [4, 2, 1], 0, "none", "unroll unroll vec", 1),
    (conv(5, 6, 8, 1), [2, 4, 1], [3, 2, 1], [2, 1, 4], 1, "unroll", "none vec unroll", 1),
    (conv(4, 9, 6, 3, stride=2, pad=1), [3, 1, 2], [5, 1, 1], [3, 1, 2], 1, "unroll", "none", 2),
    (conv(2, 8, 4, 3, pad=2, dilation=2), [1, 1, 4], [4, 1, 2], [5, 2, 1], 0, "none", "vec", 1),
    (conv(4, 5, 16, 5, pad=2), [1, 1, 16], [5, 1, 1], [7, 1, 1], 0, "unroll", "none none vec", 1),
]


@pytest.mark.parametrize("dtype", ["f32", "f16"])
@pytest.mark.parametrize("case", DIRECT)
def test_direct_convolution(tmp_path, case, dtype):
    layer, co, oh, ow, order, reduce, spatial, batch = case
    words = (spatial.split() + ["none"] * 3)[:3]
    entity = [
        ["tile_co", "sp", co],
        ["tile_oh", "sp", oh],
        ["tile_ow", "sp", ow],
        ["reorder_0", "re", [*range(7), 9, 7, 8] if order else list(range(10))],
        ["ann_reduce", "an", [reduce, reduce]],
        ["ann_spatial", "an", words],
    ]
    workload = tensors(layer, dtype, batch)
    log = logged(tmp_path, "conv2d_nchw_spatial_pack.mali", workload, entity)
    options = PlanOptions(
        target="mali-t860", layout="nchw", dtype=dtype, batch=batch, tuning_log=log
    )
    (plan,) = plan_layer("tvm", layer, options)
    assert plan.method == "direct"
    assert len(plan.launches) == 3
    data = values((batch, layer.in_channels, layer.in_height, layer.in_width), dtype)
    weights = values((layer.out_channels, layer.in_channels, *[layer.kernel_height] * 2), dtype, 1)
    given = {0: data, 2: packed(weights, co[2])}
    raw = run_trace(plan.trace, given, 4)
    got = raw.view(_DTYPE[dtype]).reshape(
        batch, layer.out_channels, layer.out_height, layer.out_width
    )
    # Small integers: sums are exact in both float types.
    np.testing.assert_array_equal(got, reference(data, weights, layer))


def test_an_untuned_layer_packs_its_weights_at_every_run():
    layer = conv(6, 6, 12, 3, pad=1)
    (plan,) = plan_layer("tvm", layer, PlanOptions(target="mali-t860", layout="nchw"))
    assert plan.method == "direct-fallback"
    assert [launch.kernel[-7:] for _, launch in plan.launches] == [
        f"kernel{number}" for number in range(4)
    ]
    data = values((1, 6, 6, 8), "f32")
    weights = values((12, 6, 3, 3), "f32", 1)
    raw = run_trace(plan.trace, {0: data, 5: weights}, 4)
    got = raw.view(np.float32).reshape(1, 12, 6, 8)
    np.testing.assert_array_equal(got, reference(data, weights, layer))


@pytest.mark.parametrize("dtype", ["f32", "f16"])
@pytest.mark.parametrize("spatial", ["none vec unroll", "unroll unroll vec", "vec none none"])
def test_depthwise_convolution(tmp_path, spatial, dtype):
    layer = conv(8, 8, 8, 3, stride=2, pad=1, groups=8)
    entity = [
        ["tile_c", "sp", [2, 2, 2]],
        ["tile_y", "sp", [1, 2, 2]],
        ["tile_x", "sp", [5, 1, 1]],
        ["ann_spatial", "an", spatial.split()],
    ]
    log = logged(tmp_path, "depthwise_conv2d_nchw.mali", tensors(layer, dtype), entity)
    options = PlanOptions(target="mali-t860", layout="nchw", dtype=dtype, tuning_log=log)
    (plan,) = plan_layer("tvm", layer, options)
    sizes = [(launch.global_size, launch.local_size) for _, launch in plan.launches]
    # Of the 10 x 12 padded image, the last row and column are read by no output.
    assert sizes == [((11, 9, 8), (1, 1, 2)), ((5, 2, 4), (1, 2, 2))]
    data = values((1, 8, 8, 10), dtype)
    weights = values((8, 1, 3, 3), dtype, 1)
    raw = run_trace(plan.trace, {0: data, 2: weights}, 3)
    got = raw.view(_DTYPE[dtype]).reshape(1, 8, 4, 5)
    np.testing.assert_array_equal(got, reference(data, weights, layer))


@pytest.mark.parametrize(("batch", "bias"), [(1, True), (2, False), (6, True)])
def test_fully_connected(batch, bias, tmp_path):
    layer = Layer(
        index=0,
        name="fc",
        kind=LayerKind.FULLY_CONNECTED,
        in_channels=24,
        in_height=1,
        in_width=1,
        out_channels=20,
    )
    workload = [["TENSOR", [batch, 24], "float32"], ["TENSOR", [20, 24], "float32"], None, None]
    entity = [
        ["tile_y", "sp", [1, 1, batch]],
        ["tile_x", "sp", [5, 1, 4]],
        ["c_unroll", "sp", [3, 8]],
    ]
    log = logged(tmp_path, "dense.mali", workload, entity)
    options = PlanOptions(target="mali-t860", batch=batch, bias=bias, tuning_log=log)
    (plan,) = plan_layer("tvm", layer, options)
    data, weights = values((batch, 24), "f32"), values((20, 24), "f32", 1)
    addend = values((20,), "f32", 2)
    given = {1: data, 2: weights} | ({3: addend} if bias else {})
    got = run_trace(plan.trace, given, 0).view(np.float32).reshape(batch, 20)
    np.testing.assert_array_equal(got, data @ weights.T + (addend if bias else 0))


@pytest.mark.parametrize(("size", "bnb"), [(8, 4), (8, 1), (6, 4), (5, 8)])
def test_winograd_convolution(tmp_path, size, bnb):
    """The largest tile whose transforms are exact in fp32 for small integers is checked closely."""
    layer = conv(4, size, 8, 3, pad=1)
    entity = [
        ["tile_bna", "ot", 4],
        ["tile_bnb", "ot", bnb],
        ["tile_t1", "sp", [2, 2]],
        ["tile_t2", "sp", [2, 4]],
        ["c_unroll", "sp", [2, 2]],
        ["yt", "ot", 8],
    ]
    log = logged(tmp_path, "conv2d_nchw_winograd.mali", tensors(layer, "f32"), entity)
    options = PlanOptions(target="mali-t860", layout="nchw", tuning_log=log)
    (plan,) = plan_layer("tvm", layer, options)
    assert plan.method == "winograd"
    m = 4 if size % 4 == 0 else 2
    alpha = m + 2
    matrix = np.array(_INPUT_4 if m == 4 else _INPUT_2, float)
    assert matrix.shape == (alpha, alpha)
    if m == 4:
        g = np.array(
            [
                [1 / 4, 0, 0],
                [-1 / 6, -1 / 6, -1 / 6],
                [-1 / 6, 1 / 6, -1 / 6],
                [1 / 24, 1 / 12, 1 / 6],
                [1 / 24, -1 / 12, 1 / 6],
                [0, 0, 1],
            ]
        )
    else:
        g = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    data = values((1, 4, size, size + 2), "f32")
    weights = values((8, 4, 3, 3), "f32", 1)
    transformed = np.einsum("ea,nb,ocab->enoc", g, g, weights.astype(float))
    blocks = transformed.reshape(alpha, alpha, 2, 4, 4).transpose(0, 1, 2, 4, 3)
    given = {0: data, 2: np.ascontiguousarray(blocks, dtype=np.float32)}
    got = run_trace(plan.trace, given, 4).view(np.float32).reshape(1, 8, size, size + 2)
    np.testing.assert_allclose(got, reference(data, weights, layer), atol=1e-3)


def test_the_fastest_template_of_the_log_wins(tmp_path):
    layer = conv(4, 8, 8, 3, pad=1)
    direct = [
        ["tile_co", "sp", [2, 1, 4]],
        ["tile_oh", "sp", [8, 1, 1]],
        ["tile_ow", "sp", [10, 1, 1]],
    ]
    winograd = [
        ["tile_bna", "ot", 4],
        ["tile_bnb", "ot", 4],
        ["tile_t1", "sp", [2, 2]],
        ["tile_t2", "sp", [2, 4]],
        ["c_unroll", "sp", [2, 2]],
        ["yt", "ot", 8],
    ]
    workload = tensors(layer, "f32")
    logged(tmp_path, "conv2d_nchw_spatial_pack.mali", workload, direct, seconds=2e-3)
    log = logged(tmp_path, "conv2d_nchw_winograd.mali", workload, winograd, seconds=1e-3)
    options = PlanOptions(target="mali-t860", layout="nchw", tuning_log=log)
    assert plan_layer("tvm", layer, options)[0].method == "winograd"
    log = logged(tmp_path, "conv2d_nchw_spatial_pack.mali", workload, direct, seconds=5e-4)
    assert plan_layer("tvm", layer, options)[0].method == "direct"


@pytest.mark.parametrize(
    ("extent", "limits", "expected"),
    [(128, (-1, 8, 4), (4, 8, 4)), (49, (-1, 8, 4), (7, 7, 1)), (511, (-1, 16, 8), (73, 1, 7))],
)
def test_factors_within_limits(extent, limits, expected):
    # By hand: the innermost factor first, each the largest divisor of what is left.
    assert split_within(extent, limits) == expected


def test_the_fallback_mimics_the_layer_that_shares_most_divisors():
    near = Config(splits={"a": (4, 2, 8)}, annotations={"ann": ("vec",)})
    far = Config(splits={"a": (5, 5, 3)})
    chosen = mimic({"a": (32, 3)}, [far, near])
    assert chosen.splits == {"a": (2, 2, 8)}
    assert chosen.annotations == {"ann": ("vec",)}
    assert not chosen.tuned
    assert mimic({"a": (32, 3)}, []).splits == {"a": (32, 1, 1)}


def test_a_vector_length_that_opencl_lacks_becomes_a_loop(tmp_path):
    layer = conv(4, 5, 14, 1)
    entity = [
        ["tile_co", "sp", [2, 1, 7]],
        ["tile_oh", "sp", [5, 1, 1]],
        ["tile_ow", "sp", [7, 1, 1]],
        ["ann_spatial", "an", ["none", "none", "vec"]],
    ]
    workload = tensors(layer, "f32")
    log = logged(tmp_path, "conv2d_nchw_spatial_pack.mali", workload, entity)
    options = PlanOptions(target="mali-t860", layout="nchw", tuning_log=log)
    (plan,) = plan_layer("tvm", layer, options)
    data = values((1, 4, 5, 7), "f32")
    weights = values((14, 4, 1, 1), "f32", 1)
    raw = run_trace(plan.trace, {0: data, 2: packed(weights, 7)}, 4)
    got = raw.view(np.float32).reshape(1, 14, 5, 7)
    np.testing.assert_array_equal(got, reference(data, weights, layer))


def test_a_prime_channel_count_leaves_no_tile():
    layer = load_network("resnet50").layer(14)
    options = PlanOptions(target="mali-t860", layout="nchw")
    sizes = {}
    for channels in (512, 509):
        (plan,) = plan_layer("tvm", layer.with_out_channels(channels), options)
        sizes[channels] = plan.launches[2][1]
    assert sizes[512].global_size[2] < 512
    assert sizes[509].global_size[2] == 509
    assert sizes[509].local_size[2] == 1


@pytest.mark.parametrize(
    "line",
    ["{", '{"input": 3}', '{"input": ["t", "m", []], "result": [[1], 0], "config": {"entity": 3}}'],
)
def test_a_broken_log_is_named(tmp_path, line):
    path = tmp_path / "broken.log"
    path.write_text(line + "\n")
    with pytest.raises(GpusimError, match=r"broken\.log:1"):
        load_log(path)


def test_layers_that_are_not_modelled_are_refused():
    options = PlanOptions(target="mali-t860", layout="nchw")
    with pytest.raises(GpusimError, match="2 groups"):
        plan_layer("tvm", conv(4, 8, 8, 3, groups=2), options)
    with pytest.raises(GpusimError, match="expected nchw"):
        plan_layer("tvm", conv(4, 8, 8, 3), PlanOptions(target="mali-t860", layout="nhwc"))
    with pytest.raises(GpusimError, match=r"missing\.log"):
        load_log("missing.log")
