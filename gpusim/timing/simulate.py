"""Run a sequence of launches on a device model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from gpusim.device.quantity import Evidence, Kind
from gpusim.device.spec import DeviceSpec
from gpusim.errors import DeviceError, located
from gpusim.timing.analytic import job_durations
from gpusim.timing.bounds import job_bounds
from gpusim.timing.clock_schedule import ClockSchedule
from gpusim.timing.command_order import CommandOrder
from gpusim.timing.core_plan import JobExecution, execute
from gpusim.timing.counters import Activity, counters
from gpusim.timing.demand import JobDemand, JobWork, launch_demand
from gpusim.timing.figures import GpuFigures, HostFigures, read_gpu, read_host
from gpusim.timing.flush_policy import library_flush_period
from gpusim.timing.options import FIDELITIES, SimulationOptions
from gpusim.timing.program import Step, host_program
from gpusim.timing.recorder import Recorder, job_times
from gpusim.timing.timeline import BOUNDS, JOB_TIME, Timeline
from gpusim.timing.traffic_memo import TrafficMemo
from gpusim.timing.wave import Machine
from gpusim.timing.work import LaunchWork
from gpusim.trace.records import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Times of one run, whatever computed them."""

    total_ps: int
    enqueued_ps: Sequence[int]
    job_start_ps: Sequence[int]
    """Per submission."""
    job_end_ps: Sequence[int]
    core_busy_ps: int
    """Sum over the cores."""
    n_interrupts: int
    recorder: Recorder
    n_events: int


