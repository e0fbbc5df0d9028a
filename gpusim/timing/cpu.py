"""Time of a layer's loops on a CPU: a bound per core, a dynamic schedule, memory, fork and join.

A core needs for an iteration the largest of what it issues, loads, multiplies, waits for in chains
of additions, and reads from its second-level cache; mispredicted branches come on top. Iterations
go one by one to whichever thread is free first, so unequal filters and unequal cores show as
imbalance. The whole layer cannot be faster than memory delivers its weights.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpusim.device.cpu import ClusterSpec, CpuSpec
from gpusim.device.quantity import Evidence
from gpusim.errors import GpusimError, located
from gpusim.library.openmp.loops import LoopWork
from gpusim.units import PS_PER_S

WorkOf = Callable[[int], LoopWork]
"""Lanes -> the loops compiled for as many."""

_PS_CYCLES_PER_KHZ = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTime:
    """A parallel loop on a number of threads."""

    total_ps: int
    """Fork and join included."""
    busy_ps: tuple[int, ...]
    """Per thread: executing iterations and taking chunks."""
    memory_ps: int
    """What the bytes from memory alone would take."""
    fork_join_ps: int
    bound: str
    """``issue``, ``loads``, ``arithmetic``, ``latency``, ``cache``, ``dram`` or ``threads``."""


def check_threads(cpu: CpuSpec, threads: int) -> None:
    """Raise GpusimError unless the CPU has a core for each thread."""
    if not 1 <= threads <= cpu.n_cores:
        raise GpusimError(
            located("threads", f"not on {cpu.id}", expected=f"1 to {cpu.n_cores}", found=threads)
        )


def time_loop(
    cpu: CpuSpec,
    work_of: WorkOf,
    *,
    threads: int,
    memory_bytes: int,
    vectorise: bool = False,
    evidence: Evidence | None = None,
) -> LoopTime:
    """Return the time of one parallel loop.

    Parameters
    ----------
    cpu : CpuSpec
    work_of : callable
        The loop's work for a number of lanes; asked once per cluster.
    threads : int
        One per core, fastest cluster first.
    memory_bytes : int
        Bytes that come from DRAM, each once.
    vectorise : bool
        Whether the vector unit's full width is used where compiled code would stay scalar.
    evidence : Evidence, optional
        Records the figures that were read.

    Raises
    ------
    GpusimError
        For more threads than cores.
    """
    check_threads(cpu, threads)
    read = evidence or Evidence()
    per_thread: list[NDArray[np.int64]] = []
    stream = 0
    bound = ""
    for cluster in cpu.clusters:
        if len(per_thread) >= threads:
            break
        n_threads = min(int(read(cluster.n_cores)), threads - len(per_thread))
        lanes = int(read(cluster.vector_lanes if vectorise else cluster.compiled_lanes))
        durations, why = _iteration_ps(cluster, work_of(lanes), read)
        bound = bound or why
        per_thread += [durations] * n_threads
        stream += n_threads * int(read(cluster.stream_bytes_per_s))
    chunk_ps = int(read(cpu.threads.chunk_ps)) if threads > 1 else 0
    busy = _dynamic_schedule(per_thread, chunk_ps)
    fork_join_ps = 0
    if threads > 1:
        fork_join_ps = int(read(cpu.threads.fork_join_ps))
        fork_join_ps += (threads - 2) * int(read(cpu.threads.per_thread_ps))
    rate = min(stream, int(read(cpu.memory.dram_bytes_per_s)))
    memory_ps = memory_bytes * PS_PER_S // rate
    loop_ps = max(*busy, memory_ps)
    if memory_ps >= max(busy):
        bound = "dram"
    if fork_join_ps > loop_ps:
        bound = "threads"
    return LoopTime(
        total_ps=loop_ps + fork_join_ps,
        busy_ps=tuple(busy),
        memory_ps=memory_ps,
        fork_join_ps=fork_join_ps,
        bound=bound,
    )


def _iteration_ps(
    cluster: ClusterSpec, work: LoopWork, read: Evidence
) -> tuple[NDArray[np.int64], str]:
    """Return the time of each iteration on a core of the cluster, and what bounds most of them."""
    rate = cluster.vector_fma_per_cycle if work.lanes > 1 else cluster.scalar_fma_per_cycle
    # Chains overlap as far as the window of instructions in flight reaches.
    in_flight = max(1.0, read(cluster.reorder_instructions) / work.chain_instructions)
    is_beyond_l1 = work.read_bytes > read(cluster.l1_bytes)
    cache = work.read_bytes / read(cluster.l2_bytes_per_cycle) if is_beyond_l1 else 0.0
    cycles = {
        "issue": work.instructions / read(cluster.issue_per_cycle),
        "loads": work.loads / read(cluster.loads_per_cycle),
        "arithmetic": work.multiply_adds / read(rate),
        "latency": work.chained * read(cluster.accumulate_cycles) / in_flight,
        "cache": np.full_like(work.loads, cache),
    }
    longest = max(cycles, key=lambda name: float(cycles[name].sum()))
    total = np.maximum.reduce(list(cycles.values()))
    total = total + work.mispredicts * read(cluster.mispredict_cycles)
    picoseconds = np.rint(total * _PS_CYCLES_PER_KHZ / read(cluster.clock_khz))
    return picoseconds.astype(np.int64), longest


def _dynamic_schedule(per_thread: list[NDArray[np.int64]], chunk_ps: int) -> list[int]:
    """Give iterations, in order, to the thread that is free first; return each thread's end."""
    if len(per_thread) == 1:
        return [int(per_thread[0].sum())]
    free = [(0, thread) for thread in range(len(per_thread))]
    ends = [0] * len(per_thread)
    columns = [durations.tolist() for durations in per_thread]
    for iteration in range(len(per_thread[0])):
        now, thread = free[0]
        end = now + chunk_ps + columns[thread][iteration]
        ends[thread] = end
        heapq.heapreplace(free, (end, thread))
    return ends
