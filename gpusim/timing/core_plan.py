"""What each core does with its part of a job: full waves at a steady rate, then the last one.

A core holds ``W`` units (threads or warps). Each takes at least its latency, and all of them
together no less than the busiest part of the core needs for their work: a full wave takes
``max(latency, W * service)``. The last wave is only partly filled: it still takes the latency,
but only the service of what it holds. That is the tail effect. Threads of Midgard, each in one
pipe at a time, get in each other's way before either limit is reached: see `overlap`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from gpusim.timing.demand import THROUGHPUT, JobDemand
from gpusim.timing.figures import GpuFigures
from gpusim.timing.fixed_costs import dispatch_ps, first_task_ps, flush_ps
from gpusim.timing.overlap import STATIONS, unit_ps

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """A batch of equal waves on one core, the last one together with the partly filled wave.

    Waves are not in step with each other, so memory that is the bottleneck stays busy to the
    end: traffic spreads over the whole portion, last wave included.
    """

    duration_ps: float
    """If external memory were infinitely fast."""
    last_wave_ps: float
    """Part of `duration_ps` at its end in which the core is partly filled."""
    dram_bytes: float
    n_groups: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CorePlan:
    """The part of a job that one core executes."""

    core: int
    n_groups: int
    portions: tuple[Portion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobExecution:
    """What a job does between its first dispatch and its end, core by core."""

    plans: tuple[CorePlan, ...]
    first_task_ps: int
    """From the first dispatch to the first issue on a core."""
    dispatch_ps: int
    """From the first dispatch to the earliest end of the last task."""
    flush_ps: int
    """To write back what the job leaves dirty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRate:
    """A segment in scalars, per unit (thread or warp)."""

    n_groups: int
    groups_per_task: int
    units_per_group: int
    resident_units: int
    service_ps: float
    steady_ps: float
    """Time per unit with full residency."""
    pipes_ps: tuple[float, ...]
    """Service per unit of the pipes that units queue for; empty where units run in several."""
    latency_ps: float
    longest_ps: float
    dram_bytes_per_group: float

    def unit_ps(self, n_units: float) -> float:
        """Return the service of one unit when `n_units` are on the core."""
        if not self.pipes_ps:
            return self.service_ps
        alone = unit_ps(np.array(self.pipes_ps), np.array(self.latency_ps), np.array(n_units))
        return max(self.service_ps, float(alone))


def segment_rates(demand: JobDemand, figures: GpuFigures) -> list[SegmentRate]:
    """Return the segments of a job with their service times per unit."""
    rates = []
    steady = steady_ps(demand.segments, figures)
    for row, steady_unit in zip(demand.segments, steady, strict=True):
        units = int(row["units_per_group"])
        service = max(float(row[name]) for name in THROUGHPUT) / units
        resident = int(row["resident_units"])
        rates.append(
            SegmentRate(
                n_groups=int(row["n_groups"]),
                groups_per_task=int(row["groups_per_task"]),
                units_per_group=units,
                resident_units=resident,
                service_ps=service,
                steady_ps=float(steady_unit),
                pipes_ps=()
                if figures.has_warps
                else tuple(float(row[name]) / units for name in STATIONS),
                latency_ps=float(row["latency"]),
                longest_ps=float(row["longest"]),
                dram_bytes_per_group=float(row["dram_bytes"]),
            )
        )
    return rates


def steady_ps(segments: npt.NDArray[np.void], figures: GpuFigures) -> npt.NDArray[np.float64]:
    """Return (n_segment,) time per unit of a core that is full.

    At least the service of the busiest part and the latency shared by all resident units.
    """
    units = segments["units_per_group"]
    resident = segments["resident_units"].astype(np.float64)
    service = np.max([segments[name] for name in THROUGHPUT], axis=0) / units
    steady: npt.NDArray[np.float64] = np.maximum(service, segments["latency"] / resident)
    if not figures.has_warps:
        pipes = np.stack([segments[name] / units for name in STATIONS], axis=-1)
        steady = np.maximum(steady, unit_ps(pipes, segments["latency"], resident))
    return steady


def execute(demand: JobDemand, figures: GpuFigures) -> JobExecution:
    """Return how the cores run a job at the `wave` fidelity."""
    return JobExecution(
        plans=tuple(plan_cores(demand, figures)),
        first_task_ps=first_task_ps(figures),
        dispatch_ps=dispatch_ps(demand, figures),
        flush_ps=flush_ps(demand, figures),
    )


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
    return [
        CorePlan(
            core=core,
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
    members = [
        (last, rate) for last, rate in zip(last_groups, rates, strict=True) if last > _ROUNDING
    ]
    n_last = max(1.0, sum(last * rate.units_per_group for last, rate in members))
    served = sum(last * rate.units_per_group * rate.unit_ps(n_last) for last, rate in members)
    last_wave_ps = max(served, *(rate.longest_ps for _, rate in members))
    steady = [n - last for n, last in zip(groups, last_groups, strict=True)]
    final = max((i for i, n in enumerate(steady) if n > _ROUNDING), default=-1)
    portions = [
        Portion(
            duration_ps=n * rate.units_per_group * rate.steady_ps,
            last_wave_ps=0.0,
            dram_bytes=n * rate.dram_bytes_per_group,
            n_groups=n,
        )
        for n, rate in zip(steady[:final], rates[:final], strict=True)
        if n > _ROUNDING
    ]
    n, rate = (steady[final], rates[final]) if final >= 0 else (0.0, rates[0])
    portions.append(
        Portion(
            duration_ps=n * rate.units_per_group * rate.steady_ps + last_wave_ps,
            last_wave_ps=last_wave_ps,
            dram_bytes=n * rate.dram_bytes_per_group
            + sum(last * rate.dram_bytes_per_group for last, rate in members),
            n_groups=n + sum(last for last, _ in members),
        )
    )
    return portions
