"""Slices: equal to full runs whatever the NDRange, refused where they would be wrong."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpusim.compiler.compile import compile_kernel
from gpusim.count import Limits, count_job
from gpusim.errors import CountError
from tests.unit.count.run_case import make_job, per_group

BRANCHY = """__kernel void k(__global int *a, int p, int q, int r) {
    const int x = get_global_id(0), y = get_global_id(1), z = get_global_id(2);
    const int at = (z * (int)get_global_size(1) + y) * (int)get_global_size(0) + x;
    int n = 0;
    if (x < p) n += 3; else n -= a[0];
    if (y == q || x > r) a[at] = n;
    if (get_group_id(1) >= 1 && (int)get_local_id(0) != r) a[at] += 7;
    for (int i = 0; i < r; ++i) { if (z * 4 + y == q) a[at] += i; else a[at] -= n; }
    if (at == p * q) a[at] = 1;
}"""

SMALL = st.integers(1, 4)
VALUE = st.integers(-2, 9)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    groups=st.tuples(SMALL, SMALL, SMALL),
    local=st.tuples(SMALL, st.integers(1, 2), st.integers(1, 2)),
    values=st.tuples(VALUE, VALUE, VALUE),
)
def test_slice_equals_full_on_any_ndrange(groups, local, values) -> None:
    kernel = compile_kernel(BRANCHY, "k")
    sizes = tuple(g * n for g, n in zip(groups, local, strict=True))
    arguments = [np.zeros(int(np.prod(sizes)), np.int32), *map(np.int32, values)]
    job, memory = make_job("k", sizes, local, arguments)
    sliced = count_job(kernel, job, memory, mode="slice")
    full = count_job(kernel, job, memory, mode="full")
    np.testing.assert_array_equal(per_group(sliced), per_group(full))
    np.testing.assert_array_equal(sliced.class_blocks, full.class_blocks)
    np.testing.assert_array_equal(sliced.class_runs, full.class_runs)


REFUSED = {
    "branch on a value": "if (a[get_global_id(0)] > 0) a[0] = 1;",
    "loop over a value": "for (int i = 0; i < a[0]; ++i) a[1] = i;",
    "switch on a value": "switch (a[0]) { case 1: a[1] = 2; break; case 7: a[2] = 3; }",
    "branch on what an atomic returned": "if (atomic_inc(a) == 3) a[1] = 1;",
    "branch on private memory": "int t[4]; t[a[0] & 3] = 1; if (t[a[1] & 3]) a[2] = 1;",
    "branch on a value through a PHI": (
        "int v = 0; for (int i = 0; i < 4; ++i) v = v * 3 + a[i]; if (v) a[0] = 1;"
    ),
    "address from memory": "a[a[0]] = 1;",
    "out of bounds": "a[get_global_id(0) + 1] = 1;",
    "out of bounds in one corner": "if (get_global_id(0) != 14) a[get_global_id(0) + 1] = 0;",
    "barrier that some items miss": "if (get_local_id(0)) barrier(1); a[0] = 1;",
    "endless": "uint i = n; while (i != 3) i += 2; a[0] = i;",
    "halved from outside": "for (int s = n * 8; s > 0; s >>= 1) a[s] = 1;",
    "halved without end": "for (int s = n; s >= 0; s >>= 1) a[s] = 1;",
    "doubled into the sign": "for (int s = n; s != 64; s *= 4) a[s & 15] = 1;",
    "odd start": "for (int i = n + 13; i < 16; i += 2) { a[i] = 1; a[i + 1] = 2; }",
    "wraps around": "for (int i = 0; i < 16; ++i) a[(i * 1000000007) >> n] = 1;",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_planted_invalid_slices_are_refused(body: str) -> None:
    source = f"__kernel void k(__global int *a, int n) {{ {body} }}"
    job, memory = make_job("k", (16,), (4,), [np.zeros(16, np.int32), np.int32(2)])
    with pytest.raises(CountError, match="cannot be counted by a slice"):
        count_job(compile_kernel(source, "k"), job, memory, mode="slice")


ALLOWED = {
    "guarded": "if ((int)get_global_id(0) < n) a[get_global_id(0) * 8] = 1;",
    "clamped": "a[clamp((int)get_global_id(0) - 3, 0, 15)] = 1;",
    "quotient and remainder": "const int i = get_global_id(0); a[i / 4 * 4 + i % 4] = 1;",
    "two loops": "for (int i = 0; i < 4; ++i) for (int j = i; j < 4; ++j) a[i * 4 + j] = j;",
    "down": "for (int i = 15; i >= 0; --i) a[i] = i;",
    "pointer": "__global int *p = a; for (int i = 0; i < 8; ++i, p += 2) *p = i;",
    "masked value": "a[a[0] & 15] += 1;",
    "halved": "for (int s = n * 7; s > 0; s >>= 1) a[s] = 1;",
    "doubled": "for (int s = 1; s < n * 8; s *= 2) a[s] = 1;",
    "tree": (
        "const uint l = get_local_id(0); for (uint s = get_local_size(0) / 2; s > 0; s /= 2)"
        " { if (l < s) a[l] += a[l + s]; barrier(1); }"
    ),
    "two at a time": "int i = 0; for (; i + 1 < n * 7; i += 2) { a[i] = 1; a[i + 1] = 2; }",
    "tiles": (
        "const int l = get_local_id(0); for (int i = 0; i < n * 8; i += 4)"
        " if (i + l < n * 8) a[i + l] += 1;"
    ),
    "guard on the sum": "const int i = get_global_id(0) * n; if (i + 3 < 16) a[i + 3] = 1;",
}


@pytest.mark.parametrize("body", ALLOWED.values(), ids=ALLOWED.keys())
def test_proofs_that_must_succeed(body: str) -> None:
    kernel = compile_kernel(f"__kernel void k(__global int *a, int n) {{ {body} }}", "k")
    job, memory = make_job("k", (16,), (4,), [np.zeros(16, np.int32), np.int32(2)])
    sliced = count_job(kernel, job, memory, mode="slice")
    job, memory = make_job("k", (16,), (4,), [np.zeros(16, np.int32), np.int32(2)])
    full = count_job(kernel, job, memory, mode="full")
    np.testing.assert_array_equal(per_group(sliced), per_group(full))


def test_deferred_writes_are_made_in_order_when_somebody_reads() -> None:
    add = compile_kernel(
        "__kernel void k(__global int *a, int n) { a[get_global_id(0)] += n; }", "k"
    )
    find = compile_kernel(
        "__kernel void k(__global int *a, int n) { if (a[get_global_id(0)] == n) a[0] = -1; }", "k"
    )
    job, memory = make_job("k", (4,), (4,), [np.arange(4, dtype=np.int32), np.int32(5)])
    for _ in range(3):
        assert count_job(add, job, memory).mode == "slice"
    assert memory.view(0).view(np.int32).tolist() == [0, 1, 2, 3]
    counted = count_job(find, job, memory, limits=Limits())
    assert counted.mode == "full"
    assert memory.view(0).view(np.int32).tolist() == [15, 16, 17, 18]


def test_a_large_ndrange_costs_no_more_rows() -> None:
    kernel = compile_kernel(
        "__kernel void k(__global float *a) { a[get_global_id(0) & 1023] = 1.0f; }", "k"
    )
    job, memory = make_job("k", (1 << 30,), (64,), [np.zeros(1024, np.float32)])
    counted = count_job(kernel, job, memory, mode="slice")
    assert counted.class_runs.tolist() == [[0, 1 << 24]]
    assert counted.block_executions.tolist() == [1 << 30]


DEEP = """__kernel void k(__global int *out, int n) {
    int s = 0;
    for (int x = 0; x < n; ++x)
        for (int y = 0; y < n; ++y)
            for (int z = 0; z < n; ++z) s ^= x * y + z;
    out[get_global_id(0)] = s;
}"""


def test_deep_loops_are_sliced_while_counts_fit() -> None:
    job, memory = make_job("k", (16, 1, 1), (4, 1, 1), [np.zeros(16, np.int32), np.int32(1 << 10)])
    count = count_job(compile_kernel(DEEP, "k"), job, memory, mode="slice")
    assert count.block_executions.max() == 16 * 1024**3


def test_counts_that_might_not_fit_64_bits_are_refused() -> None:
    """2**60 rounds a work-item: the sum over 16 work-items would wrap without a word."""
    job, memory = make_job("k", (16, 1, 1), (4, 1, 1), [np.zeros(16, np.int32), np.int32(1 << 20)])
    kernel = compile_kernel(DEEP, "k")
    with pytest.raises(CountError, match="rounds"):
        count_job(kernel, job, memory, mode="slice")
    with pytest.raises(CountError, match=r"Limits\.(seconds|instructions)"):
        count_job(kernel, job, memory, limits=Limits(seconds=1.0))
