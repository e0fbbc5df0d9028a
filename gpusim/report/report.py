"""The result of a replay: what ran, how much work it was, how long it took and on what it rests.

`summarise` turns a Timeline and the works that led to it into frozen rows; tables, plots and
exports are views of these rows. Times are integer picoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.count.totals import memory as memory_totals
from gpusim.device.spec import DeviceSpec
from gpusim.report.evidence import FigureRow, figure_rows
from gpusim.report.float_work import float_operations
from gpusim.report.hardware import Hardware, hardware_of
from gpusim.timing import LaunchWork
from gpusim.timing.timeline import BOUNDS, Timeline
from gpusim.trace.records import Size3

PS_PER_MS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job of a launch."""

    index: int
    global_size: Size3
    local_size: Size3
    work_groups: int
    arithmetic_instructions: int
    """As published counters define it, summed over work-items (design decision 10)."""
    memory_instructions: int
    """Global, local and image accesses and atomics, summed over work-items."""
    start_ps: int
    end_ps: int
    bound: str
    float_operations: Mapping[int, int] = field(default_factory=dict)
    """Bits of the operands -> floating-point operations, a multiply-add counting two."""
    bounds_ps: Mapping[str, int] = field(default_factory=dict)
    """Bound -> time the job would take if only that bound existed."""
    joined: bool = False
    """Whether this is a region that runs as part of the launch's first job: its times are that
    job's."""
    totals: Mapping[str, int] = field(default_factory=dict)
    """Totals of work (tasks, issue units, bytes moved); see `Timeline.job_totals`."""

    @property
    def duration_ps(self) -> int:
        """Time in the job slot."""
        return self.end_ps - self.start_ps

    @property
    def dram_bytes(self) -> int:
        """Bytes exchanged with external memory, both directions."""
        return self.totals.get("dram_read_bytes", 0) + self.totals.get("dram_write_bytes", 0)

    @property
    def l2_bytes(self) -> int:
        """Bytes exchanged between cores and L2, both directions."""
        return self.totals.get("l2_read_bytes", 0) + self.totals.get("l2_write_bytes", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRow:
    """One launch; `predicted_ps` is what CL_PROFILING_COMMAND_START to END would show."""

    index: int
    kernel: str
    global_size: Size3
    local_size: Size3 | None
    """As recorded; None where the program passed NULL."""
    jobs: tuple[JobRow, ...]
    mode: str
    bounds_checked: str
    enqueue_ps: int

    @property
    def n_jobs(self) -> int:
        """Jobs that the device runs; regions joined to another one are none."""
        return sum(not job.joined for job in self.jobs)

    @property
    def predicted_ps(self) -> int:
        """From the start of the first job to the end of the last one."""
        return max(job.end_ps for job in self.jobs) - min(job.start_ps for job in self.jobs)

    @property
    def bound(self) -> str:
        """What bounds the longest job."""
        return max(self.jobs, key=lambda job: job.end_ps - job.start_ps).bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A launch that could not be replayed; the others are not affected."""

    launch: int
    """-1 for a transfer."""
    kernel: str
    """Of a transfer: the OpenCL call."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One replay of one trace on one device."""

    trace: str
    device: str
    fidelity: str
    launches: tuple[LaunchRow, ...]
    failures: tuple[Failure, ...]
    total_ps: int
    """From the first host call to the last host wake-up."""
    counters: Mapping[str, int]
    evidence: Mapping[str, int]
    fitted_and_assumed: tuple[str, ...]
    pipeline: str
    """Version of the compiler's pinned pipeline."""
    timeline: Timeline = field(repr=False)
    figures: tuple[FigureRow, ...] = field(repr=False, default=())
    """The fitted and assumed figures read, with their values and sources."""
    hardware: Hardware | None = field(repr=False, default=None)
    """Peak rates of the device."""

    @property
    def total_ms(self) -> float:
        """Total in milliseconds."""
        return self.total_ps / PS_PER_MS

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``gpusim replay --json`` prints (design.md section 7)."""
        return {
            "trace": self.trace,
            "device": self.device,
            "fidelity": self.fidelity,
            "launches": [_launch_json(row) for row in self.launches],
            "failures": [
                {"index": row.launch, "kernel": row.kernel, "reason": row.reason}
                for row in self.failures
            ],
            "total_ms": self.total_ms,
            "counters": dict(self.counters),
            "evidence": dict(self.evidence),
            "fitted_and_assumed": list(self.fitted_and_assumed),
            "pipeline": self.pipeline,
        }


def _launch_json(row: LaunchRow) -> dict[str, Any]:
    return {
        "index": row.index,
        "kernel": row.kernel,
        "global": list(row.global_size),
        "local": None if row.local_size is None else list(row.local_size),
        "jobs": [
            {
                "global": list(job.global_size),
                "local": list(job.local_size),
                "work_groups": job.work_groups,
                "arithmetic_instructions": job.arithmetic_instructions,
                "memory_instructions": job.memory_instructions,
                "start_ps": job.start_ps,
                "end_ps": job.end_ps,
                "bound": job.bound,
                "joined": job.joined,
            }
            for job in row.jobs
        ],
        "predicted_ms": row.predicted_ps / PS_PER_MS,
        "bound": row.bound,
        "mode": row.mode,
        "bounds": row.bounds_checked,
    }


def memory_instructions(totals: Mapping[str, int]) -> int:
    """Sum the access counts of `count.totals.memory`, leaving its byte counts out."""
    return sum(value for key, value in totals.items() if not key.endswith("_bytes"))


def summarise(
    trace: str,
    device: DeviceSpec,
    works: Sequence[LaunchWork],
    timeline: Timeline,
    failures: Sequence[Failure] = (),
) -> Report:
    """Join the works with their simulated times.

    Parameters
    ----------
    trace : str
        Name of the trace, for display.
    device : DeviceSpec
        The device that was simulated.
    works : sequence of LaunchWork
        In the order of the timeline's launches.
    timeline : Timeline
        Result of the simulation.
    failures : sequence of Failure
        Launches that were left out, with their reasons.

    Returns
    -------
    Report
    """
    times = {
        (int(row["launch"]), int(row["job"])): position
        for position, row in enumerate(timeline.jobs)
    }
    rows = tuple(
        _launch_row(work, timeline, times, int(timeline.launch_start_ps[position]))
        for position, work in enumerate(works)
    )
    return Report(
        trace=trace,
        device=device.id,
        fidelity=timeline.fidelity,
        launches=rows,
        failures=tuple(failures),
        total_ps=timeline.total_ps,
        counters=timeline.counters,
        evidence=timeline.evidence,
        fitted_and_assumed=timeline.fitted_and_assumed,
        pipeline=works[0].counts[0].kernel.pipeline if works else "",
        timeline=timeline,
        figures=figure_rows(device, timeline.fitted_and_assumed),
        hardware=hardware_of(device),
    )


def _launch_row(
    work: LaunchWork,
    timeline: Timeline,
    positions: Mapping[tuple[int, int], int],
    enqueue_ps: int,
) -> LaunchRow:
    arithmetic = work.cost.blocks["arithmetic_instructions"]
    jobs = []
    for job, count in zip(work.jobs, work.counts, strict=True):
        position = positions[work.launch.index, job.index]
        time = timeline.jobs[position]
        jobs.append(
            JobRow(
                index=job.index,
                global_size=job.global_size,
                local_size=job.local_size,
                work_groups=job.n_work_groups,
                arithmetic_instructions=round(float(count.block_executions @ arithmetic)),
                memory_instructions=memory_instructions(memory_totals(count)),
                start_ps=int(time["start_ps"]),
                end_ps=int(time["end_ps"]),
                bound=BOUNDS[int(time["bound"])],
                float_operations=float_operations(count),
                bounds_ps=_row(timeline.job_bounds_ps, position),
                joined=job.joined,
                totals=_row(timeline.job_totals, position),
            )
        )
    return LaunchRow(
        index=work.launch.index,
        kernel=work.launch.kernel,
        global_size=work.launch.global_size,
        local_size=work.launch.local_size,
        jobs=tuple(jobs),
        mode=work.counts[0].mode,
        bounds_checked=work.counts[0].bounds,
        enqueue_ps=enqueue_ps,
    )


def _row(columns: Mapping[str, npt.NDArray[np.int64]], position: int) -> dict[str, int]:
    return {name: int(column[position]) for name, column in columns.items()}
