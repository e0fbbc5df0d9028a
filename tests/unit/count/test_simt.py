"""Lock-step warps: hand-made examples, and the lanes that they execute."""

import numpy as np
import pytest

from gpusim.compiler.compile import compile_kernel
from gpusim.count import count_job, totals
from gpusim.count.simt import MAX_GROUPS, spread_groups
from tests.unit.count.corpus import CASES, Case
from tests.unit.count.run_case import make_job


def simt(source: str, n: int, local: int, width: int, values=None, **how) -> dict[str, float]:
    values = values or [np.zeros(1024, np.int32)]
    job, memory = make_job("k", (n,), (local,), values)
    return count_job(compile_kernel(source, "k"), job, memory, warp_width=width, **how).simt


@pytest.mark.parametrize("mode", ["auto", "full"])
def test_straight_code_fills_warps(mode: str) -> None:
    source = "__kernel void k(__global int *a) { a[get_global_id(0)] = 3; }"
    assert simt(source, 64, 16, 8, mode=mode)["efficiency"] == 1.0
    # 12 work-items make one warp of 8 and one of 4.
    assert simt(source, 48, 12, 8, mode=mode)["efficiency"] == pytest.approx(12 / 16)


def test_a_loop_runs_as_long_as_its_longest_lane() -> None:
    # Lane i of a warp of 4 makes i + 1 iterations; the loop block is issued 4 times.
    source = """__kernel void k(__global int *a) {
        int n = (get_local_id(0) & 3) + 1, sum = 0, i = 0;
        do { sum += a[(sum + i) & 7]; } while (++i < n);
        a[16 + get_global_id(0)] = sum; }"""
    kernel = compile_kernel(source, "k")
    job, memory = make_job("k", (64,), (16,), [np.zeros(1024, np.int32)])
    counted = count_job(kernel, job, memory, warp_width=4)
    size = np.bincount(kernel.instructions["block"], minlength=kernel.n_blocks)
    loop = kernel.loops[0].blocks
    per_item = size @ np.where(np.isin(np.arange(kernel.n_blocks), loop), 2.5, 1.0)
    per_warp = size @ np.where(np.isin(np.arange(kernel.n_blocks), loop), 4.0, 1.0)
    assert len(loop) == 1
    assert totals.instructions(counted) == 64 * per_item
    assert counted.simt["efficiency"] == pytest.approx(per_item / per_warp)
    assert counted.simt["warp_instructions"] == 16 * per_warp


@pytest.mark.parametrize("case", CASES, ids=str)
def test_warps_of_one_lane_never_diverge(case: Case) -> None:
    kernel = compile_kernel(case.source, case.kernel)
    job, memory = make_job(case.kernel, case.global_size, case.local_size, case.arguments())
    counted = count_job(kernel, job, memory, warp_width=1, mode="full")
    assert counted.simt["efficiency"] == 1.0
    assert counted.simt["warp_instructions"] == totals.instructions(counted)


@pytest.mark.parametrize("case", [c for c in CASES if c.is_slice], ids=str)
def test_slices_diverge_as_full_runs_do(case: Case) -> None:
    kernel = compile_kernel(case.source, case.kernel)
    found = []
    for mode in ("slice", "full"):
        job, memory = make_job(case.kernel, case.global_size, case.local_size, case.arguments())
        found.append(count_job(kernel, job, memory, warp_width=8, mode=mode).simt)
    assert found[0] == found[1]


def test_warps_leave_the_buffers_as_they_are() -> None:
    source = (
        "__kernel void k(__global int *a) { if (atomic_inc(a) < 99) a[1 + get_global_id(0)] = 1; }"
    )
    job, memory = make_job("k", (64,), (16,), [np.zeros(128, np.int32)])
    count_job(compile_kernel(source, "k"), job, memory, warp_width=8)
    assert memory.contents(0).view(np.int32)[:65].tolist() == [64] + [1] * 64


def test_sampling_is_even_and_complete_when_small() -> None:
    assert spread_groups(MAX_GROUPS, MAX_GROUPS) == list(range(MAX_GROUPS))
    many = spread_groups(10**6, MAX_GROUPS)
    assert len(many) == MAX_GROUPS
    assert many[0] == 0
    assert many[-1] == 10**6 - 1
