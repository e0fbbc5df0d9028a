"""Our kernels against counts by hand, and the launch rules of measured rows."""

import numpy as np
import pytest

from gpusim.count.totals import memory as memory_totals
from gpusim.device import load_device
from gpusim.errors import TraceError
from gpusim.library.hand import (
    element_type,
    plan_copy,
    plan_gemm,
    plan_interleave,
    plan_latency_probe,
    plan_peak_compute,
    plan_peak_read,
    plan_transpose,
)
from gpusim.pipeline import prepare
from gpusim.validation.measured_rows import MeasuredRow
from gpusim.validation.registry import case_of
from gpusim.validation.timed import Timing

T860 = load_device("mali-t860")
BOARD = "Mali-T860MP4 (RK3399)"
FLOAT = element_type("float")


def counted(launch):
    works, failures = prepare(launch.trace, T860)
    assert failures == []
    (count,) = works[0].counts
    return count


def operations(count):
    """Executed arithmetic on values that are no addresses: lanes, a multiply-add being two."""
    kernel = count.kernel
    executed = count.block_executions[kernel.instructions["block"]]
    total = 0
    for row, times in zip(kernel.instructions, executed.tolist(), strict=True):
        lanes = kernel.types[row["type"]].lanes
        callee = kernel.callees[row["callee"]] if row["callee"] >= 0 else ""
        if kernel.opcodes[row["opcode"]] in ("fadd", "fmul"):
            total += times * lanes
        elif "fmuladd" in callee or "fma" in callee or "mad" in callee:
            total += 2 * times * lanes
    return total


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16])
def test_a_work_item_of_peak_compute_does_4096_operations(width):
    launch = plan_peak_compute(T860, element_type("float" + (str(width) if width > 1 else "")))
    count = counted(launch)
    # By hand: 4096, plus one add per lane at the start, plus the sum of the lanes at the end.
    around = width + (width - 1)
    assert operations(count) == count.n_work_items * (4096 + around)
    assert launch.operations == count.n_work_items * 4096
    assert count.n_work_items == 4 * 2048 * 256


@pytest.mark.parametrize("stride", ["local", "global"])
@pytest.mark.parametrize("width", [1, 4, 16])
def test_a_work_item_of_peak_read_reads_16_vectors(width, stride):
    kind = element_type("float" + (str(width) if width > 1 else ""))
    launch = plan_peak_read(T860, kind, stride=stride)
    count = counted(launch)
    memory = memory_totals(count)
    assert memory["global_load"] == 16 * count.n_work_items
    assert memory["global_load_bytes"] == launch.moved_bytes == 64 * width * count.n_work_items
    assert memory["global_store_bytes"] == 4 * count.n_work_items
    assert launch.trace.buffers[0].size_bytes == launch.moved_bytes


