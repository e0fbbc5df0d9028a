"""Run a sequence of launches on a device model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from gpusim.device.quantity import Evidence, Kind
from gpusim.device.spec import DeviceSpec
from gpusim.errors import DeviceError, located
from gpusim.timing.analytic import job_durations
from gpusim.timing.bounds import job_bounds
from gpusim.timing.command_order import CommandOrder
from gpusim.timing.core_plan import JobExecution, execute
from gpusim.timing.counters import Activity, counters
from gpusim.timing.demand import JobDemand, JobWork, launch_demand
from gpusim.timing.figures import GpuFigures, HostFigures, read_gpu, read_host
from gpusim.timing.options import FIDELITIES, SimulationOptions
from gpusim.timing.program import Step, host_program
from gpusim.timing.recorder import Recorder, job_times
from gpusim.timing.timeline import BOUNDS, JOB_TIME, Timeline
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
    activity: Activity
    recorder: Recorder
    n_events: int


def simulate(
    device: DeviceSpec,
    launches: Sequence[LaunchWork],
    *,
    commands: Sequence[Command] = (),
    fidelity: str = "wave",
    options: SimulationOptions | None = None,
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

    Returns
    -------
    Timeline
        Equal input gives equal bytes.

    Raises
    ------
    DeviceError
        If the fidelity is unknown or the clock is not positive.
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
    evidence = Evidence()
    gpu = read_gpu(device, evidence, options.clock_khz)
    host = read_host(device, evidence)
    submissions = _demands(launches, gpu)
    steps = host_program(launches, commands, host_gaps=options.host_gaps)
    if fidelity == "analytic":
        run = _run_analytic(launches, submissions, steps, gpu, host, options)
    else:
        executions = _executions(device, fidelity, launches, submissions, gpu, evidence)
        submissions = [tuple(demand for demand, _ in jobs) for jobs in executions]
        run = _run_machine(launches, executions, steps, gpu, host, options)
    return _timeline(device, fidelity, launches, submissions, run, gpu, host, evidence)


def _demands(launches: Sequence[LaunchWork], gpu: GpuFigures) -> list[tuple[JobDemand, ...]]:
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
            known[key] = launch_demand(work, gpu)
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
    executions: Sequence[tuple[tuple[JobDemand, JobExecution], ...]],
    steps: Sequence[Step],
    gpu: GpuFigures,
    host: HostFigures,
    options: SimulationOptions,
) -> _Run:
    names = [(work.launch.index, work.launch.kernel) for work in launches]
    machine = Machine(gpu, host, options, executions, names)
    outcome = machine.run(steps)
    return _Run(
        total_ps=outcome.total_ps,
        enqueued_ps=outcome.enqueued_ps,
        job_start_ps=outcome.job_start_ps,
        job_end_ps=outcome.job_end_ps,
        activity=Activity(
            slot_busy_ps=sum(outcome.job_end_ps) - sum(outcome.job_start_ps),
            core_busy_ps=sum(outcome.core_busy_ps),
            n_interrupts=outcome.n_interrupts,
        ),
        recorder=machine.recorder,
        n_events=machine.env.n_events,
    )


def _run_analytic(
    launches: Sequence[LaunchWork],
    submissions: Sequence[tuple[JobDemand, ...]],
    steps: Sequence[Step],
    gpu: GpuFigures,
    host: HostFigures,
    options: SimulationOptions,
) -> _Run:
    demands = [demand for jobs in submissions for demand in jobs]
    durations = job_durations(demands, gpu)
    order = CommandOrder(gpu, host, warm=options.warm)
    schedule = order.run(steps, durations.tolist(), [len(jobs) for jobs in submissions])
    recorder = Recorder()
    position = 0
    for work, jobs in zip(launches, submissions, strict=True):
        for demand in jobs:
            recorder.span(
                "job_slot[1]",
                work.launch.kernel,
                schedule.job_start_ps[position],
                schedule.job_end_ps[position],
                work.launch.index,
                demand.jobs[0].index,
            )
            position += 1
    busy = sum(schedule.job_end_ps) - sum(schedule.job_start_ps)
    return _Run(
        total_ps=schedule.total_ps,
        enqueued_ps=schedule.enqueued_ps,
        job_start_ps=schedule.job_start_ps,
        job_end_ps=schedule.job_end_ps,
        # A closed form does not know which core idles: all count as busy while a job runs.
        activity=Activity(
            slot_busy_ps=busy,
            core_busy_ps=busy * gpu.n_cores,
            n_interrupts=schedule.n_interrupts,
        ),
        recorder=recorder,
        n_events=0,
    )


def _timeline(
    device: DeviceSpec,
    fidelity: str,
    launches: Sequence[LaunchWork],
    submissions: Sequence[tuple[JobDemand, ...]],
    run: _Run,
    gpu: GpuFigures,
    host: HostFigures,
    evidence: Evidence,
) -> Timeline:
    demands = [demand for jobs in submissions for demand in jobs]
    known: dict[int, npt.NDArray[np.float64]] = {}
    for demand in demands:
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
        counters=counters(demands, run.activity, gpu, host),
        job_bounds_ps={name: bounds_ps[:, i] for i, name in enumerate(BOUNDS)},
        job_totals=_job_totals(demands),
        evidence=kinds,
        fitted_and_assumed=weak,
        figures=figures,
        notes=tuple(dict.fromkeys(notes)),
        n_events=run.n_events,
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
