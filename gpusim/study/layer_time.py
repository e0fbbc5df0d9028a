"""The predicted time of a layer under a library: its launches timed, then put in a queue.

The launches of a phase are enqueued back to back in one in-order queue that the host then waits
for. Each launch's jobs take the time they take alone, so in `detailed` each finds cold caches;
host, driver, job slot and interrupts follow the recurrence of
:mod:`gpusim.timing.command_order`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gpusim.device.quantity import Evidence, Kind
from gpusim.device.spec import DeviceSpec
from gpusim.errors import GpusimError, located
from gpusim.library.plan import Phase, PlannedLayer, PlanOptions, plan_layer
from gpusim.network.layers import Layer
from gpusim.study.launch_time import TimedLaunch, device_key, time_launch
from gpusim.study.time_store import TimeStore, shared_store
from gpusim.timing import FIDELITIES
from gpusim.timing.command_order import CommandOrder
from gpusim.timing.figures import GpuFigures, HostFigures, read_gpu, read_host
from gpusim.timing.program import Step, StepKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchFailure:
    """A launch that has no time."""

    phase: Phase
    kernel: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTime:
    """Launches of one phase in a queue of their own, on a powered and idle GPU."""

    gpu_ps: int
    """From the start of the first job to the end of the last one."""
    total_ps: int
    """From the first host call to the last host wake-up."""
    launches: tuple[TimedLaunch, ...]
    launch_start_ps: tuple[int, ...]
    """Per launch: start of its first job after the first host call."""
    launch_end_ps: tuple[int, ...]

    @property
    def n_launches(self) -> int:
        """Number of launches."""
        return len(self.launches)

    @property
    def n_jobs(self) -> int:
        """Jobs of all launches."""
        return sum(launch.n_jobs for launch in self.launches)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTime:
    """What a layer costs under one library's plan."""

    layer: Layer
    library: str
    method: str
    options: PlanOptions
    device: str
    fidelity: str
    run: PhaseTime
    """At every inference."""
    prepare: PhaseTime
    """Once per layer; empty when it was not asked for."""
    failures: tuple[LaunchFailure, ...]
    """Launches without a time; the phases are sums over the others."""
    evidence: dict[str, int]
    """Kind -> number of hardware figures read."""
    unverified: tuple[str, ...] = ()
    """What of the plan was never seen in a capture."""
    others: tuple[tuple[str, int], ...] = ()
    """(method, run time in ps) of the candidates that the library would measure and drop."""

    @property
    def run_ps(self) -> int:
        """GPU time of one inference, gaps between jobs included."""
        return self.run.gpu_ps

    @property
    def run_ms(self) -> float:
        """`run_ps` in milliseconds."""
        return self.run.gpu_ps / 1e9


def time_plan(
    planned: PlannedLayer,
    device: DeviceSpec,
    *,
    fidelity: str = "analytic",
    clock_khz: int | None = None,
    prepare: bool = True,
    store: TimeStore | None = None,
) -> LayerTime:
    """Return the predicted time of a planned layer.

    Parameters
    ----------
    planned : PlannedLayer
    device : DeviceSpec
    fidelity : str
        ``analytic``, ``wave`` or ``detailed``.
    clock_khz : int, optional
        GPU clock; the device model's by default.
    prepare : bool
        Whether to time the launches that are made once per layer, too.
    store : TimeStore, optional
        Times of launches; this process's store in the user's cache folder by default.

    Returns
    -------
    LayerTime
        Launches that cannot be timed are listed in its `failures`.

    Raises
    ------
    GpusimError
        For an unknown fidelity or a clock that is not positive.
    """
    check_run(fidelity, clock_khz)
    store = store or shared_store()
    launches: dict[Phase, list[TimedLaunch]] = {Phase.PREPARE: [], Phase.RUN: []}
    failures = []
    for phase, launch in planned.launches:
        if phase is Phase.PREPARE and not prepare:
            continue
        try:
            timed = time_launch(
                launch,
                planned.trace,
                device,
                fidelity=fidelity,
                store=store,
                clock_khz=clock_khz,
            )
        except GpusimError as error:
            failures.append(LaunchFailure(phase=phase, kernel=launch.kernel, reason=str(error)))
            continue
        launches[phase].append(_as_efficient(timed, planned))
    run = time_queue(launches[Phase.RUN], device, clock_khz=clock_khz)
    once = time_queue(launches[Phase.PREPARE], device, clock_khz=clock_khz)
    return LayerTime(
        layer=planned.layer,
        library=planned.library,
        method=planned.method,
        options=planned.options,
        device=device.id,
        fidelity=fidelity,
        run=run,
        prepare=once,
        failures=tuple(failures),
        evidence=count_evidence([*run.launches, *once.launches]),
        unverified=planned.unverified,
    )


