"""Our kernels compute the active kernels of a layer as NumPy does, in every order of dimensions."""

from __future__ import annotations

import numpy as np
import pytest

from gpusim.errors import GpusimError
from gpusim.library.dynamic.index import channel_index, kernel_index
from gpusim.library.dynamic.launches import (
    ORDERS,
    DynamicOptions,
    plan_indexed,
    plan_static,
    plan_switch,
)
from gpusim.network import Layer, LayerKind
from tests.unit.library.dynamic.execute import run_plan

BATCH = 3
RANDOM = np.random.default_rng(5)


def convolution(**fields) -> Layer:
    return Layer(index=0, name="conv", kind=LayerKind.CONVOLUTION, **fields)


GROUPED = convolution(
    in_channels=8, in_height=7, in_width=9, out_channels=16,
    kernel_height=3, kernel_width=3, pad=1, groups=2,
)  # fmt: skip
STRIDED = convolution(
    in_channels=3, in_height=19, in_width=23, out_channels=12,
    kernel_height=5, kernel_width=5, stride=4,
)  # fmt: skip
POINTWISE = convolution(in_channels=10, in_height=5, in_width=6, out_channels=6)


def integers(*shape):
    # Small integers: sums are exact in any order.
    return RANDOM.integers(-3, 4, shape).astype(np.float32)


def reference(layer, image, weights, bias, channels=None):
    """Return the convolution by its definition; channels that are off count as zero."""
    image = image.astype(np.float64)
    if channels is not None:
        image = image * channels[:, :, None, None]
    padded = np.pad(image, ((0, 0), (0, 0), (layer.pad,) * 2, (layer.pad,) * 2))
    result = np.zeros((len(image), layer.out_channels, layer.out_height, layer.out_width))
    n_in, n_out = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    step = layer.stride
    for k in range(layer.out_channels):
        first = k // n_out * n_in
        for y in range(layer.out_height):
            for x in range(layer.out_width):
                window = padded[
                    :,
                    first : first + n_in,
                    y * step : y * step + layer.kernel_height,
                    x * step : x * step + layer.kernel_width,
                ]
                result[:, k, y, x] = (window * weights[k]).sum(axis=(1, 2, 3)) + bias[k]
    return result


