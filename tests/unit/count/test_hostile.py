"""Kernels that misbehave end in one line that says what and where; the next launch still counts."""

import dataclasses

import numpy as np
import pytest

from gpusim.compiler.compile import compile_kernel
from gpusim.count import Limits, count_job
from gpusim.errors import CompileError, CountError
from gpusim.lower.job import BoundArgument
from gpusim.trace.records import Argument, ArgumentKind
from tests.unit.count.run_case import make_job

QUICK = Limits(seconds=2.0, instructions=10**7)
BUFFER = [np.zeros(16, np.int32)]


def run(source: str, values=BUFFER, n: int = 16, local: int = 4, limits: Limits = QUICK, **mode):
    kernel = compile_kernel(source, "k")
    job, memory = make_job("k", (n,), (local,), values)
    return count_job(kernel, job, memory, limits=limits, where="t.gptrace: launch 3", **mode)


def fails(source: str, *parts: str, **how) -> str:
    with pytest.raises(CountError) as caught:
        run(source, **how)
    text = str(caught.value)
    assert "\n" not in text
    for part in ("t.gptrace: launch 3", "kernel k", *parts):
        assert part in text
    return text


ACCESSES = {
    "global store": "a[get_global_id(0) + 1] = 1;",
    "global load": "if (a[get_global_id(0) - 1]) a[0] = 2;",
    "far": "a[1000000000 + get_global_id(0)] = 1;",
    "negative": "a[-5] = 1;",
    "64 bit": "a[(long)1 << 60] = 1;",
    "vector across the end": "vstore4((int4)(1), 0, a + 13 + get_global_id(0));",
    "data-dependent": "a[a[0] + 16] = 1;",
    "atomic": "atomic_inc(&a[16 + get_global_id(0)]);",
    "loop": "for (int i = 0; i <= 16; ++i) a[i] = 0;",
    "pointer loop": "__global int *p = a; while (p <= a + 16) *p++ = 3;",
}


@pytest.mark.parametrize("body", ACCESSES.values(), ids=ACCESSES.keys())
def test_global_accesses_out_of_bounds(body: str) -> None:
    text = fails(f"__kernel void k(__global int *a) {{ {body} }}", "out of bounds", "work-item")
    assert "global" in text
    assert "argument 0 (a)" in text
    assert "of 64 bytes" in text


def test_the_message_names_group_item_offset_and_size() -> None:
    text = fails("__kernel void k(__global int *a) { a[get_global_id(0) * 2] = 1; }")
    assert "work-group (2,0,0), work-item (0,0,0)" in text
    assert "store of 4 bytes at byte 64 of argument 0 (a) of 64 bytes" in text


def test_negative_offsets_are_shown_as_such() -> None:
    assert "at byte -20 of" in fails("__kernel void k(__global int *a) { a[-5] = 1; }")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("__local int t[4]; t[get_local_id(0) + 1] = a[0]; a[0] = t[3];", "local store"),
        ("int t[4]; t[a[0] + 4] = 1; a[0] = t[a[1]];", "private store"),
        ("int t[4]; t[a[1]] = 3; t[a[2]] = 5; a[0] = t[a[1] - 1];", "private load"),
        ("int t[4] = {1, 2, 3, 4}; a[0] = t[a[1] - 1];", "load"),
        ("a[0] = table[a[0] + 4];", "constant load"),
    ],
)
def test_other_address_spaces(body: str, what: str) -> None:
    source = (
        f"__constant int table[4] = {{1, 2, 3, 4}};\n__kernel void k(__global int *a) {{ {body} }}"
    )
    fails(source, "out of bounds", what)


def test_local_argument_out_of_bounds() -> None:
    source = (
        "__kernel void k(__global int *a, __local int *t) { t[get_local_id(0)] = 1; a[0] = t[0]; }"
    )
    fails(source, "local store", "argument 1 (t) of 12 bytes", values=[*BUFFER, "local:12"])


def test_one_buffer_is_not_reached_through_another() -> None:
    source = "__kernel void k(__global int *a, __global int *b) { a[b - a] = 1; }"
    fails(source, "argument 0", values=[np.zeros(16, "i4"), np.zeros(16, "i4")])


