"""The time of a parallel loop: bounds, schedule, memory, fork and join."""

import numpy as np
import pytest

from gpusim.device.cpu import load_cpu
from gpusim.device.quantity import Evidence
from gpusim.errors import GpusimError
from gpusim.library.openmp.loops import LoopWork
from gpusim.timing.cpu import time_loop

XU4 = load_cpu("odroid-xu4-cpu")
I7 = load_cpu("core-i7-3820")


def work(loads=1000.0, n=64, **changes):
    zeros = np.zeros(n)
    arrays = dict.fromkeys(("instructions", "multiply_adds", "chained", "mispredicts"), zeros)
    arrays["loads"] = np.broadcast_to(np.asarray(loads, dtype=float), (n,))
    fields = {"chain_instructions": 1.0, "read_bytes": 0.0, "lanes": 1, **arrays, **changes}
    return lambda lanes: LoopWork(**fields)


def test_one_thread_is_the_sum_of_its_iterations():
    """64 x 1000 loads, one per cycle at 2 GHz."""
    time = time_loop(XU4, work(), threads=1, memory_bytes=0)
    assert time.total_ps == 64 * 1000 * 500
    assert time.bound == "loads"
    assert time.fork_join_ps == 0


def test_the_largest_bound_counts_and_mispredicts_come_on_top():
    n = 8
    loop = work(n=n, instructions=np.full(n, 30_000.0), mispredicts=np.full(n, 10.0))
    time = time_loop(XU4, loop, threads=1, memory_bytes=0)
    assert time.total_ps == n * (30_000 // 3 + 10 * 15) * 500
    assert time.bound == "issue"


def test_in_order_cores_wait_for_every_addition():
    """Eight iterations of 100 chained additions; a chain apart by 100 instructions."""
    loop = work(loads=0.0, n=8, chained=np.full(8, 100.0), chain_instructions=100.0)
    alone = time_loop(XU4, loop, threads=1, memory_bytes=0)
    assert alone.busy_ps[0] == 8 * round(100 * 4 / 1.28 * 500)
    everyone = time_loop(XU4, loop, threads=8, memory_bytes=0)
    assert max(everyone.busy_ps) == 100_000 + round(100 * 8 * 10**9 / 1_400_000)


def test_iterations_go_to_whoever_is_free_first():
    """Against handing out iterations by hand."""
    random = np.random.default_rng(3)
    loads = random.integers(1, 5000, 100).astype(float)
    time = time_loop(XU4, work(loads=loads, n=100), threads=6, memory_bytes=0)
    free = [0] * 6
    for one in loads:
        thread = free.index(min(free))
        khz = 2_000_000 if thread < 4 else 1_400_000
        free[thread] += 100_000 + round(one * 10**9 / khz)
    assert time.busy_ps == tuple(free)
    assert time.total_ps == max(free) + 10_000_000 + 4 * 2_000_000


def test_one_iteration_gains_nothing_from_threads():
    alone = time_loop(I7, work(n=1), threads=1, memory_bytes=0)
    four = time_loop(I7, work(n=1), threads=4, memory_bytes=0)
    assert four.total_ps > alone.total_ps
    assert four.bound == "threads"


def test_memory_holds_back_what_computes_faster():
    """One core streams 3 GB/s, all of them 6.85 GB/s."""
    one = time_loop(XU4, work(loads=1.0), threads=1, memory_bytes=3_000_000)
    assert one.total_ps == one.memory_ps == 10**9
    assert one.bound == "dram"
    four = time_loop(XU4, work(loads=1.0), threads=4, memory_bytes=6_850_000)
    assert four.memory_ps == 10**9


def test_maps_beyond_l1_come_from_l2():
    inside = time_loop(XU4, work(loads=1.0, read_bytes=32 * 1024.0), threads=1, memory_bytes=0)
    beyond = time_loop(XU4, work(loads=1.0, read_bytes=64 * 1024.0), threads=1, memory_bytes=0)
    assert inside.bound == "loads"
    assert (beyond.bound, beyond.total_ps) == ("cache", 64 * 64 * 1024 // 8 * 500)


def test_only_figures_that_were_used_count_as_evidence():
    evidence = Evidence()
    time_loop(XU4, work(), threads=2, memory_bytes=0, evidence=evidence)
    assert "clusters.big.clock_khz" in evidence.used
    assert not any(path.startswith("clusters.little") for path in evidence.used)


@pytest.mark.parametrize("threads", [0, 9])
def test_threads_need_cores(threads):
    with pytest.raises(GpusimError, match="1 to 8"):
        time_loop(XU4, work(), threads=threads, memory_bytes=0)
