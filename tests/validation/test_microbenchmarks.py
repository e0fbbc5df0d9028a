"""Our peak-rate kernels on the models against what clpeak measured on the boards.

Measured values: krrishnarraj/clpeak@ed4bc652c, logs of Mali-T628 (CL 1.2, fast mode), Mali-T860
(RK3399), Jetson Nano (PoCL 1.3). Gaps that are known are listed in docs/deviations.md.
"""

import pytest

from gpusim.device import load_device
from gpusim.library.hand import element_type, plan_gemm, plan_peak_compute, plan_peak_read
from gpusim.validation.predict import Task, predict_task
from gpusim.validation.timed import Timing

BEST_FP32_GFLOPS = {
    "mali-t860": ("float16", 46.16),
    "mali-t628": ("float8", 33.96),
    "mali-t628:mp2": ("float4", 18.27),
    "jetson-nano": ("float4", 230.95),
    "adreno-530": ("float8", 260.87),
}
WIDE_READ_GBPS = {
    "mali-t860": ("float4", 7.33),
    "mali-t628": ("float4", 6.85),
    "mali-t628:mp2": ("float4", 6.41),
    "adreno-530": ("float16", 20.20),
    "jetson-nano": ("float4", 20.92),
}
DEVICES = list(BEST_FP32_GFLOPS)


def simulated_ms(device, *launches, fidelity="wave"):
    task = Task(traces=tuple(one.trace for one in launches), timing=Timing.BACK_TO_BACK)
    outcome = predict_task(task, device=device, fidelity=fidelity)
    assert outcome.reason == ""
    return outcome.simulated_ms


def compute_gflops(device, kind, fidelity="wave"):
    launch = plan_peak_compute(load_device(device), element_type(kind))
    return launch.operations / simulated_ms(device, launch, fidelity=fidelity) / 1e6


def read_gbps(device, kind):
    spec = load_device(device)
    both = [plan_peak_read(spec, element_type(kind), stride=s) for s in ("local", "global")]
    return both[0].moved_bytes / simulated_ms(device, *both) / 1e6


@pytest.mark.parametrize("fidelity", ["wave", "analytic"])
@pytest.mark.parametrize("device", BEST_FP32_GFLOPS)
def test_the_best_fp32_width_is_within_15_percent(device, fidelity):
    kind, measured = BEST_FP32_GFLOPS[device]
    assert compute_gflops(device, kind, fidelity) == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize("device", WIDE_READ_GBPS)
def test_the_widest_useful_read_is_within_10_percent(device):
    kind, measured = WIDE_READ_GBPS[device]
    assert read_gbps(device, kind) == pytest.approx(measured, rel=0.10)


@pytest.mark.parametrize("device", DEVICES)
def test_no_rate_exceeds_what_the_figures_allow(device):
    spec = load_device(device)
    for kind in ("float4", "float16"):
        assert compute_gflops(device, kind) <= spec.peak_flops() / 1e9
        achievable = spec.dram.peak_bytes_per_s.value * spec.dram.efficiency.value
        assert read_gbps(device, kind) <= achievable / 1e9


@pytest.mark.parametrize("device", ["mali-t860", "mali-t628"])
def test_scalars_do_not_use_the_vector_pipe_of_midgard(device):
    """Measured: a scalar chain reaches half of what float4 does (22.9 of 44.5 on T860)."""
    assert compute_gflops(device, "float") <= 0.6 * compute_gflops(device, "float4")


def test_scalar_reads_are_the_slowest_on_midgard():
    """Measured on T860: 3.84 GB/s with float, 7.33 with float4."""
    assert read_gbps("mali-t860", "float") < read_gbps("mali-t860", "float4")


def test_eight_half_lanes_work_in_one_bundle_of_midgard():
    """Measured on T860: 92.4 GFLOPS with half8, 44.5 with float4."""
    assert compute_gflops("mali-t860", "half8") == pytest.approx(92.44, rel=0.15)


def gemm_ms(*local):
    return simulated_ms("mali-t860", plan_gemm(1024, 1024, 1020, element_type("float"), local))


def test_the_product_by_blocks_is_slow_where_a_core_streams_too_many_pages():
    """Measured on T860 (ysh329/OpenCL-101): 75-77 ms up to 36 pages, 155-216 ms from 65 on."""
    fast = [gemm_ms(4, 4, 1), gemm_ms(16, 8, 1), gemm_ms(1, 32, 1)]
    slow = [gemm_ms(1, 64, 1), gemm_ms(64, 4, 1), gemm_ms(64, 1, 1)]
    assert max(fast) <= 1.1 * min(fast)
    assert min(slow) >= 1.8 * max(fast)
