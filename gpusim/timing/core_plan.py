"""What each core does with its part of a job: full waves at a steady rate, then the last one.

A core holds ``W`` units (threads or warps). Each takes at least its latency, and all of them
together no less than the busiest part of the core needs for their work: a full wave takes
``max(latency, W * service)``. The last wave is only partly filled: it still takes the latency,
but only the service of what it holds. That is the tail effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from gpusim.timing.demand import THROUGHPUT, JobDemand
from gpusim.timing.figures import GpuFigures

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """A batch of equal waves on one core."""

    duration_ps: float
    """If external memory were infinitely fast."""
    dram_bytes: float
    n_groups: float
    is_last_wave: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CorePlan:
    """The part of a job that one core executes."""

    core: int
    start_ps: int
    """After the job's first dispatch: when the first task starts to issue."""
    n_groups: int
    portions: tuple[Portion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRate:
    """A segment in scalars, per unit (thread or warp)."""

    n_groups: int
    groups_per_task: int
    units_per_group: int
    resident_units: int
    service_ps: float
    steady_ps: float
    """Time per unit with full residency: service or latency, whichever is longer."""
    longest_ps: float
    dram_bytes_per_group: float


def segment_rates(demand: JobDemand, figures: GpuFigures) -> list[SegmentRate]:
    """Return the segments of a job with their service times per unit.

    The dispatcher serves all cores in turn, so a core gets a task every ``n_cores`` dispatches.
    """
    dispatch_ps = figures.task_dispatch_cycles * figures.cycle_ps * figures.n_cores
    rates = []
    for row in demand.segments:
        units = int(row["units_per_group"])
        dispatched = dispatch_ps / int(row["groups_per_task"])
        service = max(dispatched, *(float(row[name]) for name in THROUGHPUT)) / units
        resident = int(row["resident_units"])
        rates.append(
            SegmentRate(
                n_groups=int(row["n_groups"]),
                groups_per_task=int(row["groups_per_task"]),
                units_per_group=units,
                resident_units=resident,
                service_ps=service,
                steady_ps=max(service, float(row["latency"]) / resident),
                longest_ps=float(row["longest"]),
                dram_bytes_per_group=float(row["dram_bytes"]),
            )
        )
    return rates


def plan_cores(demand: JobDemand, figures: GpuFigures) -> list[CorePlan]:
    """Deal the tasks of a job to the cores in turn; a core without a task has no plan."""
    rates = segment_rates(demand, figures)
    n_cores = figures.n_cores
    shares = np.zeros((len(rates), n_cores), dtype=np.int64)
    first_task = 0
    for position, rate in enumerate(rates):
        n_tasks = -(-rate.n_groups // rate.groups_per_task)
        order = (first_task + np.arange(n_cores)) % n_cores
        dealt = n_tasks // n_cores + (np.arange(n_cores) < n_tasks % n_cores)
        shares[position, order] = dealt * rate.groups_per_task
        if n_tasks:
            # The last task of the segment may hold fewer groups.
            missing = n_tasks * rate.groups_per_task - rate.n_groups
            shares[position, (first_task + n_tasks - 1) % n_cores] -= missing
        first_task += n_tasks
    dispatch = figures.task_dispatch_cycles
    return [
        CorePlan(
            core=core,
            start_ps=figures.ps(dispatch * (core + 1) + figures.task_start_cycles),
            n_groups=int(shares[:, core].sum()),
            portions=tuple(_portions(rates, [int(n) for n in shares[:, core]])),
        )
        for core in range(n_cores)
        if shares[:, core].any()
    ]


def _portions(rates: list[SegmentRate], groups: list[int]) -> list[Portion]:
    """Return the batches of one core: per segment the full waves, then one last wave."""
    waves = [
        n * rate.units_per_group / rate.resident_units
        for n, rate in zip(groups, rates, strict=True)
    ]
    fill = sum(waves)
    left = fill - (ceil(fill - _ROUNDING) - 1)
    last_groups = [0.0] * len(rates)
    for position in range(len(rates) - 1, -1, -1):
        taken = min(waves[position], left)
        left -= taken
        rate = rates[position]
        last_groups[position] = taken * rate.resident_units / rate.units_per_group
    portions = []
    for n, last, rate in zip(groups, last_groups, rates, strict=True):
        steady = n - last
        if steady * rate.units_per_group > _ROUNDING:
            portions.append(
                Portion(
                    duration_ps=steady * rate.units_per_group * rate.steady_ps,
                    dram_bytes=steady * rate.dram_bytes_per_group,
                    n_groups=steady,
                    is_last_wave=False,
                )
            )
    members = [
        (last, rate) for last, rate in zip(last_groups, rates, strict=True) if last > _ROUNDING
    ]
    served = sum(last * rate.units_per_group * rate.service_ps for last, rate in members)
    portions.append(
        Portion(
            duration_ps=max(served, *(rate.longest_ps for _, rate in members)),
            dram_bytes=sum(last * rate.dram_bytes_per_group for last, rate in members),
            n_groups=sum(last for last, _ in members),
            is_last_wave=True,
        )
    )
    return portions


def flush_ps(demand: JobDemand, figures: GpuFigures) -> int:
    """Return the time to write back what the job left dirty in L2."""
    dirty = demand.work.flushed_bytes
    cycles = dirty / figures.flush_bytes_per_cycle
    return max(figures.ps(cycles), round(dirty * figures.dram_ps_per_byte))


def start_ps(figures: GpuFigures) -> int:
    """Return the time from a job's start in its slot to its first dispatch."""
    return figures.descriptor_fetch_ps + figures.ps(figures.flush_fixed_cycles)
