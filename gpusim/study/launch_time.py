"""The time of one launch by itself, simulated once for all launches that equal it.

A launch is taken out of its trace: its buffers are numbered in the order of its arguments, so
that where a library allocated them does not matter. What is left decides its time: program text,
build options, NDRange, arguments, contents that were stored, device, fidelity, code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gpusim.compiler.cache import content_key
from gpusim.device.spec import DeviceSpec
from gpusim.errors import CompileError, located
from gpusim.study.time_store import TimeStore, code_digest
from gpusim.timing import LaunchWork, SimulationOptions, simulate
from gpusim.trace.records import ArgumentKind, Buffer, Launch, Size3, Trace

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR

_KERNELS = 512
"""Compiled kernels and their costs kept in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedJob:
    """One job of a launch."""

    global_size: Size3
    local_size: Size3
    """As the driver resolved it."""
    duration_ps: int
    """In its slot; 0 for a region that runs as part of the job before it."""
    bound: str
    """What it spends most of its time on, see `gpusim.timing.timeline.BOUNDS`."""
    joined: bool = False
    """Whether it runs as part of the job before it."""
    totals: Mapping[str, int]
    """Totals of work: ``tasks``, ``arithmetic_instructions``, ``dram_read_bytes``..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedLaunch:
    """One launch as a device runs it by itself."""

    kernel: str
    global_size: Size3
    local_size: Size3 | None
    """As the library passed it."""
    jobs: tuple[TimedJob, ...]
    gaps_ps: int
    """Between its jobs, when nothing else runs."""
    figures: Mapping[str, str]
    """Path of every hardware figure read -> its kind of evidence."""
    notes: tuple[str, ...] = ()
    """What the model had to bend or leave out."""

    @property
    def duration_ps(self) -> int:
        """From the start of the first job to the end of the last."""
        return sum(job.duration_ps for job in self.jobs) + self.gaps_ps

    @property
    def n_jobs(self) -> int:
        """Jobs that the device runs."""
        return sum(not job.joined for job in self.jobs)

    @property
    def bound(self) -> str:
        """What bounds the longest job."""
        return max(self.jobs, key=lambda job: job.duration_ps).bound


def time_launch(
    launch: Launch,
    trace: Trace,
    device: DeviceSpec,
    *,
    fidelity: str,
    store: TimeStore,
    clock_khz: int | None = None,
) -> TimedLaunch:
    """Return the time of a launch; equal ones are simulated once.

    Parameters
    ----------
    launch : Launch
        Of `trace`.
    trace : Trace
        Holds its program and buffers.
    device : DeviceSpec
    fidelity : str
        ``analytic``, ``wave`` or ``detailed``.
    store : TimeStore
        Where times are looked up and kept.
    clock_khz : int, optional
        GPU clock; the device model's by default.

    Raises
    ------
    GpusimError
        When the launch doesn't compile, isn't legal on the device, or can't be counted.
    """
    key = launch_key(launch, trace, device, fidelity, clock_khz)
    found = store.get(key)
    if found is not None:
        return _unpack(found, store)
    options = SimulationOptions(clock_khz=clock_khz)
    timed = _simulate(launch, trace, device, fidelity, options)
    store.put(key, _pack(timed, store))
    return timed


def launch_key(
    launch: Launch, trace: Trace, device: DeviceSpec, fidelity: str, clock_khz: int | None = None
) -> str:
    """Return the hash (hex) of everything that the launch's time depends on."""
    program = trace.programs[launch.program]
    order: dict[int, int] = {}
    described: list[Any] = []
    for argument in launch.arguments:
        row: list[Any] = [argument.kind.value, argument.size_bytes]
        if argument.value is not None:
            row.append(argument.value.hex())
        if argument.kind is ArgumentKind.BUFFER and argument.ref is not None:
            buffer = trace.buffers[argument.ref]
            root = buffer if buffer.parent is None else trace.buffers[buffer.parent]
            number = order.setdefault(root.id, len(order))
            row += [number, root.size_bytes, root.content, buffer.offset_bytes, buffer.size_bytes]
        elif argument.ref is not None:
            record = trace.images.get(argument.ref) or trace.samplers.get(argument.ref)
            row.append(repr(replace(record, id=0)) if record else None)
        described.append(row)
    shape = [launch.work_dim, launch.global_size, launch.local_size, launch.global_offset]
    return content_key(
        "launch",
        code_digest(),
        device_key(device),
        f"{fidelity} {clock_khz}",
        program.blob or "",
        program.build_options,
        repr(program.headers),
        launch.kernel,
        repr((shape, described)),
    )


def device_key(device: DeviceSpec) -> str:
    """Return a hash (hex) of every figure of a device model."""
    found = _device_keys.get(id(device))
    if found is None or found[0] is not device:
        from gpusim.isa.table import load_table

        table = load_table(device.isa)
        figures = [
            *dict(device.figures()).items(),
            *sorted(table.issue.items()),
            *sorted(table.operations.items()),
        ]
        rows = [(path, repr(figure.given), figure.kind.value) for path, figure in figures]
        found = (device, content_key(device.id, device.isa, repr(rows)))
        _device_keys[id(device)] = found
    return found[1]


_device_keys: dict[int, tuple[DeviceSpec, str]] = {}
"""By identity: hashing some hundred figures costs more than a look-up may."""