@pytest.mark.parametrize(("m", "n", "k"), [(8, 16, 6), (64, 32, 12)])
def test_a_work_item_of_the_product_loads_two_vectors_per_k(m, n, k):
    launch = plan_gemm(m, n, k, FLOAT, (1, 1, 1))
    count = counted(launch)
    memory = memory_totals(count)
    work_items = (m // 4) * (n // 4)
    assert count.n_work_items == work_items
    assert memory["global_load"] == 2 * k * work_items
    assert memory["global_store"] == 4 * work_items
    assert operations(count) == launch.operations == 2 * m * n * k


def test_a_k_that_three_does_not_divide_is_padded():
    launch = plan_gemm(8, 8, 7, FLOAT, None)
    count = counted(launch)
    assert memory_totals(count)["global_load"] == 2 * 9 * count.n_work_items


def test_reshapes_and_copies_move_every_byte_twice():
    for launch in (
        plan_interleave(16, 12, FLOAT, None),
        plan_transpose(12, 16, FLOAT, None),
        plan_copy(256, element_type("float8"), None),
    ):
        memory = memory_totals(counted(launch))
        assert memory["global_load_bytes"] == memory["global_store_bytes"]
        assert memory["global_load_bytes"] * 2 == launch.moved_bytes


def gemm_on_host(text_k=6, m=8, n=8):
    """What the three matrix kernels should compute, by NumPy."""
    rng = np.random.default_rng(0)
    a, b = rng.random((m, text_k)), rng.random((text_k, n))
    interleaved = a.reshape(m // 4, 4, text_k).transpose(0, 2, 1).reshape(m // 4, 4 * text_k)
    transposed = b.reshape(text_k, n // 4, 4).transpose(1, 0, 2).reshape(n // 4, 4 * text_k)
    return a, b, interleaved, transposed


def test_the_layout_of_the_product_is_that_of_the_reshapes():
    """The kernels' index rules, in NumPy, give A x B."""
    a, b, interleaved, transposed = gemm_on_host()
    c = np.zeros((8, 8))
    for y in range(2):
        for x in range(2):
            for p in range(0, interleaved.shape[1], 4):
                column, row = interleaved[y, p : p + 4], transposed[x, p : p + 4]
                c[4 * y : 4 * y + 4, 4 * x : 4 * x + 4] += np.outer(column, row)
    np.testing.assert_allclose(c, a @ b)


def row(kernel, *, unit="s", params=None, **more):
    return MeasuredRow(line=2, device=BOARD, kernel=kernel, unit=unit, params=params or {}, **more)


def test_a_gemm_row_keeps_its_local_size():
    case = case_of(
        row(
            "gemm_interleaved_transposed_vec4",
            params={"MNK": "64x32x12", "build": "-D CL_INPUT_TYPE=float"},
            global_size="8, 16, 1",
            local_size="4, 2, 1",
        ),
        T860,
    )
    (launch,) = case.alternatives[0].trace.launches
    assert (launch.global_size, launch.local_size) == ((8, 16, 1), (4, 2, 1))
    assert case.timing is Timing.WALL_CLOCK
    assert case.amount("s") is None
    assert case.amount("GFLOPS") == 2 * 64 * 32 * 12


def test_rows_that_differ_in_what_counts_have_different_keys():
    def key(local, build=""):
        params = {"MNK": "64x12", "build": build}
        return case_of(row("mat_interleave_vec4", params=params, local_size=local), T860).key

    assert key("driver") == key("")
    assert len({key(""), key("1, 1"), key("2, 1"), key("", "-D CL_INPUT_TYPE=half")}) == 4


def test_read_bandwidth_takes_the_better_stride():
    case = case_of(row("clpeak/global_memory_bandwidth/float4", unit="GBPS"), T860)
    kernels = [one.trace.launches[0].kernel for one in case.alternatives]
    assert kernels == ["peak_read_local_stride", "peak_read_global_stride"]
    assert case.amount("GBPS") == case.alternatives[0].moved_bytes
    assert case.timing is Timing.BACK_TO_BACK


def test_launch_latency_is_one_group_per_core():
    launch = plan_latency_probe(T860)
    assert launch.trace.launches[0].global_size == (4 * 256, 1, 1)
    case = case_of(row("clpeak/kernel_launch_latency", unit="us"), T860)
    assert case.timing is Timing.LATENCY


def test_adreno_groups_have_128_work_items():
    adreno = load_device("adreno-530")
    launch = plan_peak_compute(adreno, FLOAT)
    assert launch.trace.launches[0].local_size == (128, 1, 1)


@pytest.mark.parametrize(
    ("kernel", "more", "message"),
    [
        ("convolve", {}, "no kernel of ours"),
        ("clpeak/frobnication/float", {}, "no kernel of ours"),
        ("clpeak/transfer_bandwidth/enqueueReadBuffer", {}, "no kernel"),
        ("clpeak/half-precision_compute/float", {}, "contradicts the test"),
        ("clpeak/single-precision_compute/float3", {}, "element type: unknown"),
        ("mat_trans_vec4", {"params": {"MNK": "64"}}, "MNK: not a size"),
        ("mat_trans_vec4", {"params": {"MNK": "64x62"}}, "no whole blocks"),
        ("mat_trans_vec4", {"params": {"MNK": "8x8"}, "unit": "GFLOPS"}, "no such rate"),
        ("mat_trans_vec4", {"params": {"MNK": "8x8"}, "unit": "parsec"}, "unknown unit"),
        ("mat_trans_vec4", {"params": {"MNK": "8x8"}, "global_size": "8, 8"}, "another NDRange"),
        ("global_bandwidth_vec4", {"params": {"cl_elem_type": "int2"}}, "contradicts the name"),
    ],
)
def test_rows_we_cannot_run_say_why(kernel, more, message):
    with pytest.raises(TraceError, match=message) as caught:
        case_of(row(kernel, **more), T860)
    assert "\n" not in str(caught.value)
