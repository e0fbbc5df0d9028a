"""Which work-groups run in lock-step, and the error that is stated for those that don't."""

import numpy as np
import pytest

from gpusim.compiler import compile_kernel
from gpusim.count import WorkCount, count_job
from gpusim.count.simt import sample_groups
from gpusim.count.uniform import may_diverge
from tests.unit.count.run_case import make_job

RAGGED = """__kernel void k(__global const int *n, __global int *out) {
    int id = get_global_id(0), sum = 0;
    for (int i = 0; i < n[id]; i++) sum += n[sum & 63];
    out[id] = sum; }"""


def ragged(lengths: np.ndarray, **how) -> WorkCount:
    values = [lengths.astype(np.int32), np.zeros(len(lengths), np.int32)]
    job, memory = make_job("k", (len(lengths),), (8,), values)
    return count_job(compile_kernel(RAGGED, "k"), job, memory, warp_width=8, **how)


def test_few_groups_all_run_and_have_no_error() -> None:
    counted = ragged(np.random.default_rng(1).integers(0, 9, 8 * 60))
    assert counted.simt["sampled_groups"] == counted.simt["groups"] == 60
    assert counted.simt["sampling_error"] == 0
    assert counted.lockstep is not None
    assert not counted.lockstep.is_sampled


def test_groups_of_one_class_that_diverge_alike_have_no_error() -> None:
    lengths = np.tile(np.arange(8), 500)
    simt = ragged(lengths).simt
    assert simt["sampled_groups"] < simt["groups"] == 500
    assert simt["sampling_error"] == 0
    assert simt["efficiency"] == pytest.approx(ragged(lengths[: 8 * 60]).simt["efficiency"])


def test_the_stated_error_covers_the_true_one() -> None:
    rng = np.random.default_rng(5)
    # Two classes: 500 groups share out 12 iterations differently, 300 have 40 all in step.
    lengths = np.full((800, 8), 40)
    lengths[:500] = rng.multinomial(12, np.ones(8) / 8, 500)
    counted = ragged(rng.permutation(lengths).ravel())
    size = np.bincount(counted.kernel.instructions["block"], minlength=counted.kernel.n_blocks)
    lanes = counted.block_executions @ size
    loop = size[max(range(len(size)), key=lambda b: counted.block_executions[b])]
    once = lanes - loop * lengths.sum()
    issued = once / 8 + loop * lengths.max(axis=1).sum()
    true = lanes / (8 * issued)
    error = counted.simt["sampling_error"]
    assert 0 < error < 0.05
    assert abs(counted.simt["efficiency"] - true) < 4 * error


def test_every_class_is_sampled_before_the_large_ones_again() -> None:
    lengths = np.full((1000, 8), 3)
    lengths[10], lengths[500], lengths[999] = 7, 9, 0
    counted = ragged(lengths.ravel())
    assert len(counted.class_blocks) == 4
    assert {10, 500, 999} < set(sample_groups(counted, 64))
    assert len(sample_groups(counted, 64)) == 64
    assert len(sample_groups(counted, 2)) == 2


def test_lockstep_sees_the_buffers_as_they_were_before_the_launch() -> None:
    # Each launch sets its own loop lengths to zero.
    source = RAGGED.replace("out[id] = sum", "((__global int *)n)[id] = 0; out[id] = sum")
    lengths = np.tile(np.arange(8), 200).astype(np.int32)
    job, memory = make_job("k", (1600,), (8,), [lengths, np.zeros(1600, np.int32)])
    simt = count_job(compile_kernel(source, "k"), job, memory, warp_width=8).simt
    assert simt["efficiency"] < 0.9
    assert not memory.contents(0).any()


def test_executions_per_warp_and_class() -> None:
    lengths = np.tile(np.arange(8), 4)
    counted = ragged(lengths)
    lockstep = counted.lockstep
    assert lockstep is not None
    per_class = lockstep.class_issues(len(counted.class_blocks))
    assert per_class.shape == counted.class_blocks.shape
    np.testing.assert_array_equal(lockstep.warp_lanes().sum(axis=(0, 1)), counted.block_executions)
    blocks = {row["block"]: row for row in counted.simt["blocks"]}
    busiest = max(blocks, key=lambda b: blocks[b]["lane_executions"])
    assert blocks[busiest]["lane_executions"] == lengths.sum()
    assert blocks[busiest]["warp_issues"] == 4 * 7
    assert blocks[busiest]["issues_per_warp"] == {"mean": 7, "min": 7, "max": 7}
    assert counted.simt["divergent_branches"] == 2


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("for (int i = 0; i < n; i++) a[get_global_id(0)] += i;", False),
        ("if (get_group_id(0) & 1) a[get_global_id(0)] = 1;", False),
        ("if (get_local_id(0) & 1) a[get_global_id(0)] = 1;", True),
        ("for (int i = 0; i < a[0]; i++) a[get_global_id(0) + 1] += i;", True),
    ],
)
def test_uniform_branches_are_known(body: str, parts: bool) -> None:
    kernel = compile_kernel(f"__kernel void k(__global int *a, int n) {{ {body} }}", "k")
    assert may_diverge(kernel) is parts