def simulate(
    device: DeviceSpec,
    launches: Sequence[LaunchWork],
    *,
    commands: Sequence[Command] = (),
    fidelity: str = "wave",
    options: SimulationOptions | None = None,
    memo: TrafficMemo | None = None,
) -> Timeline:
    """Return the timeline of `launches` on `device`.

    The host thread plays the calls in the order of their `seq`; a program that does not wait for
    its last launches is made to wait at the end, so that every launch has a time.

    Parameters
    ----------
    device : DeviceSpec
    launches : sequence of LaunchWork
        In the order in which they were enqueued.
    commands : sequence of Command
        The other commands of the trace (finish, reads, flushes...).
    fidelity : str
        ``analytic``, ``wave`` or ``detailed``.
    options : SimulationOptions, optional
    memo : TrafficMemo, optional
        Keeps what caches see of each job, for runs of the same `launches` that follow.

    Returns
    -------
    Timeline
        Equal input gives equal bytes.

    Raises
    ------
    DeviceError
        If the fidelity or the library is unknown, or the clock is not positive or given twice.
    """
    options = options or SimulationOptions()
    if fidelity not in FIDELITIES:
        raise DeviceError(
            located("fidelity", "unknown", expected=" or ".join(FIDELITIES), found=fidelity)
        )
    if options.clock_khz is not None and options.clock_khz <= 0:
        raise DeviceError(
            located("clock", "not positive", expected="> 0 kHz", found=options.clock_khz)
        )
    if options.clock_khz is not None and options.clock_schedule is not None:
        raise DeviceError(
            located("clock", "given twice", expected="a clock or a schedule", found="both")
        )
    evidence = Evidence()
    host = read_host(device, evidence)
    if options.flush_library is not None:
        period = library_flush_period(options.flush_library, device.family)
        host = replace(host, flush_period=period)
    schedule = options.clock_schedule
    if schedule is None:
        khz = read_gpu(device, evidence, options.clock_khz).clock_khz
        schedule = ClockSchedule(starts_ps=(0,), clocks_khz=(khz,))
    at_khz = {
        khz: _at_clock(device, fidelity, launches, khz, evidence, memo)
        for khz in dict.fromkeys(schedule.clocks_khz)
    }
    at_clock = [at_khz[khz] for khz in schedule.clocks_khz]
    steps = host_program(launches, commands, host_gaps=options.host_gaps)
    play = _run_analytic if fidelity == "analytic" else _run_machine
    run = play(launches, at_clock, steps, schedule, host, options)
    return _timeline(device, fidelity, launches, at_clock, schedule, run, host, evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AtClock:
    """What the launches are at one clock of the GPU."""

    gpu: GpuFigures
    submissions: Sequence[tuple[JobDemand, ...]]
    """Jobs of each launch."""
    executions: Sequence[tuple[JobExecution, ...]]
    """The same jobs on the cores; empty for the closed form."""


def _at_clock(
    device: DeviceSpec,
    fidelity: str,
    launches: Sequence[LaunchWork],
    khz: int,
    evidence: Evidence,
    memo: TrafficMemo | None,
) -> _AtClock:
    gpu = read_gpu(device, evidence, khz)
    submissions = _demands(launches, gpu, memo)
    if fidelity == "analytic":
        return _AtClock(gpu=gpu, submissions=submissions, executions=())
    executed = _executions(device, fidelity, launches, submissions, gpu, evidence)
    return _AtClock(
        gpu=gpu,
        submissions=[tuple(demand for demand, _ in jobs) for jobs in executed],
        executions=[tuple(execution for _, execution in jobs) for jobs in executed],
    )


def _demands(
    launches: Sequence[LaunchWork], gpu: GpuFigures, memo: TrafficMemo | None
) -> list[tuple[JobDemand, ...]]:
    """Return the submissions of each launch; launches of equal work share one result."""
    known: dict[tuple[object, ...], tuple[JobDemand, ...]] = {}
    result = []
    for work in launches:
        key = (
            id(work.cost),
            tuple(id(count) for count in work.counts),
            tuple((bound.address, bound.size_bytes) for bound in work.jobs[0].arguments),
        )
        if key not in known:
            known[key] = launch_demand(work, gpu, memo)
        result.append(known[key])
    return result


def _executions(
    device: DeviceSpec,
    fidelity: str,
    launches: Sequence[LaunchWork],
    submissions: Sequence[tuple[JobDemand, ...]],
    gpu: GpuFigures,
    evidence: Evidence,
) -> list[tuple[tuple[JobDemand, JobExecution], ...]]:
    """Return what each job does on the cores.

    Equal launches share one result; in `detailed` only if they find the same in the caches.
    """
    if fidelity == "detailed":
        # Numba is slow to import, and only this fidelity needs it.
        from gpusim.timing.detailed_execution import DetailedModel

        model = DetailedModel(device, gpu, evidence)
        return [
            tuple(model.execute(work, demand) for demand in jobs)
            for work, jobs in zip(launches, submissions, strict=True)
        ]
    known: dict[int, tuple[JobDemand, JobExecution]] = {}
    for jobs in submissions:
        for demand in jobs:
            if id(demand) not in known:
                known[id(demand)] = (demand, execute(demand, gpu))
    return [tuple(known[id(demand)] for demand in jobs) for jobs in submissions]


def _run_machine(
    launches: Sequence[LaunchWork],
    at_clock: Sequence[_AtClock],
    steps: Sequence[Step],
    schedule: ClockSchedule,
    host: HostFigures,
    options: SimulationOptions,
) -> _Run:
    names = [(work.launch.index, work.launch.kernel) for work in launches]
    jobs = [
        [
            [(at.gpu, at.submissions[launch][job], at.executions[launch][job]) for at in at_clock]
            for job in range(len(at_clock[0].submissions[launch]))
        ]
        for launch in range(len(launches))
    ]
    machine = Machine(at_clock[0].gpu, host, options, schedule, jobs, names)
    outcome = machine.run(steps)
    return _Run(
        total_ps=outcome.total_ps,
        enqueued_ps=outcome.enqueued_ps,
        job_start_ps=outcome.job_start_ps,
        job_end_ps=outcome.job_end_ps,
        core_busy_ps=sum(outcome.core_busy_ps),
        n_interrupts=outcome.n_interrupts,
        recorder=machine.recorder,
        n_events=machine.env.n_events,
    )


def _run_analytic(
    launches: Sequence[LaunchWork],
    at_clock: Sequence[_AtClock],
    steps: Sequence[Step],
    schedule: ClockSchedule,
    host: HostFigures,
    options: SimulationOptions,
) -> _Run:
    gpu, submissions = at_clock[0].gpu, at_clock[0].submissions
    columns = [
        job_durations([demand for jobs in at.submissions for demand in jobs], at.gpu).tolist()
        for at in at_clock
    ]
    durations = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    order = CommandOrder(gpu, host, warm=options.warm, schedule=schedule)
    played = order.run(steps, durations, [len(jobs) for jobs in submissions])
    recorder = Recorder()
    position = 0
    for work, jobs in zip(launches, submissions, strict=True):
        for demand in jobs:
            recorder.span(
                f"job_slot[{gpu.compute_slot}]",
                work.launch.kernel,
                played.job_start_ps[position],
                played.job_end_ps[position],
                work.launch.index,
                demand.jobs[0].index,
            )
            position += 1
    busy = sum(played.job_end_ps) - sum(played.job_start_ps)
    return _Run(
        total_ps=played.total_ps,
        enqueued_ps=played.enqueued_ps,
        job_start_ps=played.job_start_ps,
        job_end_ps=played.job_end_ps,
        # A closed form does not know which core idles: all count as busy while a job runs.
        core_busy_ps=busy * gpu.n_cores,
        n_interrupts=played.n_interrupts,
        recorder=recorder,
        n_events=0,
    )


def _timeline(
    device: DeviceSpec,
    fidelity: str,
    launches: Sequence[LaunchWork],
    at_clock: Sequence[_AtClock],
    schedule: ClockSchedule,
    run: _Run,
    host: HostFigures,
    evidence: Evidence,
) -> Timeline:
    # Every job as it is at the clock it started with.
    started = iter([schedule.index(start) for start in run.job_start_ps])
    chosen = [
        [(at_clock[clock], job) for job, clock in zip(range(len(jobs)), started, strict=False)]
        for jobs in at_clock[0].submissions
    ]
    submissions = [
        tuple(at.submissions[launch][job] for at, job in jobs) for launch, jobs in enumerate(chosen)
    ]
    gpus = [at.gpu for jobs in chosen for at, _ in jobs]
    demands = [demand for jobs in submissions for demand in jobs]
    known: dict[int, npt.NDArray[np.float64]] = {}
    for demand, gpu in zip(demands, gpus, strict=True):
        if id(demand) not in known:
            known[id(demand)] = job_bounds(demand, gpu)
    per_submission = np.array([known[id(demand)] for demand in demands]).reshape(-1, len(BOUNDS))
    # One row per job of the launch: joined regions show the times of the submission they share.
    regions = [len(demand.jobs) for demand in demands]
    bounds_ps = np.rint(np.repeat(per_submission, regions, axis=0)).astype(np.int64)
    rows = [
        (work.launch.index, job.index, run.job_start_ps[position], run.job_end_ps[position], 0)
        for position, (work, demand) in enumerate(_paired(launches, submissions))
        for job in demand.jobs
    ]
    jobs = job_times(rows) if rows else np.zeros(0, dtype=JOB_TIME)
    if len(jobs):
        jobs["bound"] = bounds_ps.argmax(axis=1)
    ends = list(accumulate(len(jobs_) for jobs_ in submissions))
    figures, kinds, weak = _evidence(launches, evidence)
    notes = [
        f"launch {work.launch.index} ({work.launch.kernel}): {note}"
        for work, demand in _paired(launches, submissions)
        for note in demand.notes
    ]
    return Timeline(
        device=device.id,
        fidelity=fidelity,
        total_ps=run.total_ps,
        launch_start_ps=np.array(run.enqueued_ps, dtype=np.int64),
        launch_end_ps=np.array([run.job_end_ps[end - 1] for end in ends], dtype=np.int64),
        jobs=jobs,
        tracks=tuple(run.recorder.tracks),
        names=tuple(run.recorder.names),
        spans=run.recorder.span_array(),
        counters=counters(demands, _activity(run, schedule), at_clock[0].gpu, host),
        job_bounds_ps={name: bounds_ps[:, i] for i, name in enumerate(BOUNDS)},
        job_totals=_job_totals(demands),
        evidence=kinds,
        fitted_and_assumed=weak,
        figures=figures,
        notes=tuple(dict.fromkeys(notes)),
        n_events=run.n_events,
    )


def _activity(run: _Run, schedule: ClockSchedule) -> Activity:
    busy_ps = sum(run.job_end_ps) - sum(run.job_start_ps)
    cycles = sum(
        schedule.cycles(start, end)
        for start, end in zip(run.job_start_ps, run.job_end_ps, strict=True)
    )
    # Cores are busy while a job is in its slot, at the same clocks.
    per_ps = cycles / busy_ps if busy_ps else 0.0
    return Activity(
        slot_cycles=round(cycles),
        core_cycles=round(run.core_busy_ps * per_ps),
        n_interrupts=run.n_interrupts,
    )


def _job_totals(demands: Sequence[JobDemand]) -> dict[str, npt.NDArray[np.int64]]:
    """Return every total of work, one column each, the sum in the first region's row."""
    names = [item.name for item in fields(JobWork)]
    rows = [
        [getattr(demand.work, name) if region == 0 else 0 for name in names]
        for demand in demands
        for region in range(len(demand.jobs))
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, len(names))
    return {name: table[:, column] for column, name in enumerate(names)}


def _paired(
    launches: Sequence[LaunchWork], submissions: Sequence[tuple[JobDemand, ...]]
) -> list[tuple[LaunchWork, JobDemand]]:
    return [
        (work, demand)
        for work, demands in zip(launches, submissions, strict=True)
        for demand in demands
    ]


def _evidence(
    launches: Sequence[LaunchWork], evidence: Evidence
) -> tuple[dict[str, str], dict[str, int], tuple[str, ...]]:
    """Return the figures read, their number per kind, the paths of fitted and assumed ones."""
    kinds = {path: quantity.kind.value for path, quantity in evidence.used.items()}
    for cost in {id(work.cost): work.cost for work in launches}.values():
        kinds.update({path: str(kind) for path, kind in cost.figures.items()})
    counted = {kind.value: 0 for kind in Kind}
    for kind in kinds.values():
        counted[kind] = counted.get(kind, 0) + 1
    weak = (Kind.FITTED.value, Kind.ASSUMED.value)
    return kinds, counted, tuple(sorted(path for path, kind in kinds.items() if kind in weak))
