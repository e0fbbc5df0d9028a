"""Speed of lock-step execution with addresses, and of finding lines, against NumPy.

The project's counting issue asks for 50 M lane-accesses/s with addresses and 100 M for lines.
Processor time, so that a busy machine changes little; printed, and asserted as a ratio only.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gpusim.compiler.compile import compile_kernel
from gpusim.count import Limits
from gpusim.count.address_stream import AddressStream
from gpusim.count.engine import _Request
from gpusim.count.warp_sample import Warps
from tests.bench.test_count_bench import LARGE
from tests.unit.count.corpus import Case
from tests.unit.count.run_case import make_job

BUSY = [c for c in LARGE if c.kernel in ("gemm_local", "softmax_rows", "nbody", "reduce_sum")]


def best(action: Callable[[], Any], times: int = 4) -> tuple[float, Any]:
    """Return the shortest time of some runs, and what the last one gave."""
    seconds = []
    result = None
    for _ in range(times):
        started = time.process_time()
        result = action()
        seconds.append(time.process_time() - started)
    return min(seconds), result


def stream_of(case: Case) -> tuple[float, AddressStream]:
    """Return the time to run sampled groups and decode their addresses, and the stream."""
    kernel = compile_kernel(case.source, case.kernel)
    job, memory = make_job(case.kernel, case.global_size, case.local_size, case.arguments())
    request = _Request(kernel, job, memory, Limits(), "")
    checks = "checked" if request.prove().refusal else "proven"
    warps = Warps(width=32, lane_addresses=4 << 20, all_policies=False)
    groups = list(range(min(64, job.n_work_groups)))
    seconds = []
    for _ in range(4):
        started = time.process_time()
        sample = request.warps(checks, warps, None, groups)
        seconds.append(time.process_time() - started + sample.cpu_seconds)
    assert sample.stream is not None
    return min(seconds), sample.stream


def lines_by_numpy(stream: AddressStream, line_bytes: int) -> np.ndarray:
    """Return the lines of every warp access, by sorting pairs of access and line."""
    access = np.repeat(np.arange(len(stream.accesses)), np.diff(stream.first))
    line_bits = 42
    pairs = np.unique((access << line_bits) | (stream.addresses // line_bytes))
    return np.bincount(pairs >> line_bits, minlength=len(stream.accesses))


@pytest.mark.slow
@pytest.mark.parametrize("case", BUSY, ids=str)
def test_lockstep_with_addresses_and_lines(case: Case) -> None:
    seconds, stream = stream_of(case)
    n = len(stream.addresses)
    line_seconds, (counts, _) = best(lambda: stream.lines(64))
    slow_seconds, expected = best(lambda: lines_by_numpy(stream, 64), 1)
    np.testing.assert_array_equal(counts, expected)
    print(
        f"{case.kernel}: {n / seconds / 1e6:.0f} M lane-accesses/s with addresses, "
        f"lines {n / line_seconds / 1e6:.0f} M/s, {slow_seconds / line_seconds:.0f} x NumPy"
    )
    assert slow_seconds / line_seconds > 5
