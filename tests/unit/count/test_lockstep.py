"""Lock-step execution against a naive interpreter: hand-made kernels and those of the corpus."""

import numpy as np
import pytest

from gpusim.compiler import compile_kernel
from gpusim.count import Memory, count_job
from gpusim.count.reconvergence import LOWEST_PC, POST_DOMINATOR
from gpusim.count.uniform import may_diverge
from tests.corpus.run import bind, job_of
from tests.corpus.table import CASES
from tests.unit.count.lockstep_run import check
from tests.unit.count.run_case import make_job

BREAKS = """__kernel void k(__global const int *in, __global int *out) {
    int id = get_global_id(0), sum = 0;
    for (int i = 0; i < 12; i++) {
        int v = in[id * 12 + i];
        if (v == 0) { out[64 + id] = sum; break; }
        if (v & 1) sum += in[v]; else sum -= v;
    }
    out[id] = sum; }"""
BARRIERS = """__kernel void k(__global const int *in, __global int *out, __local int *mine) {
    int id = get_local_id(0), all = get_local_size(0);
    __local int other[64];
    mine[id] = in[get_global_id(0)];
    for (int part = all / 2; part > 0; part /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (id < part) mine[id] += mine[id + part];
        if (mine[id] & 1) other[id] = mine[id]; else other[id & 3] = 1;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (id == 0) out[get_group_id(0)] = mine[0] + other[get_group_id(0) & 1]; }"""
SWITCH = """__kernel void k(__global const int *in, __global int *out) {
    int id = get_global_id(0);
    switch (in[id] & 7) {
        case 0: out[id] = in[id + 1]; break;
        case 1: out[id] += 5; /* falls through */
        case 2: out[id] *= 3; break;
        case 5: return;
        case 6: atomic_add(out + 64, in[id]); break;
        default: for (int i = 0; i < (in[id] & 3); i++) out[id] ^= in[i];
    }
    out[id] += 1; }"""


def data(n: int = 1024) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 64, n).astype(np.int32)


@pytest.mark.parametrize("width", [1, 4, 8, 32])
@pytest.mark.parametrize(
    ("source", "extra"),
    [(BREAKS, []), (BARRIERS, ["local:128"]), (SWITCH, [])],
    ids=["breaks", "barriers", "switch"],
)
def test_hand_made_kernels(source: str, extra: list[str], width: int) -> None:
    kernel = compile_kernel(source, "k")
    job, memory = make_job("k", (64,), (16,), [data(), np.zeros(256, np.int32), *extra])
    check(kernel, job, memory, [0, 2, 3], width)


def test_a_warp_with_a_partial_barrier_gets_through() -> None:
    # The branch's post-dominator is the end, behind the barrier, for a lane could return; none
    # does. The lanes that come first wait for the others instead of for ever.
    source = """__kernel void k(__global int *a, __local int *mine) {
        int id = get_local_id(0);
        if (a[id] & 1) { a[64 + id] = 3; if (a[id] == 77) return; }
        mine[id] = a[id];
        barrier(CLK_LOCAL_MEM_FENCE);
        a[128 + id] = mine[15 - id]; }"""
    values = np.arange(256, dtype=np.int32) % 60
    job, memory = make_job("k", (16,), (16,), [values, "local:64"])
    issued = check(compile_kernel(source, "k"), job, memory, [0], 8)
    assert issued[POST_DOMINATOR] >= issued[LOWEST_PC]


def test_policies_differ_where_lanes_meet_before_the_post_dominator() -> None:
    # Lanes that leave the loop by `goto` and those that don't meet at `out`, a block before the
    # post-dominator of the inner branch: the lowest PC joins them, the stack does not.
    source = """__kernel void k(__global const int *in, __global int *out) {
        int id = get_global_id(0);
        if (in[id] & 1) {
            out[id] = 1;
            if (in[id] & 2) goto both;
            out[id + 64] = 2;
        } else {
            out[id] = 3;
            if (in[id] & 4) goto both;
            out[id + 64] = 4;
        }
        return;
        both:
        for (int i = 0; i < 8; i++) out[id] = out[id] * in[i] + 5; }"""
    job, memory = make_job("k", (64,), (32,), [data(), np.zeros(256, np.int32)])
    kernel = compile_kernel(source, "k")
    issued = check(kernel, job, memory, [0, 1], 32)
    assert issued[LOWEST_PC] < issued[POST_DOMINATOR]
    simt = count_job(kernel, job, memory, warp_width=32, policy=POST_DOMINATOR).simt
    assert simt["policy"] == POST_DOMINATOR
    assert simt["efficiency"] == simt["efficiency_by_policy"][POST_DOMINATOR]
    assert simt["spread"] > 0
    assert simt["efficiency_by_policy"][LOWEST_PC] == pytest.approx(
        simt["efficiency"] + simt["spread"]
    )


_NAMES = """
    activations atomic_extremes average_pool axpy_strided batch_norm bfs_level bilinear
    bitonic_local bitonic_step box_blur col2im collatz compact conv_1x1 conv_depthwise
    conv_local_tile conv_nchw conv_transposed count_triangles csr_count_columns csr_row_maximum
    dot_partial edge_arithmetic edit_distance embedding fft_step float_add_by_swap
    function_calls gemm_a_transposed gemm_batched gemm_block4x4 gemm_int8
    gemm_memory_accumulator gemm_naive gemm_tiled gemv_rows gemv_transposed geometry ger_rank1
    gray half_axpy half_fma4 half_storage histogram_global identifiers im2col interpreter
    jacobi_2d jacobi_csr layer_norm life lu_column macros mandelbrot max_pool median3x3
    nbody_tiles nchw_to_nhwc nrm2_rows odd_even_sort pack_bits pack_panels pi_by_lcg
    pixel_shuffle quick_sort radix_histogram rank_sort red_black_sweep reduce_columns
    reduce_minimum_index reduce_sum_tree relax_edges requantize scan_add_offsets scan_stepwise
    scan_work_efficient segmented_sum selections sobel softmax_rows spmv_coo_fixed
    spmv_csr_scalar spmv_ell state_machine stencil_3d syrk_lower transpose_local transpose_naive
    trsv_step two_local_arguments uniform_barrier wave_steps winograd_filter winograd_input
    winograd_output
"""
KNOWN = _NAMES.split()
"""Kernels of the corpus without tables, structures, shuffled vectors and images, which the
interpreter lacks."""


@pytest.mark.parametrize("name", KNOWN)
def test_corpus(name: str) -> None:
    case = CASES[name]
    kernel = compile_kernel(case.source, case.name, case.options)
    memory = Memory()
    job = job_of(case, bind(case.data(), memory))
    counted = count_job(kernel, job, memory)
    size = np.bincount(kernel.instructions["block"], minlength=kernel.n_blocks)
    memory = Memory()
    job = job_of(case, bind(case.data(), memory))
    per_group = counted.block_executions @ size / job.n_work_groups
    groups = sorted({0, job.n_work_groups - 1})[: max(1, int(150_000 / per_group))]
    issued = check(kernel, job, memory, groups, 8)
    if not may_diverge(kernel):
        assert issued[LOWEST_PC] == issued[POST_DOMINATOR]
        simt = count_job(kernel, job, memory, warp_width=8).simt
        assert simt["divergent_branches"] == 0
