"""Buffers: aliases, limits, transfers."""

import numpy as np
import pytest

from gpusim.compiler.compile import compile_kernel
from gpusim.count import Memory, count_job
from gpusim.errors import CountError
from tests.unit.count.run_case import make_job


def test_a_sub_buffer_aliases_its_parent() -> None:
    memory = Memory()
    memory.add(1, 64)
    memory.add(2, 16, parent=1, offset_bytes=32)
    memory.write(2, 4, b"\x07\x08")
    assert memory.contents(1)[36:38].tolist() == [7, 8]
    assert memory.is_known(1)


def test_new_buffers_are_zero_and_keep_what_was_there() -> None:
    memory = Memory()
    memory.add(1, 10, content=bytes(range(10)))
    memory.add(2, 1 << 20)
    assert memory.contents(1).tolist() == list(range(10))
    assert not memory.contents(2).any()
    assert not memory.is_known(2)


def test_fill_and_copy() -> None:
    memory = Memory()
    memory.add(1, 8)
    memory.add(2, 8)
    memory.fill(1, 2, 4, b"\x01\x02")
    memory.copy(1, 2, 2, 0, 4)
    assert memory.contents(2).tolist() == [1, 2, 1, 2, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda m: m.add(1, 8),
        lambda m: m.add(2, 0),
        lambda m: m.add(2, 8, parent=1, offset_bytes=4),
        lambda m: m.add(2, 8, parent=9),
        lambda m: m.add(2, 4, content=bytes(5)),
        lambda m: m.write(1, 6, bytes(4)),
        lambda m: m.fill(1, 0, 3, b"ab"),
        lambda m: m.copy(1, 1, 6, 0, 4),
        lambda m: m.view(5),
    ],
)
def test_bad_requests_are_one_line_errors(wrong) -> None:
    memory = Memory()
    memory.add(1, 8)
    with pytest.raises(CountError) as caught:
        wrong(memory)
    assert "\n" not in str(caught.value)


def test_two_memories_do_not_mix() -> None:
    first, second = Memory(), Memory()
    for memory, value in ((first, 1), (second, 2)):
        memory.add(0, 4, content=np.full(4, value, np.uint8).tobytes())
    assert first.contents(0).tolist() == [1] * 4
    first.close()
    assert second.contents(0).tolist() == [2] * 4


FIND = "__kernel void k(__global int *a, __global int *b) { if (a[get_global_id(0)]) b[0] = 1; }"


def test_branches_on_contents_that_nobody_knows_are_refused() -> None:
    kernel = compile_kernel(FIND, "k")
    job, _ = make_job("k", (4,), (4,), [np.zeros(4, "i4"), np.zeros(4, "i4")])
    memory = Memory(refuse_missing=True)
    memory.add(0, 16)
    memory.add(1, 16)
    with pytest.raises(CountError, match="contents of buffer 0, which the trace does not hold"):
        count_job(kernel, job, memory)
    memory.write(0, 0, bytes(16))
    assert count_job(kernel, job, memory).mode == "full"
    assert memory.is_known(1)


def test_what_a_launch_wrote_is_known() -> None:
    source = "__kernel void k(__global int *b, __global int *a) { a[get_global_id(0)] = 1; }"
    fill = compile_kernel(source, "k")
    find = compile_kernel(FIND, "k")
    memory = Memory(refuse_missing=True)
    memory.add(0, 16)
    memory.add(1, 16)
    job, _ = make_job("k", (4,), (4,), [np.zeros(4, "i4"), np.zeros(4, "i4")])
    assert count_job(fill, job, memory).mode == "slice"
    assert not memory.is_known(0)
    with pytest.raises(CountError):
        count_job(find, job, memory)
