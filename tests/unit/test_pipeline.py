import hashlib
from dataclasses import replace

import pytest

from gpusim.count import Limits
from gpusim.device import load_device
from gpusim.errors import CountError, DeviceError
from gpusim.pipeline import prepare, replay
from gpusim.trace.records import Command, CommandKind
from tests.traces import SAXPY, saxpy_trace


def test_equal_launches_share_one_count():
    works, failures = prepare(saxpy_trace(kernels=("saxpy",) * 3), load_device("mali-g72"))
    assert not failures
    assert works[0].counts[0].mode == "slice"
    assert works[0].counts[0] is works[2].counts[0]


@pytest.mark.parametrize(
    "change", [{"result_code": -54}, {"global_size": (0, 1, 1)}], ids=["refused", "empty"]
)
def test_launches_that_never_ran_are_left_out(change):
    trace = saxpy_trace(kernels=("saxpy", "saxpy"))
    launches = (replace(trace.launches[0], **change), trace.launches[1])
    report = replay(replace(trace, launches=launches), "mali-g72")
    assert [row.index for row in report.launches] == [1]
    assert not report.failures


def test_a_binary_program_is_a_failure_of_its_launches_only():
    trace = saxpy_trace(kernels=("saxpy",))
    programs = {0: replace(trace.programs[0], kind="binary")}
    report = replay(replace(trace, programs=programs), "mali-g72")
    assert not report.launches
    assert "expected source, found binary" in report.failures[0].reason


GATHER = """
__kernel void gather(__global const int* index, __global float* y) {
  for (int i = 0; i < index[get_global_id(0)]; ++i) y[get_global_id(0)] += 1.0f;
}
"""


@pytest.mark.parametrize("stored", [True, False])
def test_contents_that_steer_a_branch_must_have_been_stored(stored):
    """A write whose bytes were not kept makes the contents unknown, never zero."""
    trace = saxpy_trace(n=64)
    blobs = {hashlib.sha256(data).hexdigest(): data for data in (GATHER.encode(), b"\2\0\0\0" * 64)}
    source, content = blobs
    write = Command(
        seq=0,
        kind=CommandKind.WRITE,
        queue=0,
        target=0,
        size_bytes=256,
        content=content if stored else None,
    )
    launch = replace(
        trace.launches[0],
        seq=1,
        kernel="gather",
        arguments=trace.launches[0].arguments[:2],
    )
    buffers = {0: replace(trace.buffers[0], content=content), 1: trace.buffers[1]}
    report = replay(
        replace(
            trace,
            programs={0: replace(trace.programs[0], blob=source)},
            buffers=buffers,
            commands=(write,),
            launches=(launch,),
            read_blob=blobs.__getitem__,
        ),
        "mali-g72",
    )
    if stored:
        (row,) = report.launches
        # Per work-item: the index once, since an int and a float may not share memory, and y,
        # which the pipeline keeps in a register, loaded and stored once.
        assert row.jobs[0].memory_instructions == 64 * (1 + 2)
    else:
        assert "buffer" in report.failures[0].reason


def test_a_transfer_that_does_not_fit_costs_only_itself():
    trace = saxpy_trace(n=64)
    blob = hashlib.sha256(bytes(512)).hexdigest()
    write = Command(
        seq=-1,
        kind=CommandKind.WRITE,
        queue=0,
        target=0,
        size_bytes=512,
        content=blob,
        name="clEnqueueWriteBuffer",
    )
    read = {blob: bytes(512), trace.programs[0].blob: SAXPY.encode()}.__getitem__
    report = replay(replace(trace, commands=(write, *trace.commands), read_blob=read), "mali-g72")
    assert len(report.launches) == 1
    (failure,) = report.failures
    assert (failure.launch, failure.kernel) == (-1, "clEnqueueWriteBuffer")
    assert "exceeds" in failure.reason


def test_buffers_beyond_the_limit_name_the_limit():
    with pytest.raises(CountError, match=r"Limits\.memory_bytes"):
        replay(saxpy_trace(), "mali-g72", limits=Limits(memory_bytes=1024))


def test_progress_ends_at_the_number_of_launches():
    seen = []
    replay(
        saxpy_trace(kernels=("saxpy", "out_of_bounds")),
        "mali-g72",
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 2), (2, 2)]


def test_unknown_device():
    with pytest.raises(DeviceError, match="mali-g72"):
        replay(saxpy_trace(), "mali-g27")