def test_pointer_chosen_at_run_time() -> None:
    source = """__kernel void k(__global int *a, __global int *b, __global int *which) {
        __global int *p = which[0] ? a : b;
        p[get_global_id(0) + which[1]] = 1; }"""
    which = np.zeros(2, np.int32)
    values = [np.zeros(64, np.int32), np.zeros(8, np.int32), which]
    fails(source, "global store", values=values)
    which[0] = 1
    assert run(source, values=values).mode == "full"
    which[1] = 49
    fails(source, "global store", values=values)


def test_pointer_that_moves_from_buffer_to_buffer() -> None:
    source = """__kernel void k(__global int *a, __global int *b, __global int *next) {
        __global int *p = a;
        for (int i = 0; next[i] >= 0; ++i) { *p = i; p = next[i] ? b : p + 1; } }"""
    values = [np.zeros(4, np.int32), np.zeros(4, np.int32), np.zeros(8, np.int32)]
    values[2][:] = [0, 0, 0, 1, 0, 0, 0, -1]
    assert run(source, values=values, n=1, local=1).mode == "full"
    values[2][:] = [0, 0, 0, 0, 0, 0, 0, -1]
    fails(source, "global store", values=values, n=1, local=1)


def test_misaligned_vector() -> None:
    source = "__kernel void k(__global int *a) { *(__global int4 *)(a + get_global_id(0)) = 1; }"
    fails(source, "misaligned", "at byte 4", "multiple of 16")


def test_null_buffer() -> None:
    kernel = compile_kernel("__kernel void k(__global int *a) { a[0] = 1; }", "k")
    job, memory = make_job("k", (4,), (4,), [np.zeros(4, np.int32)])
    null = Argument(index=0, kind=ArgumentKind.NULL, size_bytes=8)
    job = dataclasses.replace(job, arguments=(BoundArgument(argument=null),))
    with pytest.raises(CountError, match="which is NULL"):
        count_job(kernel, job, memory)


ENDLESS = {
    "empty": "while (1);",
    "data": "while (a[0] != 5) a[1]++;",
    "float that never arrives": "float f = a[0]; while (f != 0.5f) f += 1.0f; a[0] = f;",
    "nan": "float f = a[0] / 0.0f; do { f = f * f; } while (f != f); a[1] = f;",
    "zero step": "for (int i = 0; i < 10; i += a[0]) a[2] = i;",
    "in a barrier loop": "while (a[0] == 0) barrier(CLK_GLOBAL_MEM_FENCE);",
    "nested": """for (int i = 0; i < 9000000; ++i) for (int j = 0; j < 9000000; ++j)
        if (a[j & 3] >= i) a[i & 7] += j & 1;""",
}


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS.keys())
def test_endless_loops_run_out_of_fuel(body: str) -> None:
    text = fails(f"__kernel void k(__global int *a) {{ {body} }}")
    assert "Limits.instructions" in text or "Limits.seconds" in text


def test_a_long_loop_of_known_length_is_counted_without_running_it() -> None:
    source = """__kernel void k(__global int *a) {
        for (int i = 0; i < 1000000; ++i) for (int j = 0; j < 1000000; ++j) a[(i ^ j) & 7] = j; }"""
    counted = run(source)
    assert counted.mode == "slice"
    assert counted.block_executions.max() == 16 * 10**12


def test_time_limit_names_the_option() -> None:
    # Every work-item is short, so fuel is not what ends it.
    source = """__kernel void k(__global int *a) {
        int x = a[0];
        for (int i = 0; i < 2000; ++i) x = (x & 64) ? x * 1664525 + a[x & 15] : x + 77777;
        if (x != 1) a[0] = x; }"""
    limits = Limits(seconds=0.2)
    text = fails(source, n=1 << 24, local=64, limits=limits)
    assert "Limits.seconds" in text


@pytest.mark.parametrize(
    "body",
    [
        "if (get_local_id(0) < 2) barrier(CLK_LOCAL_MEM_FENCE);",
        "if (get_local_id(0)) { barrier(1); a[1] = 2; } else { barrier(1); a[2] = 3; }",
        "for (int i = 0; i < (int)get_local_id(0); ++i) barrier(CLK_LOCAL_MEM_FENCE);",
        "if (get_local_id(0) == 3) return; barrier(CLK_LOCAL_MEM_FENCE);",
    ],
)
def test_divergent_barrier(body: str) -> None:
    source = f"__kernel void k(__global int *a) {{ {body} a[0] = 1; }}"
    fails(source, "work-group (0,0,0)", "a barrier is not reached by all work-items")


