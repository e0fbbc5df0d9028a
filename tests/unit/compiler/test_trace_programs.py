"""Kernels of a trace compiled ahead, in threads: the same kernels, the same errors."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from gpusim.compiler.trace_programs import TracePrograms
from gpusim.device import load_device
from gpusim.errors import CompileError
from gpusim.pipeline import prepare
from tests.traces import SAXPY, saxpy_trace

GOOD = "__kernel void {name}(__global float *a) {{ a[get_global_id(0)] *= {factor}.0f; }}"


def many_programs(sources):
    """Return a trace with one program per source and no launches of them."""
    blobs = {hashlib.sha256(text.encode()).hexdigest(): text.encode() for text in sources}
    trace = saxpy_trace()
    record = trace.programs[0]
    programs = {number: replace(record, id=number, blob=blob) for number, blob in enumerate(blobs)}
    return replace(trace, programs=programs, read_blob=blobs.__getitem__)


def test_compiled_ahead_equals_compiled_when_asked():
    trace = many_programs(
        [GOOD.format(name=f"k{n}", factor=n) for n in range(4)] + ["__kernel void bad( {"]
    )
    pairs = [(n, f"k{n}") for n in range(4)] + [(4, "bad"), (0, "absent"), (0, "k0")]
    ahead, later = TracePrograms(trace), TracePrograms(trace)
    ahead.compile(pairs)
    for pair in pairs[:4]:
        one, other = ahead.kernel(*pair), later.kernel(*pair)
        assert one.text == other.text
        np.testing.assert_array_equal(one.instructions, other.instructions)
        assert ahead.kernel(*pair) is one
    for pair in pairs[4:6]:
        with pytest.raises(CompileError) as first:
            ahead.kernel(*pair)
        with pytest.raises(CompileError) as second:
            later.kernel(*pair)
        assert str(first.value) == str(second.value)
        with pytest.raises(CompileError):
            ahead.kernel(*pair)


def test_one_bad_program_costs_its_launches_only():
    trace = saxpy_trace(kernels=("saxpy", "saxpy", "nothing"))
    works, failures = prepare(trace, load_device("mali-g72"))
    assert [work.launch.index for work in works] == [0, 1]
    assert [failure.launch for failure in failures] == [2]
    assert "nothing" in failures[0].reason
    assert "saxpy" in SAXPY
