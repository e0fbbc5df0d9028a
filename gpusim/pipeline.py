"""The path of a trace, on one page: load, lower, compile, count, cost, time, sum up.

::

    trace  = load_trace(path)                  # Trace: launches, programs, buffers
    jobs   = lower_launch(launch, ...)         # Job: local size, job split, addresses
    kernel = program.kernel(name)              # KernelIR: blocks, SSA, loops
    count  = count_job(kernel, job, memory)    # WorkCount: exact block executions
    cost   = cost_kernel(kernel, device.isa)   # KernelCost: issue cost per block
    run    = simulate(device, works, ...)      # Timeline
    return summarise(..., run)                 # Report
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpusim.device import DeviceSpec, load_device
from gpusim.errors import GpusimError
from gpusim.trace import Trace, load_trace
from gpusim.trace.records import Argument, Command, CommandKind, Launch

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR
    from gpusim.compiler.trace_programs import TracePrograms
    from gpusim.count.limits import Limits
    from gpusim.count.memory import Memory
    from gpusim.count.simt_result import SimtResult
    from gpusim.count.warp_sample import Warps
    from gpusim.count.work_count import WorkCount
    from gpusim.isa.cost import KernelCost
    from gpusim.lower.job import Job
    from gpusim.report.report import Failure, Report
    from gpusim.timing import LaunchWork, SimulationOptions

_LOCKSTEP_INSTRUCTIONS = 5_000_000
"""Lane instructions of the work-groups of a job that run in lock-step, about."""

OnProgress = Callable[[int, int], None]


def replay(
    trace: Trace | str | Path,
    device: DeviceSpec | str,
    *,
    fidelity: str = "wave",
    options: SimulationOptions | None = None,
    limits: Limits | None = None,
    sass: bool = False,
    on_progress: OnProgress | None = None,
) -> Report:
    """Replay a trace on a device model.

    Parameters
    ----------
    trace : Trace, str or Path
        A loaded trace, or where it is.
    device : DeviceSpec or str
        A loaded device model, an id, or the path of a YAML file.
    fidelity : str
        ``analytic``, ``wave`` or ``detailed``.
    options : SimulationOptions, optional
        Clock, flushing and starting state.
    limits : Limits, optional
        What a kernel may use while it is counted.
    sass : bool
        Take instructions and registers of Jetson kernels from ptxas.
    on_progress : callable, optional
        Called with (launches done, launches in all).

    Returns
    -------
    Report
        A launch that fails is listed in its `failures`; the others give their results.

    Raises
    ------
    TraceError, DeviceError
        When the trace or the device model can't be loaded.
    """
    from gpusim.report.report import summarise
    from gpusim.timing import simulate

    trace = trace if isinstance(trace, Trace) else load_trace(trace)
    device = device if isinstance(device, DeviceSpec) else load_device(device)
    works, failures = prepare(trace, device, limits=limits, sass=sass, on_progress=on_progress)
    timeline = simulate(device, works, commands=trace.commands, fidelity=fidelity, options=options)
    return summarise(Path(trace.name).name, device, works, timeline, failures)


def replay_fidelities(
    trace: Trace | str | Path,
    device: DeviceSpec | str,
    *,
    options: SimulationOptions | None = None,
    limits: Limits | None = None,
    sass: bool = False,
    on_progress: OnProgress | None = None,
) -> list[Report]:
    """Replay a trace at every fidelity, counting it once; as :func:`replay`.

    Returns
    -------
    list of Report
        In the order of `gpusim.timing.FIDELITIES`.
    """
    from gpusim.report.report import summarise
    from gpusim.timing import FIDELITIES, simulate

    trace = trace if isinstance(trace, Trace) else load_trace(trace)
    device = device if isinstance(device, DeviceSpec) else load_device(device)
    works, failures = prepare(trace, device, limits=limits, sass=sass, on_progress=on_progress)
    name = Path(trace.name).name
    return [
        summarise(
            name,
            device,
            works,
            simulate(device, works, commands=trace.commands, fidelity=fidelity, options=options),
            failures,
        )
        for fidelity in FIDELITIES
    ]


def prepare(
    trace: Trace,
    device: DeviceSpec,
    *,
    limits: Limits | None = None,
    sass: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[list[LaunchWork], list[Failure]]:
    """Lower, compile, count and cost every launch of a trace, in order.

    Buffer contents evolve as the launches and the recorded transfers say. Launches that differ
    in nothing that counts depend on share one count.

    Returns
    -------
    works : list of LaunchWork
        In the order of the trace.
    failures : list of Failure
        Launches that are not legal, don't compile or can't be counted.
    """
    from gpusim.report.report import Failure

    stage = _Stages.of(trace, device, limits)
    stage.sass = sass
    works: list[LaunchWork] = []
    failures: list[Failure] = []
    steps: list[Command | Launch] = [*trace.commands, *trace.launches]
    steps.sort(key=lambda step: step.seq)
    stage.programs.compile(
        (step.program, step.kernel) for step in trace.launches if _does_something(step)
    )
    done = 0
    for step in steps:
        if isinstance(step, Command):
            try:
                stage.transfer(step)
            except GpusimError as error:
                failures.append(
                    Failure(launch=-1, kernel=step.name or step.kind.value, reason=str(error))
                )
            continue
        if _does_something(step):
            try:
                works.append(stage.work(step))
            except GpusimError as error:
                failures.append(Failure(launch=step.index, kernel=step.kernel, reason=str(error)))
        done += 1
        if on_progress is not None:
            on_progress(done, len(trace.launches))
    return works, failures


def _does_something(launch: Launch) -> bool:
    """Whether a launch ran: the runtime refused others, or they have no work-items."""
    return launch.result_code == 0 and 0 not in launch.global_size


@dataclass(slots=True)
class _Stages:
    """One trace on its way through the stages; keeps what launches share."""

    trace: Trace
    device: DeviceSpec
    limits: Limits | None
    memory: Memory
    addresses: object
    programs: TracePrograms
    costs: dict[str, KernelCost] = field(default_factory=dict)
    sass: bool = False
    slices: dict[tuple[object, ...], WorkCount] = field(default_factory=dict)
    diverged: dict[tuple[object, ...], tuple[dict[str, Any], SimtResult | None]] = field(
        default_factory=dict
    )

    @classmethod
    def of(cls, trace: Trace, device: DeviceSpec, limits: Limits | None) -> _Stages:
        from gpusim.compiler.trace_programs import TracePrograms
        from gpusim.count.limits import Limits
        from gpusim.count.memory import Memory
        from gpusim.lower import AddressMap

        return cls(
            trace=trace,
            device=device,
            limits=limits,
            memory=Memory.from_trace(trace, (limits or Limits()).memory_bytes),
            addresses=AddressMap.from_trace(trace, device),
            programs=TracePrograms(trace, limits),
        )

    def work(self, launch: Launch) -> LaunchWork:
        """Return a launch with its jobs, their counts and its cost."""
        from gpusim.isa import cost_kernel
        from gpusim.isa.sass_compare import sass_cost
        from gpusim.lower import lower_launch
        from gpusim.timing import LaunchWork

        kernel = self.kernel(launch)
        jobs = lower_launch(
            launch,
            self.trace,
            self.device,
            self.addresses,  # type: ignore[arg-type]
            required_local_size=kernel.required_local_size,
        )
        counts = tuple(self.count(kernel, job, launch) for job in jobs)
        if kernel.key not in self.costs:
            estimate = sass_cost if self.sass else cost_kernel
            self.costs[kernel.key] = estimate(kernel, self.device.isa)
        return LaunchWork(launch=launch, jobs=jobs, counts=counts, cost=self.costs[kernel.key])

    def kernel(self, launch: Launch) -> KernelIR:
        """Return the launch's kernel in normalised form."""
        return self.programs.kernel(launch.program, launch.kernel)

    def count(self, kernel: KernelIR, job: Job, launch: Launch) -> WorkCount:
        """Count a job; equal ones whose contents don't matter share one WorkCount.

        Each is counted all the same: a kernel that accumulates changes its buffers every time.
        """
        from gpusim.count.engine import count_job

        key = (
            kernel.key,
            job.global_size,
            job.local_size,
            job.item_offset,
            job.group_offset,
            job.launch_global_size,
            job.launch_global_offset,
            job.enqueued_local_size,
            job.work_dim,
            tuple(_argument_key(bound.argument, bound.size_bytes) for bound in job.arguments),
        )
        where = f"{self.trace.name}: launch {launch.index} ({launch.kernel})"
        # What warps do is found out once for equal jobs; contents then change it little.
        warps = None if key in self.diverged else self._warps(kernel)
        count = count_job(kernel, job, self.memory, limits=self.limits, warps=warps, where=where)
        if warps is not None:
            self.diverged[key] = count.simt, count.lockstep
        elif key in self.diverged:
            simt, lockstep = self.diverged[key]
            same = lockstep if count.mode == "slice" else None
            count = replace(count, simt=simt, lockstep=same)
        return self.slices.setdefault(key, count) if count.mode == "slice" else count

    def _warps(self, kernel: KernelIR) -> Warps | None:
        """Return how sampled groups run in lock-step; None where lanes never part."""
        from gpusim.count.reconvergence import POLICY_OF_ISA
        from gpusim.count.uniform import may_diverge
        from gpusim.count.warp_sample import Warps

        width = int(self.device.core.warp_width.value)
        if width == 1 or not may_diverge(kernel):
            return None
        return Warps(
            width=width,
            policy=POLICY_OF_ISA[self.device.isa],
            all_policies=False,
            lane_instructions=_LOCKSTEP_INSTRUCTIONS,
        )

    def transfer(self, command: Command) -> None:
        """Apply a recorded transfer to the buffer contents."""
        memory, target, source = self.memory, command.target, command.source
        if target is None or target not in memory:
            return
        content = None if command.content is None else self.trace.read_blob(command.content)
        if command.kind is CommandKind.COPY and source is not None and source in memory:
            memory.copy(
                source,
                target,
                command.source_offset_bytes,
                command.offset_bytes,
                command.size_bytes,
            )
        elif command.kind is CommandKind.FILL and content is not None:
            memory.fill(target, command.offset_bytes, command.size_bytes, content)
        elif command.kind in (CommandKind.WRITE, CommandKind.UNMAP) and content is not None:
            memory.write(target, command.offset_bytes, content)
        elif command.kind in (CommandKind.WRITE, CommandKind.FILL):
            memory.mark_unknown(target)


def _argument_key(argument: Argument, size_bytes: int) -> tuple[object, ...]:
    return (argument.index, argument.kind, argument.value, argument.ref, size_bytes)
