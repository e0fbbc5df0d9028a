"""One test in front of a loop instead of checks inside: as safe as the checks, in every case."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gpusim.compiler import KernelIR, compile_kernel
from gpusim.count import Limits, count_job
from gpusim.count.ir_text import parse_kernel
from gpusim.count.native_module import build_module
from gpusim.errors import CountError
from tests.unit.count.run_case import make_job

I32 = 1 << 32
LIMITS = Limits(instructions=10**6)
N = 64
"""Ints in the buffer; work-items start after the first `FIRST`."""

LOOPS = {
    "up": ("int", "j < n", "j += 1", lambda j, n: j < n, 1),
    "up to": ("int", "j <= n", "j += 1", lambda j, n: j <= n, 1),
    "by three": ("int", "j < n", "j += 3", lambda j, n: j < n, 3),
    "down": ("int", "j > n", "j -= 1", lambda j, n: j > n, -1),
    "down by two": ("int", "j >= n", "j -= 2", lambda j, n: j >= n, -2),
    "until": ("int", "j != n", "j += 1", lambda j, n: j != n, 1),
    "unsigned": ("uint", "j < n", "j += 1", lambda j, n: j < n, 1),
    "unsigned by five": ("uint", "j <= n", "j += 5", lambda j, n: j <= n, 5),
    "unsigned down": ("uint", "j > n", "j -= 1", lambda j, n: j > n, -1),
}


def source(name: str) -> str:
    kind, condition, step, _, _ = LOOPS[name]
    return (
        f"kernel void k(global int *a, {kind} s, {kind} n, {kind} m, {kind} o, global int *b) {{"
        f" int sum = 0; for ({kind} j = s; {condition}; {step}) sum += a[j * m + o];"
        " b[get_global_id(0)] = sum; if (b[1]) b[2] = 0; }"
    )


@cache
def kernel(name: str) -> KernelIR:
    return compile_kernel(source(name), "k")


def wrapped(value: int, kind: str) -> int:
    value %= I32
    return value - I32 if kind == "int" and value >= I32 // 2 else value


def outcome(name: str, s: int, n: int, m: int, o: int) -> str | int:
    """Walk through the loop as the language defines it; the sum, or how it ends.

    Signed words that wrap are undefined: anything may be read, but nothing outside.
    """
    kind, _, _, goes_on, step = LOOPS[name]
    j, n = wrapped(s, kind), wrapped(n, kind)
    total = runs = 0
    while goes_on(j, n):
        runs += 1
        if runs > 200_000:
            return "fuel"
        exact = wrapped(j * m, kind) + o
        place = wrapped(exact, kind)
        if kind == "int" and not (wrapped(j * m, kind) == j * m and place == exact):
            return "undefined"
        if not 0 <= place < N:
            return "bounds"
        total += place + 1
        if kind == "int" and wrapped(j + step, kind) != j + step:
            return "undefined"
        j = wrapped(j + step, kind)
    return total if runs < 20_000 else "too long to say"


def counted(name: str, s: int, n: int, m: int, o: int) -> str | int:
    kind = np.int32 if LOOPS[name][0] == "int" else np.uint32
    values = [np.array([v % I32], np.uint32).view(kind)[0] for v in (s, n, m, o)]
    buffer, out = np.arange(1, N + 1, dtype=np.int32), np.zeros(4, np.int32)
    job, memory = make_job("k", (1,), (1,), [buffer, *values, out])
    try:
        count_job(kernel(name), job, memory, mode="full", limits=LIMITS)
        return int(memory.contents(5).view(np.int32)[0])
    except CountError as error:
        text = str(error)
        assert "out of bounds global load of 4 bytes" in text or "more than 1e+06" in text, text
        return "bounds" if "bounds" in text else "fuel"
    finally:
        memory.close()


NEAR = st.integers(-40, 110)
EDGE = st.sampled_from([2**31 - 1, -(2**31), 2**31 - 40, -(2**31) + 40, 2**32 - 1, 2**31, 0])


@pytest.mark.parametrize("name", list(LOOPS))
@settings(max_examples=40, deadline=None)
@given(
    s=NEAR | EDGE,
    n=NEAR | EDGE,
    m=st.sampled_from([1, 1, 1, 0, 2, -1, 1 << 16, 1 << 30]),
    o=st.integers(-70, 70) | EDGE,
)
def test_guarded_loops_do_what_the_language_says(name: str, s: int, n: int, m: int, o: int) -> None:
    expected = outcome(name, s, n, m, o)
    assume(expected != "too long to say")
    found = counted(name, s, n, m, o)
    assert found == expected or expected == "undefined"


@pytest.mark.parametrize("name", list(LOOPS))
@pytest.mark.parametrize("extra", [0, 1])
def test_the_last_iteration_decides(name: str, extra: int) -> None:
    start, end = {1: (0, 63), 3: (0, 63), -1: (63, 0), -2: (63, 1), 5: (0, 60)}[LOOPS[name][4]]
    n = end + {"j <= n": 0, "j < n": 1, "j != n": 1, "j > n": -1, "j >= n": 0}[LOOPS[name][1]]
    m, o = (1, extra) if LOOPS[name][4] > 0 else (-1, 63 + extra)
    if name == "unsigned down":
        start, n, m, o = 64, 0, 1, extra - 1
        assert outcome(name, start, n, m, o) == ("bounds" if extra else N * (N + 1) // 2)
    found = outcome(name, start, n, m, o)
    assert counted(name, start, n, m, o) == found
    assert isinstance(found, int) or extra


def text_of(source: str) -> str:
    ir = compile_kernel(source, "k")
    return build_module(parse_kernel(ir.text, "k"), policy="checked").text


@pytest.mark.parametrize("name", list(LOOPS))
def test_a_counting_loop_is_guarded(name: str) -> None:
    assert "call i1 @gpusim.guard." in text_of(source(name))


NOT_GUARDED = {
    "bound from memory": "for (int j = 0; j < b[j]; j++) sum += a[j];",
    "step from memory": "for (int j = 0; j < n; j += b[j]) sum += a[j];",
    "no counter": "for (int j = n; j < 999999; j *= 2) sum += a[j];",
    "index from memory": "for (int j = 0; j < n; j++) sum += a[b[n] & j];",
    "any way out": "for (int j = 0; ; j++) { if (a[j] > n) break; sum += a[j]; }",
}


@pytest.mark.parametrize("name", list(NOT_GUARDED))
def test_other_loops_keep_their_checks(name: str) -> None:
    body = NOT_GUARDED[name]
    text = text_of(
        f"kernel void k(global int *a, global volatile int *b, int n) {{ int sum = 0; {body}"
        " b[0] = sum; }"
    )
    assert "gpusim.check(" in text
    if name != "index from memory":
        assert "call i1 @gpusim.guard." not in text


def test_bytes_of_vectors_and_alignment() -> None:
    source = (
        "kernel void k(global char *a, int n, int shift, global int *b) { int sum = 0;"
        " for (int j = 0; j < n; j++) sum += (*(global int4 *)(a + 16 * j + shift)).y;"
        " b[0] = sum; if (b[1]) b[2] = 0; }"
    )
    ir = compile_kernel(source, "k")
    assert "call i1 @gpusim.guard." in text_of(source)
    buffer = np.arange(4 * N, dtype=np.int32)
    for n, shift, problem in (
        (N, 0, ""),
        (N + 1, 0, "out of bounds global load of 16 bytes at byte 1024"),
        (N - 1, 4, "misaligned global load of 16 bytes at byte 4 "),
        (N, 16, "out of bounds global load of 16 bytes at byte 1024"),
    ):
        args = [buffer, np.int32(n), np.int32(shift), np.zeros(4, np.int32)]
        job, memory = make_job("k", (1,), (1,), args)
        if problem:
            with pytest.raises(CountError, match=problem):
                count_job(ir, job, memory, mode="full")
        else:
            count_job(ir, job, memory, mode="full")
            assert memory.contents(3).view(np.int32)[0] == buffer[1::4].sum()
        memory.close()