def test_private_memory_limit() -> None:
    source = "__kernel void k(__global int *a) { int t[1 << 22]; t[a[0]] = 1; a[1] = t[a[2]]; }"
    fails(source, "private arrays are too large", "Limits.private_bytes")


def test_large_private_memory_is_not_a_stack_overflow() -> None:
    source = "__kernel void k(__global int *a) { int t[1 << 17]; t[a[0]] = 1; a[1] = t[a[2]]; }"
    assert run(source, local=16).n_work_items == 16


def test_local_memory_limit() -> None:
    source = "__kernel void k(__global int *a, __local int *t) { t[0] = 1; a[0] = t[0]; }"
    fails(source, "Limits.local_bytes", values=[*BUFFER, f"local:{1 << 40}"])


def test_work_group_of_two_to_the_31() -> None:
    source = "__kernel void k(__global int *a) { a[0] = 1; }"
    fails(source, "work-group too large", "Limits.group_items", n=1 << 31, local=1 << 31)


@pytest.mark.parametrize("sizes", [((0,), (1,)), ((16,), (0,)), ((10,), (4,))])
def test_impossible_sizes(sizes) -> None:
    kernel = compile_kernel("__kernel void k(__global int *a) { a[0] = 1; }", "k")
    job, memory = make_job("k", (16,), (4,), BUFFER)
    (g,), (n,) = sizes
    job = dataclasses.replace(job, global_size=(g, 1, 1), local_size=(n, 1, 1))
    with pytest.raises(CountError):
        count_job(kernel, job, memory)


def test_huge_buffer_is_refused_by_limit() -> None:
    job_memory = make_job("k", (4,), (4,), BUFFER)[1]
    with pytest.raises(CountError, match=r"Limits\.memory_bytes"):
        job_memory.add(99, 1 << 50)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ([], "arguments do not match"),
        ([np.int32(5), np.int32(5)], "a value"),
        ([np.zeros(4, "i4"), np.int64(5)], "expected 4 bytes, found 8 bytes"),
        ([np.zeros(4, "i4"), np.zeros(4, "i4")], "a buffer"),
        (["local:16", np.int32(5)], "not in local memory"),
    ],
)
def test_wrong_arguments(values, part: str) -> None:
    fails("__kernel void k(__global int *a, int n) { a[0] = n; }", part, values=values)


def test_division_and_shifts_are_defined() -> None:
    source = """__kernel void k(__global int *a, int z) {
        a[0] = 7 / z; a[1] = 7 % z; a[2] = (uint)7 / (uint)z; a[3] = INT_MIN / (z - 1);
        a[4] = INT_MIN % (z - 1); a[5] = 1 << (z + 33); a[6] = (int4)(1, 2, 3, 4).x / z; }"""
    kernel = compile_kernel(source, "k")
    job, memory = make_job("k", (1,), (1,), [np.full(16, 9, np.int32), np.int32(0)])
    count_job(kernel, job, memory)
    expected = [0, 0, 0, -(2**31), 0, 2, 0]
    assert memory.contents(0).view(np.int32)[:7].tolist() == expected


@pytest.mark.parametrize(
    "source",
    [
        '__kernel void k(__global int *a) { __asm__("int3"); a[0] = 1; }',
        (
            "int f(int n) { return n ? f(n - 1) * n : 1; }"
            "__kernel void k(__global int *a) { a[0] = f(a[1]); }"
        ),
        "int f(int n); __kernel void k(__global int *a) { a[0] = f(a[1]); }",
        "__kernel void k(__global int *a) { int t[a[0]]; t[0] = 1; a[1] = t[a[0]]; }",
    ],
)
def test_refused_code(source: str) -> None:
    with pytest.raises((CompileError, CountError)):
        run(source)


def test_the_next_launch_counts_after_every_kind_of_end() -> None:
    good = "__kernel void k(__global int *a) { a[get_global_id(0)] += 1; }"
    for bad in ("a[99] = 1;", "while (1) a[0]++;", "if (get_local_id(0)) barrier(1); a[0] = 1;"):
        with pytest.raises(CountError):
            run(f"__kernel void k(__global int *a) {{ {bad} }}", limits=Limits(seconds=1.0))
        assert run(good, mode="full").n_work_items == 16
