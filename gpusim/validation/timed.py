"""Simulate launches as they were timed on the board: what a measured time contains.

A time taken around many enqueues hides most of a launch, one around enqueue and finish contains
it, and an event's END - START has none of it. So the same kernel has several right answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from gpusim.device import DeviceSpec
from gpusim.trace.records import Command, CommandKind

if TYPE_CHECKING:
    from gpusim.timing import LaunchWork, Timeline, TrafficMemo

_REPETITIONS = (3, 7)
"""Steady state per repetition = the difference of two runs by the repetitions between them, so
that filling the queue and the last wake-up cancel out."""

_FEW = 3
"""Repetitions of a quick run."""


class Timing(StrEnum):
    """How a measured time was taken."""

    BACK_TO_BACK = "back to back"
    """Many repetitions, one synchronisation at the end; the host keeps ahead of the GPU."""
    WALL_CLOCK = "enqueue and finish"
    """Host clock around the launches and a finish, repeated."""
    EVENT = "event"
    """CL_PROFILING END - START."""
    LATENCY = "launch latency"
    """CL_PROFILING START - QUEUED, a finish after each launch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Simulated time of one repetition of some launches."""

    time_ps: float
    evidence: dict[str, int]
    """Kind of figure -> number used."""
    bounds_ps: dict[str, int] = field(default_factory=dict)
    """Bound -> time of one repetition's jobs if only that bound existed, summed over jobs."""
    totals: dict[str, int] = field(default_factory=dict)
    """Name of a total of work -> its value over one repetition, as of a timeline's jobs."""
    weak_figures: tuple[str, ...] = ()
    """Paths of the fitted and assumed figures used."""


def timed(
    device: DeviceSpec,
    works: Sequence[LaunchWork],
    timing: Timing,
    fidelity: str,
    memo: TrafficMemo | None = None,
) -> Timed:
    """Return the time per repetition of `works`, taken as `timing` says.

    Parameters
    ----------
    device : DeviceSpec
    works : sequence of LaunchWork
        Launches of one repetition, in order.
    timing : Timing
    fidelity : str
        As :func:`gpusim.timing.simulate` takes it.
    memo : TrafficMemo, optional
        Of runs of the same `works` on variants of the device.
    """
    from gpusim.timing import TrafficMemo

    memo = memo or TrafficMemo()
    few, many = _REPETITIONS
    first = _run(device, works, few, timing, fidelity, memo)
    if timing in (Timing.EVENT, Timing.LATENCY):
        time_ps = float(_last_event_ps(device, first, len(works), timing))
    else:
        longer = _run(device, works, many, timing, fidelity, memo)
        time_ps = (longer.total_ps - first.total_ps) / (many - few)
    return Timed(
        time_ps=time_ps,
        evidence=first.evidence,
        bounds_ps={
            # Every repetition has the same jobs, so the sum divides.
            name: int(values.sum()) // few
            for name, values in first.job_bounds_ps.items()
        },
        totals={name: int(values.sum()) // few for name, values in first.job_totals.items()},
        weak_figures=first.fitted_and_assumed,
    )


def quick_time_ps(
    device: DeviceSpec,
    works: Sequence[LaunchWork],
    timing: Timing,
    fidelity: str,
    memo: TrafficMemo,
) -> float:
    """Return about the time of `timed` from a single short run, for fits.

    The distance between the ends of the last two repetitions stands for the steady state. It
    leaves out what only shows when a queue has filled up.
    """
    run = _run(device, works, _FEW, timing, fidelity, memo)
    if timing in (Timing.EVENT, Timing.LATENCY):
        return float(_last_event_ps(device, run, len(works), timing))
    n_jobs = len(run.jobs) // _FEW
    ends = run.jobs["end_ps"].astype("int64")
    return float(int(ends[-n_jobs:].max()) - int(ends[-2 * n_jobs : -n_jobs].max()))


def steady_state_ps(
    device: DeviceSpec, works: Sequence[LaunchWork], fidelity: str
) -> tuple[float, dict[str, int]]:
    """Return the time per repetition of a queue that runs `works` over and over.

    Returns
    -------
    float
        ps per repetition.
    dict
        Kind of figure -> number used.
    """
    result = timed(device, works, Timing.BACK_TO_BACK, fidelity)
    return result.time_ps, result.evidence


def _run(
    device: DeviceSpec,
    works: Sequence[LaunchWork],
    repetitions: int,
    timing: Timing,
    fidelity: str,
    memo: TrafficMemo,
) -> Timeline:
    from gpusim.timing import simulate

    step = len(works) + 1
    repeated = [
        replace(
            work,
            launch=replace(
                work.launch,
                index=round_ * len(works) + position,
                seq=round_ * step + position,
            ),
        )
        for round_ in range(repetitions)
        for position, work in enumerate(works)
    ]
    # Over hundreds of repetitions no driver lets the queue grow to the end; when it hands it over
    # is not known. A flush after each repetition lets the host run ahead of the GPU as it did.
    kind = CommandKind.FLUSH if timing is Timing.BACK_TO_BACK else CommandKind.FINISH
    commands = [
        Command(seq=round_ * step + len(works), kind=kind, queue=0) for round_ in range(repetitions)
    ]
    return simulate(device, repeated, commands=commands, fidelity=fidelity, memo=memo)


def _last_event_ps(device: DeviceSpec, run: Timeline, n_launches: int, timing: Timing) -> int:
    """Return the sum of the events of the last repetition's launches."""
    from gpusim.device.quantity import Evidence
    from gpusim.timing.figures import read_gpu
    from gpusim.timing.fixed_costs import start_ps

    # START is when the job begins to run: its descriptor is fetched, the caches are coherent.
    prologue_ps = start_ps(read_gpu(device, Evidence(), None))
    total = 0
    n_all = len(run.launch_start_ps)
    for launch in range(n_all - n_launches, n_all):
        jobs = run.jobs[run.jobs["launch"] == launch]
        start = int(jobs["start_ps"].min()) + prologue_ps
        if timing is Timing.EVENT:
            total += int(jobs["end_ps"].max()) - start
        else:
            total += start - int(run.launch_start_ps[launch])
    return total
