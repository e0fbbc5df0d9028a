"""Costs that a job has whatever its cores do: fetch, flushes, dispatch of its tasks."""

from __future__ import annotations

from gpusim.timing.demand import JobDemand
from gpusim.timing.figures import GpuFigures


def start_ps(figures: GpuFigures) -> int:
    """Return the time from a job's start in its slot to its first dispatch.

    The descriptor comes from memory, and the caches are made coherent with the CPU's.
    """
    return figures.descriptor_fetch_ps + figures.ps(figures.flush_fixed_cycles)


def first_task_ps(figures: GpuFigures) -> int:
    """Return the time from the first dispatch to the first issue on a core."""
    return figures.ps(figures.task_dispatch_cycles + figures.task_start_cycles)


def dispatch_ps(demand: JobDemand, figures: GpuFigures) -> int:
    """Return the time from the first dispatch to the earliest end of the last task.

    One dispatcher hands out the tasks of all cores, one after the other; the last one still has
    to start and to run.
    """
    cycles = demand.work.tasks * figures.task_dispatch_cycles + figures.task_start_cycles
    last = float(demand.segments["latency"][-1]) if len(demand.segments) else 0.0
    return figures.ps(cycles) + round(last)


def flush_ps(demand: JobDemand, figures: GpuFigures) -> int:
    """Return the time to write back what the job left dirty in L2."""
    dirty = demand.work.flushed_bytes
    cycles = dirty / figures.flush_bytes_per_cycle
    return max(figures.ps(cycles), round(dirty * figures.dram_ps_per_byte))
