"""Every path of ACL computes its layer: our kernels, on its launches, against NumPy.

Buffers start as NaN wherever no launch has written, and every access is checked against its
buffer, so a wrong stride, tile or border shows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpusim.library.plan import PlanOptions
from gpusim.network.layers import Layer, LayerKind
from tests.unit.library.acl.execute import run_layer
from tests.unit.library.acl.reference import convolution, patches

TOLERANCE = {"f32": 1e-5, "f16": 2e-2}
"""Of the largest output; float32 sums of some hundred products are off by some 1e-7 of it."""

BASE = Layer(
    index=0, name="layer", kind=LayerKind.CONVOLUTION, in_channels=5, in_height=6, in_width=7,
    out_channels=6, kernel_height=3, kernel_width=3, pad=1,
)  # fmt: skip
ONE = replace(BASE, kernel_height=1, kernel_width=1, pad=0)
G72, G51, T628 = "mali-g72", "mali-g51", "mali-t628"


def _values(layer, options):
    """Return image, weights and bias in NCHW, rounded to the element type."""
    rng = np.random.default_rng(layer.out_channels)
    dtype = np.float16 if options.dtype == "f16" else np.float32
    image = rng.standard_normal(
        (options.batch, layer.in_channels, layer.in_height, layer.in_width)
    ).astype(dtype)
    inputs = layer.in_channels // layer.groups
    weights = rng.standard_normal(
        (layer.out_channels, inputs, layer.kernel_height, layer.kernel_width)
    ).astype(dtype)
    bias = rng.standard_normal(layer.out_channels).astype(dtype) * options.bias
    return image, weights, bias.astype(dtype)


def _laid_out(array, options):
    return array.transpose(0, 2, 3, 1) if options.layout == "nhwc" else array


def _check(got, expected, options):
    got = np.asarray(got, np.float64).reshape(expected.shape)
    assert np.abs(got - expected).max() <= TOLERANCE[options.dtype] * np.abs(expected).max()


def _check_convolution(library, layer, options):
    image, weights, bias = _values(layer, options)
    expected = _laid_out(convolution(image, weights, bias, layer), options)
    if layer.groups == layer.in_channels > 1:
        kernel = (layer.out_channels, layer.kernel_height, layer.kernel_width)
        stored = weights.reshape(kernel)
        stored = stored.transpose(1, 2, 0) if options.layout == "nhwc" else stored
    else:
        stored = _laid_out(weights, options)
    values = {"input": _laid_out(image, options), "weights": stored, "bias": bias}
    _check(run_layer(library, layer, options, values), expected, options)


def _options(target, **options):
    return PlanOptions(target=target, **{"batch": 2, **options})


@pytest.mark.parametrize("dtype", ["f32", "f16"])
@pytest.mark.parametrize("target", [G72, T628])
@pytest.mark.parametrize("layer", [BASE, replace(ONE, in_channels=17, out_channels=20)])
def test_gemm_convolution_in_nhwc(layer, target, dtype):
    _check_convolution("acl-gemm", layer, _options(target, dtype=dtype))


@pytest.mark.parametrize(
    "layer",
    [
        replace(BASE, in_channels=1),
        replace(BASE, kernel_height=9, kernel_width=9, pad=4, stride=2),
        replace(BASE, kernel_height=5, kernel_width=5, pad=2, in_channels=4),
        replace(BASE, dilation=2, pad=2),
        replace(ONE, in_height=1, in_width=1, in_channels=17),
    ],
)
def test_other_filters_of_gemm_convolution_in_nhwc(layer):
    _check_convolution("acl-gemm", layer, _options(G72, batch=1))


@pytest.mark.parametrize(
    ("target", "outputs", "size"), [(G51, 260, 12), ("mali-g76", 260, 14), (G51, 3, 104)]
)
def test_the_newer_reshaped_product(target, outputs, size):
    layer = replace(BASE, in_channels=6, out_channels=outputs, in_height=size, in_width=size)
    _check_convolution("acl-gemm", layer, _options(target, batch=1))


@pytest.mark.parametrize(
    "changes",
    [
        {"kernel_height": 1, "kernel_width": 1, "pad": 0},
        {"stride": 2, "groups": 2, "in_channels": 4},
        {"kernel_height": 5, "kernel_width": 5, "pad": 2},
        {"kernel_height": 11, "kernel_width": 11, "pad": 0, "in_height": 13, "in_width": 14},
        {"kernel_height": 7, "kernel_width": 7, "pad": 3, "stride": 2},
        {"kernel_height": 2, "kernel_width": 3, "pad": 0},
        {"kernel_height": 3, "kernel_width": 6, "pad": 0},
    ],
)
def test_gemm_convolution_in_nchw(changes):
    _check_convolution("acl-gemm", replace(BASE, **changes), _options(G72, layout="nchw"))


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_direct_convolution(size, stride, layout):
    layer = replace(
        BASE, in_height=11, in_width=13, kernel_height=size, kernel_width=size, pad=size // 2,
        stride=stride,
    )  # fmt: skip
    _check_convolution("acl-direct", layer, _options(G72, layout=layout))


@pytest.mark.parametrize(("target", "dtype"), [(T628, "f32"), (G72, "f16")])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_direct_convolution_in_nchw_without_the_bifrost_kernels(size, target, dtype):
    layer = replace(BASE, kernel_height=size, kernel_width=size, pad=size // 2)
    _check_convolution("acl-direct", layer, _options(target, layout="nchw", dtype=dtype))


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize(
    "changes",
    [
        {"in_height": 9, "in_width": 11},
        {"in_height": 4, "in_width": 4, "in_channels": 4},
        {"in_height": 4, "in_width": 4, "pad": 0},
        {"kernel_height": 1, "pad": 0},
        {"kernel_width": 1, "pad": 0},
        {"kernel_height": 1, "kernel_width": 5, "pad": 0},
        {"kernel_height": 5, "kernel_width": 1, "pad": 0},
    ],
)
def test_winograd_convolution(changes, layout):
    _check_convolution("acl-winograd", replace(BASE, **changes), _options(G72, layout=layout))


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize(
    ("target", "dtype", "size", "stride", "filters"),
    [
        (G72, "f32", 3, 1, 1),
        (G72, "f32", 3, 2, 1),
        (G72, "f32", 3, 3, 1),
        (G72, "f16", 3, 1, 1),
        (G72, "f16", 3, 2, 1),
        (T628, "f32", 3, 1, 1),
        (T628, "f16", 3, 2, 1),
        (G72, "f32", 3, 1, 2),
        (G72, "f32", 5, 2, 1),
        (G72, "f32", 5, 1, 2),
    ],
)
def test_depthwise_convolution(target, dtype, size, stride, filters, layout):
    layer = replace(
        BASE, groups=5, out_channels=5 * filters, in_height=9, in_width=10, kernel_height=size,
        kernel_width=size, stride=stride, pad=size // 2,
    )  # fmt: skip
    _check_convolution("acl", layer, _options(target, layout=layout, dtype=dtype))


@pytest.mark.parametrize("dtype", ["f32", "f16"])
@pytest.mark.parametrize("target", [G72, T628])
@pytest.mark.parametrize(
    ("channels", "size", "outputs", "batch"), [(20, 1, 11, 1), (20, 1, 1010, 1), (5, 3, 9, 3)]
)
def test_fully_connected(channels, size, outputs, batch, target, dtype):
    layer = replace(
        ONE, kind=LayerKind.FULLY_CONNECTED, in_channels=channels, in_height=size, in_width=size,
        out_channels=outputs,
    )  # fmt: skip
    options = _options(target, dtype=dtype, batch=batch)
    image, _, bias = _values(layer, options)
    flat = _laid_out(image, options).reshape(batch, -1)
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((outputs, flat.shape[1])).astype(image.dtype)
    expected = flat.astype(np.float64) @ weights.T.astype(np.float64) + bias
    values = {"input": _laid_out(image, options), "weights": weights, "bias": bias}
    _check(run_layer("acl", layer, options, values), expected, options)


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize(
    ("height", "width", "size", "stride", "pad"),
    [(11, 12, (2, 2), 2, 0), (11, 12, (3, 3), 2, 1), (11, 12, (3, 3), 1, 1),
     (11, 12, (3, 3), 3, 0), (11, 12, (5, 5), 2, 2), (7, 9, (7, 9), 1, 0), (3, 3, (3, 3), 1, 0)],
)  # fmt: skip
def test_pooling(height, width, size, stride, pad, layout):
    layer = replace(
        BASE, kind=LayerKind.POOLING, out_channels=5, in_height=height, in_width=width,
        kernel_height=size[0], kernel_width=size[1], stride=stride, pad=pad,
    )  # fmt: skip
    options = _options(G72, layout=layout)
    image = _values(layer, options)[0] - 3
    if size == (height, width):
        expected = patches(image, layer).mean((-1, -2))
    else:
        expected = patches(image, layer, fill=-np.inf).max((-1, -2))
    got = run_layer("acl", layer, options, {"input": _laid_out(image, options)})
    _check(got, _laid_out(expected, options), options)


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_sums(layout):
    layer = replace(ONE, kind=LayerKind.ELEMENTWISE, out_channels=5)
    options = _options(G72, layout=layout)
    image = _values(layer, options)[0]
    values = {"input": _laid_out(image, options), "input 2": _laid_out(image[::-1], options)}
    expected = _laid_out(image.astype(np.float64) + image[::-1], options)
    _check(run_layer("acl", layer, options, values), expected, options)


UNEVEN = replace(
    BASE, in_height=11, in_width=13, pad_sides=(0, 1, 2, 0), stride_yx=(2, 1), out_channels=6
)
"""Padding that differs on all sides, strides that differ per axis."""


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("library", ["acl-gemm", "acl-direct"])
def test_convolution_with_uneven_axes(library, layout):
    _check_convolution(library, UNEVEN, _options(G72, layout=layout))


def test_dilation_per_axis():
    layer = replace(UNEVEN, dilation_yx=(1, 2))
    for layout in ("nhwc", "nchw"):
        _check_convolution("acl-gemm", layer, _options(T628, layout=layout))


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_winograd_with_uneven_padding(layout):
    layer = replace(UNEVEN, stride_yx=None, pad_sides=(1, 0, 0, 1))
    _check_convolution("acl-winograd", layer, _options(G72, layout=layout))


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize(
    ("strides", "pads"), [((2, 2), (0, 0, 1, 1)), ((2, 1), (1, 0, 0, 1)), ((1, 1), (0, 1, 1, 0))]
)
def test_depthwise_with_uneven_axes(strides, pads, layout):
    layer = replace(UNEVEN, groups=5, out_channels=5, stride_yx=strides, pad_sides=pads)
    _check_convolution("acl", layer, _options(G72, layout=layout))


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_pooling_with_uneven_axes(layout):
    layer = replace(UNEVEN, kind=LayerKind.POOLING, out_channels=5)
    options = _options(G72, layout=layout)
    image = _values(layer, options)[0] - 3
    expected = _laid_out(patches(image, layer, fill=-np.inf).max((-1, -2)), options)
    got = run_layer("acl", layer, options, {"input": _laid_out(image, options)})
    _check(got, expected, options)