def bordered(layer, image):
    """Return the image as the kernel reads it: zeros around, NaN where nothing may matter."""
    chunks = -(-layer.out_width // 8)
    pitch = max(
        layer.in_width + 2 * layer.pad, (8 * chunks - 1) * layer.stride + layer.kernel_width
    )
    n, channels, height, width = image.shape
    maps = np.full((n, channels, height + 2 * layer.pad, pitch), np.nan, np.float32)
    maps[..., : width + 2 * layer.pad] = 0
    maps[:, :, layer.pad : layer.pad + height, layer.pad : layer.pad + width] = image
    return maps


def packed(layer, weights):
    """Return the weights by group, input channel, kernel and tap, whole blocks of kernels."""
    kernels = np.zeros((-(-layer.out_channels // 4) * 4, *weights.shape[1:]), np.float32)
    kernels[: layer.out_channels] = weights
    grouped = kernels.reshape(layer.groups, -1, *weights.shape[1:])
    return np.ascontiguousarray(grouped.swapaxes(1, 2))


@pytest.mark.parametrize(
    ("layer", "options"),
    [
        *((GROUPED, {"order": order, "rows": 2}) for order in ORDERS),
        (STRIDED, {"rows": 3}),
        (POINTWISE, {}),
    ],
)
@pytest.mark.parametrize("dynamic", ["static", "kernels", "channels", "both"])
def test_convolutions_equal_numpy(layer, options, dynamic):
    options = DynamicOptions(target="adreno-530", batch=BATCH, **options)
    kernels = RANDOM.random((BATCH, layer.out_channels)) < 0.4
    kernels[:, 2] = True
    channels = RANDOM.random((BATCH, layer.in_channels)) < 0.6
    channels[1, : layer.in_channels // layer.groups] = False
    image = integers(BATCH, layer.in_channels, layer.in_height, layer.in_width)
    weights = integers(
        layer.out_channels,
        layer.in_channels // layer.groups,
        layer.kernel_height,
        layer.kernel_width,
    )
    bias = integers(layer.out_channels)
    used_kernels = kernels if dynamic in ("kernels", "both") else None
    used_channels = channels if dynamic in ("channels", "both") else None
    plan = plan_indexed(layer, options, used_kernels, used_channels)
    maps = bordered(layer, image)
    if used_channels is not None:
        maps[~channels] = np.nan
    read = run_plan(plan, {0: maps, 1: packed(layer, weights), 2: bias})
    blocks = -(-layer.out_channels // 4) * 4
    pitch = -(-layer.out_width // 8) * 8
    output = read(3).reshape(BATCH, blocks, layer.out_height, pitch)
    output = output[:, : layer.out_channels, :, : layer.out_width]
    wanted = np.maximum(reference(layer, image, weights, bias, used_channels), 0)
    on = kernels if used_kernels is not None else np.ones_like(kernels)
    assert wanted.max() > 3
    np.testing.assert_array_equal(output[on], wanted[on])
    # Nothing is computed for the others; a last block may repeat kernels, never add some.
    assert not output[~on].any()


@pytest.mark.parametrize("area", [1, 9, 36])
@pytest.mark.parametrize("dynamic", ["static", "kernels", "channels", "both"])
def test_fully_connected_layers_equal_numpy(area, dynamic):
    n_channels, outputs = 16, 21
    layer = Layer(
        index=0, name="fc", kind=LayerKind.FULLY_CONNECTED, in_channels=n_channels * area,
        in_height=1, in_width=1, out_channels=outputs,
    )  # fmt: skip
    kernels = RANDOM.random((BATCH, outputs)) < 0.4
    kernels[:, 0] = True
    channels = RANDOM.random((BATCH, n_channels)) < 0.5
    image = integers(BATCH, n_channels, area)
    weights = integers(outputs, n_channels, area)
    bias = integers(outputs)
    used_kernels = kernels if dynamic in ("kernels", "both") else None
    used_channels = channels if dynamic in ("channels", "both") else None
    plan = plan_indexed(
        layer, DynamicOptions(target="adreno-530", batch=BATCH), used_kernels, used_channels
    )
    read = run_plan(plan, {0: image, 1: weights, 2: bias})
    output = read(3).reshape(BATCH, outputs)
    masked = image if used_channels is None else image * channels[:, :, None]
    wanted = np.maximum(np.einsum("nca,kca->nk", masked, weights) + bias, 0)
    on = kernels if used_kernels is not None else np.ones_like(kernels)
    assert wanted.max() > 3
    np.testing.assert_array_equal(output[on], wanted[on])
    assert not output[~on].any()


@pytest.mark.parametrize("window", [3, 8])
def test_pooling_equals_numpy(window):
    layer = Layer(
        index=0, name="pool", kind=LayerKind.POOLING, in_channels=6, in_height=8, in_width=8,
        out_channels=6, kernel_height=window, kernel_width=window, stride=2 if window < 8 else 1,
    )  # fmt: skip
    image = integers(BATCH, 6, 8, 8)
    plan = plan_static(layer, DynamicOptions(target="adreno-530", batch=BATCH))
    output = run_plan(plan, {0: image})(1).reshape(BATCH, 6, layer.out_height, layer.out_width)
    if window == 8:
        wanted = image.mean(axis=(2, 3), keepdims=True)
    else:
        windows = np.lib.stride_tricks.sliding_window_view(image, (window, window), axis=(2, 3))
        wanted = windows[:, :, ::2, ::2].max(axis=(4, 5))
    np.testing.assert_allclose(output, wanted, rtol=1e-6)


def test_a_switch_equals_numpy():
    layer = convolution(
        in_channels=6, in_height=5, in_width=7, out_channels=12, kernel_height=3, kernel_width=3,
        pad=1,
    )  # fmt: skip
    channels = RANDOM.random((BATCH, 6)) < 0.6
    channels[:, 0] = True
    image = integers(BATCH, 6, 5, 7)
    first, second = integers(8, 6), integers(12, 8)
    first_bias, second_bias = integers(8), integers(12)
    plan = plan_switch(layer, DynamicOptions(target="adreno-530", batch=BATCH), 8, channels)
    pitch = 8
    maps = np.zeros((BATCH, 6, 5, pitch), np.float32)
    maps[..., :7] = image
    refs = [[argument.ref for argument in launch.arguments] for launch in plan.trace.launches]
    values = {
        refs[0][0]: maps, refs[0][1]: first.T.copy(), refs[0][2]: first_bias,
        refs[2][1]: second, refs[2][2]: second_bias,
    }  # fmt: skip
    read = run_plan(plan, values)
    hidden = np.einsum("nchw,kc->nkhw", image * channels[:, :, None, None], first)
    hidden = np.maximum(hidden + first_bias[:, None, None], 0)
    logits = np.einsum("nchw,kc->nkhw", hidden, second) + second_bias[:, None, None]
    wanted = logits.mean(axis=(2, 3)) > 0
    answers = read(refs[2][3]).view(np.int32).reshape(BATCH, 12)
    assert 0 < wanted.mean() < 1
    np.testing.assert_array_equal(answers, wanted)


def test_a_grouped_index_keeps_its_blocks_in_one_group():
    active = np.zeros((2, 16), np.bool_)
    active[0, [1, 2, 9]] = True
    active[1, [0, 1, 2, 3, 4, 15]] = True
    index = kernel_index(active, groups=2, block=4)
    assert index.n_blocks.tolist() == [2, 3]
    assert index.kernels[0].tolist() == [[1, 2, 2, 2], [9, 9, 9, 9], [0, 0, 0, 0]]
    assert index.kernels[1].tolist() == [[0, 1, 2, 3], [4, 4, 4, 4], [15, 15, 15, 15]]
    lists = channel_index(active, groups=2)
    assert lists[0].tolist() == [[2, 1, 2, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    "fields", [{"order": "rows-batch"}, {"rows": 0}, {"batch": 0}], ids=lambda f: next(iter(f))
)
def test_options_are_checked(fields):
    with pytest.raises(GpusimError, match=next(iter(fields))):
        DynamicOptions(target="adreno-530", **fields)


def test_layers_without_a_kernel_are_refused():
    layer = convolution(in_channels=12, in_height=5, in_width=5, out_channels=12, groups=12)
    with pytest.raises(GpusimError, match="no dynamic kernel"):
        plan_static(layer, DynamicOptions(target="adreno-530"))
