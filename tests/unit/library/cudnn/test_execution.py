"""Every kernel of the cuDNN model computes the convolution that NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest

from gpusim.library.plan import PlanOptions, plan_layer
from gpusim.network.layers import Layer, LayerKind
from tests.unit.library.cudnn.execute import convolve, run_plan

SHAPES = {
    "padded 3x3": {"in_channels": 17, "in_height": 7, "in_width": 9, "out_channels": 33,
                   "kernel_height": 3, "kernel_width": 3, "pad": 1},
    "several tiles": {"in_channels": 16, "in_height": 12, "in_width": 12, "out_channels": 130,
                      "kernel_height": 3, "kernel_width": 3, "pad": 1},
    "strided 1x1": {"in_channels": 24, "in_height": 9, "in_width": 8, "out_channels": 40,
                    "stride": 2},
    "few channels": {"in_channels": 3, "in_height": 15, "in_width": 13, "out_channels": 5,
                     "kernel_height": 5, "kernel_width": 5, "stride": 2, "pad": 2},
    "groups": {"in_channels": 36, "in_height": 5, "in_width": 6, "out_channels": 10,
               "kernel_height": 3, "kernel_width": 3, "pad": 1, "groups": 2},
    "axes": {"in_channels": 18, "in_height": 11, "in_width": 10, "out_channels": 3,
             "kernel_height": 3, "kernel_width": 2, "stride_yx": (2, 1), "dilation_yx": (1, 2),
             "pad_sides": (0, 1, 2, 1)},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("batch", "with_bias"), [(1, False), (3, True)])
def test_every_candidate_equals_numpy(shape, batch, with_bias):
    layer = Layer(index=0, name=shape, kind=LayerKind.CONVOLUTION, **SHAPES[shape])
    options = PlanOptions(target="jetson-tx2", layout="nchw", batch=batch, bias=with_bias)
    random = np.random.default_rng(5)
    image = random.standard_normal(
        (batch, layer.in_channels, layer.in_height, layer.in_width)
    ).astype(np.float32)
    weights = random.standard_normal(
        (
            layer.out_channels,
            layer.in_channels // layer.groups,
            layer.kernel_height,
            layer.kernel_width,
        )
    ).astype(np.float32)
    bias = random.standard_normal(layer.out_channels).astype(np.float32)
    expected = convolve(layer, image, weights) + with_bias * bias[:, None, None].astype(float)
    plans = plan_layer("cudnn", layer, options)
    assert len({plan.method for plan in plans}) == len(plans) >= 3
    for plan in plans:
        found = run_plan(plan, image, weights, bias if with_bias else None)
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4, err_msg=plan.method)
