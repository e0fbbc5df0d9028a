"""What the cuDNN model plans, what it refuses, and how efficiencies reach a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpusim.device import load_device
from gpusim.device.quantity import Kind
from gpusim.errors import GpusimError
from gpusim.library.cudnn.efficiency import calibration
from gpusim.library.plan import Efficiency, Phase, PlanOptions, plan_layer
from gpusim.network.layers import Layer, LayerKind
from gpusim.network.tables import load_network
from gpusim.study.layer_time import time_plan

LAYER_16 = load_network("resnet50").layer(16)
OPTIONS = PlanOptions(target="jetson-tx2", layout="nchw")


def test_layer_16_has_a_candidate_per_tile_and_winograd():
    plans = plan_layer("cudnn", LAYER_16, OPTIONS)
    made = {
        plan.method: [
            (launch.kernel, launch.global_size, launch.local_size) for _, launch in plan.launches
        ]
        for plan in plans
    }
    bias = ("add_tensor_kernel_v3", (64 * 256, 1, 1), (256, 1, 1))
    # 28 x 28 positions are 7 tiles of 128, 14 x 14 tiles of Winograd 7 groups of 32.
    assert made == {
        "implicit gemm 128x32": [
            ("maxwell_scudnn_128x32_relu_small_nn", (7 * 64, 4, 1), (64, 1, 1)),
            bias,
        ],
        "implicit gemm 128x64": [
            ("maxwell_scudnn_128x64_relu_small_nn", (7 * 128, 2, 1), (128, 1, 1)),
            bias,
        ],
        "implicit gemm 128x128": [
            ("maxwell_scudnn_128x128_relu_small_nn", (7 * 256, 1, 1), (256, 1, 1)),
            bias,
        ],
        "winograd 2x2": [
            ("generateWinogradTilesKernel", (128, 128, 1), (32, 1, 1)),
            (
                "maxwell_scudnn_winograd_128x128_ldg1_ldg4_tile148n_nt",
                (7 * 256, 4, 1),
                (256, 1, 1),
            ),
            bias,
        ],
    }
    assert all(phase is Phase.RUN for plan in plans for phase, _ in plan.launches)
    assert all(plan.unverified for plan in plans)


def test_groups_are_launches_of_their_own_and_never_winograd():
    layer = replace(LAYER_16, groups=2)
    plans = plan_layer("cudnn", layer, replace(OPTIONS, bias=False))
    assert [len(plan.launches) for plan in plans] == [2, 2, 2]


@pytest.mark.parametrize(
    ("changes", "layer", "message"),
    [
        ({"target": "mali-g72"}, LAYER_16, r"target.*expected jetson-nano or.*found mali-g72"),
        ({"layout": "nhwc"}, LAYER_16, r"one layout.*expected nchw.*found nhwc"),
        ({"dtype": "f16"}, LAYER_16, r"one type.*expected f32.*found f16"),
        ({}, replace(LAYER_16, groups=128), "depthwise"),
        ({}, replace(LAYER_16, kind=LayerKind.POOLING), "convolutions only.*pooling"),
    ],
)
def test_what_is_not_modelled_is_refused_in_one_line(changes, layer, message):
    with pytest.raises(GpusimError, match=message) as caught:
        plan_layer("cudnn", layer, replace(OPTIONS, **changes))
    assert "\n" not in str(caught.value)


def test_factors_are_fitted_on_one_board_and_assumed_on_the_others():
    for target, kind in (("jetson-tx1", Kind.FITTED), ("jetson-tx2", Kind.ASSUMED)):
        plans = plan_layer("cudnn", LAYER_16, replace(OPTIONS, target=target))
        kinds = {plan.method: plan.efficiency[0].kind for plan in plans}
        assert kinds.pop("winograd 2x2") is Kind.ASSUMED
        assert set(kinds.values()) == {kind}
    record = calibration()
    assert 0 < record["record"]["mean_error_after"] < record["record"]["mean_error_before"]


def test_an_efficiency_divides_the_time_of_its_kernel_only_and_is_counted():
    layer = Layer(
        index=0,
        name="small",
        kind=LayerKind.CONVOLUTION,
        in_channels=16,
        in_height=8,
        in_width=8,
        out_channels=32,
    )
    plan = plan_layer("cudnn", layer, OPTIONS)[0]
    kernel = plan.efficiency[0].kernel
    device = load_device("jetson-tx2")
    as_it_is = time_plan(replace(plan, efficiency=()), device)
    twice = time_plan(
        replace(plan, efficiency=(Efficiency(kernel=kernel, factor=2.0, kind=Kind.FITTED),)),
        device,
    )
    old, new = as_it_is.run.launches, twice.run.launches
    assert new[0].duration_ps == pytest.approx(old[0].duration_ps / 2, abs=1)
    assert new[1] == old[1]
    assert twice.evidence["fitted"] == as_it_is.evidence["fitted"] + 1