def alone(launch: Launch, trace: Trace) -> Trace:
    """Return a trace of that launch only, its buffers numbered in the order of its arguments."""
    numbers: dict[int, int] = {}
    buffers: dict[int, Buffer] = {}

    def number(identifier: int) -> int:
        if identifier not in numbers:
            buffer = trace.buffers[identifier]
            parent = None if buffer.parent is None else number(buffer.parent)
            numbers[identifier] = len(numbers)
            buffers[numbers[identifier]] = replace(buffer, id=numbers[identifier], parent=parent)
        return numbers[identifier]

    arguments = tuple(
        replace(argument, ref=number(argument.ref))
        if argument.kind is ArgumentKind.BUFFER and argument.ref is not None
        else argument
        for argument in launch.arguments
    )
    return Trace(
        name=trace.name,
        manifest=trace.manifest,
        programs={launch.program: trace.programs[launch.program]},
        buffers=buffers,
        images=trace.images,
        samplers=trace.samplers,
        launches=(replace(launch, index=0, seq=0, arguments=arguments),),
        read_blob=trace.read_blob,
    )


def launch_kernel(launch: Launch, trace: Trace) -> KernelIR:
    """Return a launch's kernel in normalised form.

    Raises
    ------
    GpusimError
        When it doesn't compile.
    """
    record = trace.programs[launch.program]
    where = f"{trace.name}: {launch.kernel}"
    if record.kind != "source" or record.blob is None:
        raise CompileError(
            located(where, "no OpenCL C to compile", expected="source", found=record.kind)
        )
    text = trace.read_blob(record.blob).decode("utf-8", "replace")
    headers = tuple(
        (name, trace.read_blob(blob).decode("utf-8", "replace")) for name, blob in record.headers
    )
    return _kernel(text, launch.kernel, record.build_options, headers, where)


def launch_work(launch: Launch, trace: Trace, device: DeviceSpec) -> LaunchWork:
    """Return a launch, taken out of its trace, with jobs, counts and cost.

    Raises
    ------
    GpusimError
        When the launch doesn't compile, isn't legal on the device, or can't be counted.
    """
    from gpusim.count.engine import count_job
    from gpusim.count.limits import Limits
    from gpusim.count.memory import Memory
    from gpusim.isa import cost_kernel
    from gpusim.lower import AddressMap, lower_launch

    own = alone(launch, trace)
    launch = own.launches[0]
    where = f"{own.name}: {launch.kernel}"
    kernel = launch_kernel(launch, own)
    cost_key = (kernel.key, device.isa)
    if cost_key not in _costs:
        if len(_costs) >= _KERNELS:
            _costs.clear()
        _costs[cost_key] = cost_kernel(kernel, device.isa)
    jobs = lower_launch(
        launch,
        own,
        device,
        AddressMap.from_trace(own, device),
        required_local_size=kernel.required_local_size,
    )
    limits = Limits()
    memory = Memory.from_trace(own, limits.memory_bytes)
    counts = tuple(count_job(kernel, job, memory, limits=limits, where=where) for job in jobs)
    memory.close()
    return LaunchWork(launch=launch, jobs=jobs, counts=counts, cost=_costs[cost_key])


_costs: dict[tuple[str, str], Any] = {}


@lru_cache(maxsize=_KERNELS)
def _kernel(
    text: str, name: str, options: str, headers: tuple[tuple[str, str], ...], where: str
) -> KernelIR:
    from gpusim.compiler.compile import compile_kernel

    return compile_kernel(text, name, options, dict(headers), where=where)


def _simulate(
    launch: Launch,
    trace: Trace,
    device: DeviceSpec,
    fidelity: str,
    options: SimulationOptions,
) -> TimedLaunch:
    work = launch_work(launch, trace, device)
    run = simulate(device, [work], fidelity=fidelity, options=options)
    jobs = []
    for position, job in enumerate(work.jobs):
        row = run.jobs[position]
        jobs.append(
            TimedJob(
                global_size=job.global_size,
                local_size=job.local_size,
                duration_ps=0 if job.joined else int(row["end_ps"]) - int(row["start_ps"]),
                bound=_bound(run.job_bounds_ps, position),
                joined=job.joined,
                totals={name: int(values[position]) for name, values in run.job_totals.items()},
            )
        )
    span = int(run.jobs["end_ps"].max()) - int(run.jobs["start_ps"].min())
    return TimedLaunch(
        kernel=launch.kernel,
        global_size=launch.global_size,
        local_size=launch.local_size,
        jobs=tuple(jobs),
        gaps_ps=span - sum(job.duration_ps for job in jobs),
        figures=run.figures,
        notes=run.notes,
    )


def _bound(bounds: Mapping[str, Any], job: int) -> str:
    return max(bounds, key=lambda name: bounds[name][job])


def _pack(timed: TimedLaunch, store: TimeStore) -> str:
    """Return the text of a time; the figures, which most launches share, are kept once."""
    document = asdict(timed)
    figures = json.dumps(document.pop("figures"), sort_keys=True)
    key = content_key("figures", figures)
    if store.get(key) is None:
        store.put(key, figures)
    return json.dumps({**document, "figures": key}, separators=(",", ":"))


def _unpack(text: str, store: TimeStore) -> TimedLaunch:
    document = json.loads(text)
    return TimedLaunch(
        kernel=document["kernel"],
        global_size=_size3(document["global_size"]),
        local_size=None if document["local_size"] is None else _size3(document["local_size"]),
        jobs=tuple(
            TimedJob(
                global_size=_size3(job["global_size"]),
                local_size=_size3(job["local_size"]),
                duration_ps=job["duration_ps"],
                bound=job["bound"],
                joined=job["joined"],
                totals=job["totals"],
            )
            for job in document["jobs"]
        ),
        gaps_ps=document["gaps_ps"],
        figures=_figures(store.get(document["figures"]) or "{}"),
        notes=tuple(document["notes"]),
    )


@lru_cache(maxsize=64)
def _figures(text: str) -> dict[str, str]:
    figures: dict[str, str] = json.loads(text)
    return figures


def _size3(sizes: list[int]) -> Size3:
    x, y, z = sizes
    return (x, y, z)
