"""Layers on CLBlast: our kernels compute what NumPy computes, and bad requests are one line."""

from __future__ import annotations

import numpy as np
import pytest

from gpusim.errors import GpusimError
from gpusim.library.clblast.parameters import parameters
from gpusim.library.plan import Phase, PlanOptions, plan_layer
from gpusim.network import Layer, LayerKind
from gpusim.study.layer_time import time_layer
from gpusim.study.time_store import TimeStore
from tests.unit.library.clblast.execute import run_plan


def convolution(**fields) -> Layer:
    return Layer(index=0, name="conv", kind=LayerKind.CONVOLUTION, **fields)


DIRECT = convolution(
    in_channels=6,
    in_height=9,
    in_width=7,
    out_channels=10,
    kernel_height=3,
    kernel_width=3,
    stride_yx=(2, 1),
    dilation_yx=(1, 2),
    pad_sides=(1, 0, 2, 3),
    groups=2,
)
INDIRECT = convolution(
    in_channels=40,
    in_height=28,
    in_width=30,
    out_channels=92,
    kernel_height=3,
    kernel_width=3,
    pad=1,
)
POINTWISE = convolution(in_channels=64, in_height=28, in_width=28, out_channels=96)
SQUARE = convolution(in_channels=128, in_height=16, in_width=8, out_channels=128)
DENSE = Layer(
    index=0,
    name="fc",
    kind=LayerKind.FULLY_CONNECTED,
    in_channels=700,
    in_height=1,
    in_width=1,
    out_channels=1000,
)


TARGETS = ("mali-t628", "mali-g72", "adreno-530", "other")
"""One per set of parameters that ships with a model or profile, and the defaults."""


def expected(layer: Layer, image, weights, bias):
    """Return the layer's output by its definition, in float64."""
    top, left, bottom, right = layer.pads
    padded = np.pad(image.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    height, width = layer.out_height, layer.out_width
    (stride_y, stride_x), (step_y, step_x) = layer.strides, layer.dilations
    result = np.zeros((len(image), layer.out_channels, height, width))
    n_in, n_out = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    for out in range(layer.out_channels):
        first = out // n_out * n_in
        for y in range(layer.kernel_height):
            for x in range(layer.kernel_width):
                part = padded[
                    :,
                    first : first + n_in,
                    y * step_y : y * step_y + (height - 1) * stride_y + 1 : stride_y,
                    x * step_x : x * step_x + (width - 1) * stride_x + 1 : stride_x,
                ]
                taps = weights[out, :, y, x].astype(np.float64)
                result[:, out] += np.einsum("bchw,c->bhw", part, taps)
    return result + bias.astype(np.float64)[None, :, None, None]


CASES = [
    *((layer, target, "f32") for layer in (DIRECT, INDIRECT, DENSE) for target in TARGETS),
    *((layer, target, "f16") for layer in (DIRECT, INDIRECT) for target in TARGETS[:2]),
    (POINTWISE, "mali-t628", "f32"),
    (SQUARE, "mali-t628", "f32"),
]


@pytest.mark.parametrize(("layer", "target", "dtype"), CASES)
def test_outputs_equal_numpy(layer, target, dtype):
    batch = 1 if layer is INDIRECT else 2
    options = PlanOptions(target=target, layout="nchw", dtype=dtype, batch=batch)
    kind = np.float32 if dtype == "f32" else np.float16
    random = np.random.default_rng(1)
    # Small integers: sums are exact in half precision, too.
    image = random.integers(
        -2, 3, (batch, layer.in_channels, layer.in_height, layer.in_width)
    ).astype(kind)
    weights = random.integers(
        -1,
        2,
        (
            layer.out_channels,
            layer.in_channels // layer.groups,
            layer.kernel_height,
            layer.kernel_width,
        ),
    ).astype(kind)
    bias = random.integers(-5, 6, layer.out_channels).astype(kind)
    (plan,) = plan_layer("clblast", layer, options)
    output = run_plan(plan, image, weights, bias)
    wanted = expected(layer, image, weights, bias)
    assert np.abs(wanted).max() > 1
    np.testing.assert_array_equal(output.reshape(wanted.shape), wanted)


def test_the_threshold_decides_between_the_kernels():
    options = PlanOptions(target="mali-g72", layout="nchw", bias=False)
    edge = parameters("mali-g72", "f32")["XGEMM_MIN_INDIRECT_SIZE"]
    below = convolution(in_channels=edge - 1, in_height=edge, in_width=1, out_channels=edge)
    at = convolution(in_channels=edge, in_height=edge, in_width=1, out_channels=edge)
    kernels = [
        [launch.kernel for _, launch in plan_layer("clblast", layer, options)[0].launches]
        for layer in (below, at)
    ]
    assert kernels[0] == ["XgemmDirectTN"]
    assert "Xgemm" in kernels[1]


def test_a_plan_runs_at_every_inference_and_says_what_was_not_captured():
    options = PlanOptions(target="mali-g72", layout="nchw", batch=2)
    (plan,) = plan_layer("clblast", INDIRECT, options)
    assert {phase for phase, _ in plan.launches} == {Phase.RUN}
    assert plan.method == "im2col+gemm indirect"
    assert len(plan.unverified) == 1
    kernels = [launch.kernel for _, launch in plan.launches]
    assert kernels[: len(kernels) // 2] == kernels[len(kernels) // 2 :]


def test_channels_of_one_tile_cost_the_same_and_the_next_tile_costs_more():
    from gpusim.device import load_device

    device = load_device("mali-t628")
    options = PlanOptions(target="mali-t628", layout="nchw", bias=False)
    store = TimeStore(None)
    times = {
        channels: next(
            launch.duration_ps
            for launch in time_layer(
                "clblast", INDIRECT.with_out_channels(channels), options, device, store=store
            ).run.launches
            if launch.kernel == "Xgemm"
        )
        for channels in (65, 80, 96, 97)
    }
    assert times[65] == times[80] == times[96] < times[97]


@pytest.mark.parametrize(
    ("layer", "options", "words"),
    [
        (INDIRECT, {"target": "mali-g72", "layout": "nhwc"}, "im2col wants planes"),
        (INDIRECT, {"target": "jetson-tx2", "layout": "nchw"}, "a device with OpenCL"),
        (
            Layer(
                index=0,
                name="pool",
                kind=LayerKind.POOLING,
                in_channels=4,
                in_height=4,
                in_width=4,
                out_channels=4,
            ),
            {"target": "mali-g72", "layout": "nchw"},
            "no kernel for it",
        ),
    ],
)
def test_what_it_cannot_do_is_one_line(layer, options, words):
    with pytest.raises(GpusimError, match=words) as caught:
        plan_layer("clblast", layer, PlanOptions(**options))
    assert "\n" not in str(caught.value)
