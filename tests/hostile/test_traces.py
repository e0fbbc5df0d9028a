"""Traces that contradict themselves: one line for the launch at fault, results for the others."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pytest

from gpusim.count.limits import Limits
from gpusim.device import load_device
from gpusim.errors import GpusimError
from gpusim.pipeline import prepare
from gpusim.trace.records import Argument, ArgumentKind, Buffer, Launch, Program, Trace
from tests.hostile.launch import TRACE, A, B, Hostile, Local, Ref, trace_of
from tests.hostile.processes import check_nothing_left_behind

i32, f32 = np.int32, np.float32

SOURCE = """
kernel void k(global int *a, int n, local int *l) {
  int i = get_local_id(0);
  l[i] = n;
  a[get_global_id(0)] = l[i];
}
"""
GOOD_ARGS = (Ref(A), i32(1), Local(64))

LAUNCHES: dict[str, tuple[dict[str, object], str]] = {
    "too few arguments": ({"args": (Ref(A), i32(1))}, "argument"),
    "no arguments": ({"args": ()}, "argument"),
    "too many arguments": ({"args": (*GOOD_ARGS, i32(2))}, "argument"),
    "an argument twice": (
        {"args": (Ref(A), i32(1), Argument(index=1, kind=ArgumentKind.LOCAL, size_bytes=64))},
        "argument",
    ),
    "an argument of index -1": (
        {"args": (Ref(A), i32(1), Argument(index=-1, kind=ArgumentKind.LOCAL, size_bytes=64))},
        "argument",
    ),
    "a buffer for a value": ({"args": (Ref(A), Ref(B), Local(64))}, r"argument 1 \(n\)"),
    "a value for a buffer": ({"args": (i32(5), i32(1), Local(64))}, r"argument 0 \(a\)"),
    "a buffer for local memory": ({"args": (Ref(A), i32(1), Ref(B))}, r"argument 2 \(l\)"),
    "local memory for a buffer": ({"args": (Local(64), i32(1), Local(64))}, r"argument 0 \(a\)"),
    "null for a value": ({"args": (Ref(A), None, Local(64))}, r"argument 1 \(n\)"),
    "a value too short": ({"args": (Ref(A), np.int8(1), Local(64))}, "expected 4 bytes, found 1"),
    "a value too long": (
        {"args": (Ref(A), np.zeros(4096, "V1").view("V4096")[0], Local(64))},
        "expected 4 bytes, found 4096 bytes",
    ),
    "a value that is not there": (
        {
            "args": (
                Ref(A),
                Argument(index=1, kind=ArgumentKind.VALUE, size_bytes=4),
                Local(64),
            )
        },
        "expected 4 bytes, found 0 bytes",
    ),
    "a buffer that does not exist": ({"args": (Ref(77), i32(1), Local(64))}, "no such buffer"),
    "a buffer of id -1": ({"args": (Ref(-1), i32(1), Local(64))}, "no such buffer"),
    "a sampler": (
        {
            "args": (
                Argument(index=0, kind=ArgumentKind.SAMPLER, size_bytes=8, ref=0),
                i32(1),
                Local(64),
            )
        },
        "argument 0",
    ),
    "an image that does not exist": (
        {
            "args": (
                Argument(index=0, kind=ArgumentKind.IMAGE, size_bytes=8, ref=9),
                i32(1),
                Local(64),
            )
        },
        "no such image",
    ),
    "local memory too small": ({"args": (Ref(A), i32(1), Local(4))}, "out of bounds local store"),
    "local size of zero": ({"local_size": (4, 0, 1)}, "local size is not positive"),
    "local size of 2^31": ({"local_size": (1 << 31, 1, 1)}, "work-group is too large"),
    "local size that overflows": ({"local_size": (1 << 32, 1 << 32, 1)}, "work-group is too large"),
    "local size above the device's": (
        {"global_size": (1024, 1, 1), "local_size": (1024, 1, 1)},
        "work-group is too large for mali-g72",
    ),
    "local size against the kernel's": (
        {
            "source": SOURCE.replace(
                "kernel void", "kernel __attribute__((reqd_work_group_size(8, 1, 1))) void"
            )
        },
        "reqd_work_group_size",
    ),
    "global size against the kernel's": (
        {
            "source": SOURCE.replace(
                "kernel void", "kernel __attribute__((reqd_work_group_size(8, 1, 1))) void"
            ),
            "global_size": (15, 1, 1),
            "local_size": None,
        },
        "reqd_work_group_size",
    ),
}


def _prepare(trace: Trace) -> tuple[list[int], list[tuple[int, str]]]:
    limits = Limits(seconds=1, instructions=10**6)
    works, failures = prepare(trace, load_device("mali-g72"), limits=limits)
    found = [(failure.launch, failure.reason) for failure in failures]
    return [work.launch.index for work in works], found


def _check(found: tuple[list[int], list[tuple[int, str]]], error: str) -> None:
    works, failures = found
    assert works == [0, 2]
    assert [launch for launch, _ in failures] == [1]
    reason = failures[0][1]
    assert re.search(error, reason), reason
    assert reason.startswith(f"{TRACE}: ")
    assert "\n" not in reason
    check_nothing_left_behind()


@pytest.mark.parametrize("name", list(LAUNCHES))
def test_launch_that_contradicts_its_kernel(name: str) -> None:
    changes, error = LAUNCHES[name]
    fields = {"source": SOURCE, "error": error, "args": GOOD_ARGS, **changes}
    _check(_prepare(trace_of(Hostile(**fields))), error)  # type: ignore[arg-type]


def test_the_launch_without_contradictions_is_counted() -> None:
    works, failures = _prepare(trace_of(Hostile(source=SOURCE, error="", args=GOOD_ARGS)))
    assert works == [0, 1, 2]
    assert not failures


@pytest.mark.parametrize("size", [(0, 1, 1), (16, 0, 1)])
def test_a_launch_of_no_work_items_is_left_out(size: tuple[int, int, int]) -> None:
    case = Hostile(source=SOURCE, error="", args=GOOD_ARGS, global_size=size)
    works, failures = _prepare(trace_of(case))
    assert works == [0, 2]
    assert not failures


def test_a_negative_size_is_an_error() -> None:
    case = Hostile(source=SOURCE, error="", args=GOOD_ARGS, global_size=(16, -4, 1))
    _check(_prepare(trace_of(case)), "not positive")


def _with_program(trace: Trace, **changes: object) -> Trace:
    program: Program = dataclasses.replace(trace.programs[1], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(trace, programs={**trace.programs, 1: program})


PROGRAMS: dict[str, tuple[Callable[[Trace], Trace], str]] = {
    "intermediate language": (lambda t: _with_program(t, kind="il"), "expected source, found il"),
    "binary": (lambda t: _with_program(t, kind="binary"), "expected source, found binary"),
    "text that was not recorded": (lambda t: _with_program(t, blob=None), "no OpenCL C to compile"),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_program_that_cannot_be_compiled(name: str) -> None:
    change, error = PROGRAMS[name]
    trace = trace_of(Hostile(source=SOURCE, error=error, args=GOOD_ARGS))
    _check(_prepare(change(trace)), error)


def _with_buffer(trace: Trace, buffer: Buffer) -> Trace:
    return dataclasses.replace(trace, buffers={**trace.buffers, buffer.id: buffer})


BUFFERS = {
    "part of itself": Buffer(id=9, size_bytes=4, parent=9),
    "part of nothing": Buffer(id=9, size_bytes=4, parent=10),
    "part that leaves its parent": Buffer(id=9, size_bytes=64, parent=A, offset_bytes=200),
    "part before its parent": Buffer(id=9, size_bytes=64, parent=A, offset_bytes=-32),
    "of no bytes": Buffer(id=9, size_bytes=0),
    "of negative size": Buffer(id=9, size_bytes=-4),
    "of exabytes": Buffer(id=9, size_bytes=1 << 60),
}


@pytest.mark.parametrize("name", list(BUFFERS))
def test_buffer_that_cannot_be(name: str) -> None:
    # The whole trace contradicts itself here; reading one from a file fails even earlier.
    trace = trace_of(Hostile(source=SOURCE, error="", args=GOOD_ARGS))
    with pytest.raises(GpusimError) as caught:
        _prepare(_with_buffer(trace, BUFFERS[name]))
    assert "\n" not in str(caught.value)
    assert re.search("buffers? .*9", str(caught.value))
    check_nothing_left_behind()


def test_every_launch_may_fail() -> None:
    trace = trace_of(Hostile(source="kernel void k() { while (1); }", error="", args=()))
    launches: list[Launch] = [
        dataclasses.replace(trace.launches[1], index=i, seq=i) for i in range(5)
    ]
    works, failures = _prepare(dataclasses.replace(trace, launches=tuple(launches)))
    assert not works
    assert [launch for launch, _ in failures] == list(range(5))
    assert all("Limits.instructions" in reason for _, reason in failures)
    check_nothing_left_behind()