def _as_efficient(timed: TimedLaunch, planned: PlannedLayer) -> TimedLaunch:
    """Return a launch at the speed of the library's kernel, that speed among its figures."""
    for efficiency in planned.efficiency:
        if efficiency.kernel == timed.kernel:
            jobs = tuple(
                replace(job, duration_ps=round(job.duration_ps / efficiency.factor))
                for job in timed.jobs
            )
            path = f"{planned.library}.{efficiency.kernel}.efficiency"
            figures = {**timed.figures, path: efficiency.kind.value}
            return replace(timed, jobs=jobs, figures=figures)
    return timed


def time_layer(
    library: str,
    layer: Layer,
    options: PlanOptions,
    device: DeviceSpec,
    *,
    fidelity: str = "analytic",
    clock_khz: int | None = None,
    prepare: bool = True,
    store: TimeStore | None = None,
) -> LayerTime:
    """Plan a layer and return the time of the fastest of the library's candidates.

    A library that decides by rule has one candidate; for one that measures them, the dropped
    ones are in `LayerTime.others`. Candidates with failures lose to those without.

    Raises
    ------
    GpusimError
        For an unknown library, fidelity, or a layer that the library doesn't support.
    """
    candidates = plan_layer(library, layer, options)
    if not candidates:
        raise GpusimError(located(f"layer {layer.name}", f"{library} plans nothing for it"))
    times = [
        time_plan(
            planned,
            device,
            fidelity=fidelity,
            clock_khz=clock_khz,
            prepare=prepare,
            store=store,
        )
        for planned in candidates
    ]
    return fastest(times)


def fastest(times: Sequence[LayerTime]) -> LayerTime:
    """Return the fastest candidate; the first of equal ones. The others are named in it."""
    best = min(times, key=lambda time: (len(time.failures), time.run_ps))
    others = tuple((time.method, time.run_ps) for time in times if time is not best)
    return replace(best, others=others) if others else best


def time_queue(
    launches: Sequence[TimedLaunch], device: DeviceSpec, *, clock_khz: int | None = None
) -> PhaseTime:
    """Return the time of launches that are enqueued back to back and then waited for.

    Parameters
    ----------
    launches : sequence of TimedLaunch
        In order; of one layer or of a whole network.
    device : DeviceSpec
        That they were timed on.
    clock_khz : int, optional
        As they were timed with.
    """
    if not launches:
        return PhaseTime(gpu_ps=0, total_ps=0, launches=(), launch_start_ps=(), launch_end_ps=())
    gpu, host = _figures(device, clock_khz)
    steps = [
        Step(kind=StepKind.ENQUEUE, name=launch.kernel, launches=position)
        for position, launch in enumerate(launches)
    ]
    steps.append(Step(kind=StepKind.WAIT, name="finish", launches=len(launches)))
    durations = [job.duration_ps for one in launches for job in one.jobs if not job.joined]
    n_jobs = [launch.n_jobs for launch in launches]
    schedule = CommandOrder(gpu, host, warm=True).run(steps, durations, n_jobs)
    first = 0
    starts, ends = [], []
    for number in n_jobs:
        starts.append(schedule.job_start_ps[first])
        first += number
        ends.append(schedule.job_end_ps[first - 1])
    return PhaseTime(
        gpu_ps=ends[-1] - starts[0],
        total_ps=schedule.total_ps,
        launches=tuple(launches),
        launch_start_ps=tuple(starts),
        launch_end_ps=tuple(ends),
    )


def count_evidence(launches: Sequence[TimedLaunch]) -> dict[str, int]:
    """Return the number of hardware figures that some times rest on, per kind of evidence."""
    kinds: dict[str, str] = {}
    # Most launches share one mapping.
    for figures in {id(launch.figures): launch.figures for launch in launches}.values():
        kinds.update(figures)
    counted = {kind.value: 0 for kind in Kind}
    for kind in kinds.values():
        counted[kind] = counted.get(kind, 0) + 1
    return counted


def weak_figures(launches: Sequence[TimedLaunch]) -> tuple[str, ...]:
    """Return the paths of the fitted and assumed figures that some times rest on."""
    weak = (Kind.FITTED.value, Kind.ASSUMED.value)
    # Most launches share one mapping.
    known = {id(launch.figures): launch.figures for launch in launches}.values()
    return tuple(sorted({path for one in known for path, kind in one.items() if kind in weak}))


def check_run(fidelity: str, clock_khz: int | None) -> None:
    """Raise GpusimError for a fidelity that is unknown or a clock that is not positive."""
    if fidelity not in FIDELITIES:
        raise GpusimError(
            located("fidelity", "unknown", expected=" or ".join(FIDELITIES), found=fidelity)
        )
    if clock_khz is not None and clock_khz <= 0:
        raise GpusimError(located("clock", "not positive", expected="> 0 kHz", found=clock_khz))


def _figures(device: DeviceSpec, clock_khz: int | None) -> tuple[GpuFigures, HostFigures]:
    key = (device_key(device), clock_khz)
    if key not in _known:
        _known[key] = (read_gpu(device, Evidence(), clock_khz), read_host(device, Evidence()))
    return _known[key]


_known: dict[tuple[str, int | None], tuple[GpuFigures, HostFigures]] = {}
