"""Time many variants of a layer: a table of independent points, equal ones simulated once.

At `analytic` fidelity the points of one layer are first collapsed into distinct geometries:
output-channel counts for which the library makes the same launches (program, global and local
sizes) differ only in strides and edges that a closed form does not resolve. One point per geometry,
the one with most channels, is simulated and stands for all. The other fidelities simulate every
distinct launch.

Points are independent, so they run in a pool of processes or on a Dask cluster; every launch's
time is kept on disk, so a stopped sweep goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from gpusim.device import DeviceSpec, load_device
from gpusim.errors import GpusimError, located
from gpusim.library.plan import (
    Geometry,
    Phase,
    PlannedLayer,
    PlanOptions,
    plan_layer,
    run_geometry,
)
from gpusim.network.layers import Layer
from gpusim.study.layer_time import LayerTime, check_run, fastest, time_plan
from gpusim.trace.records import Size3

if TYPE_CHECKING:
    import pandas as pd

_PS_PER_MS = 10**9
_CHUNK = 24
"""Points handed to a worker at a time: enough to share compiled kernels, few enough to spread."""

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """One variant to time."""

    library: str
    network: str
    layer: Layer
    """With the output channels of this point."""
    options: PlanOptions
    device: str
    """Id or file of a device model."""
    fidelity: str = "analytic"
    clock_khz: int | None = None
    local_size: Size3 | None = None
    """Given to every launch of the run phase instead of the library's choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointJob:
    """A job of a timed point."""

    global_size: Size3
    local_size: Size3
    duration_ps: int
    bound: str
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLaunch:
    """A launch of a timed point."""

    kernel: str
    global_size: Size3
    jobs: tuple[PointJob, ...]
    duration_ps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointTime:
    """What a point costs, small enough to keep tens of thousands."""

    point: SweepPoint
    method: str
    run_ps: int
    """GPU time of one inference."""
    n_jobs: int
    launches: tuple[PointLaunch, ...]
    failure: str = ""
    """Why there is no time; the other fields are then empty."""

    @property
    def predicted_ms(self) -> float:
        """`run_ps` in milliseconds; NaN without a time."""
        return float("nan") if self.failure else self.run_ps / _PS_PER_MS


def channel_points(
    network: str,
    layers: Iterable[Layer],
    channels: Sequence[int] | None,
    *,
    libraries: Sequence[str],
    devices: Sequence[str],
    options: Sequence[PlanOptions],
    fidelity: str = "analytic",
    clocks_khz: Sequence[int | None] = (None,),
    local_sizes: Sequence[Size3 | None] = (None,),
) -> list[SweepPoint]:
    """Return every combination; without `channels` each layer's 1 to its own number.

    `options` are taken as they are except the target, which is each device in turn.
    """
    targets = {device: load_device(device).id for device in devices}
    return [
        SweepPoint(
            library=library,
            network=network,
            layer=layer.with_out_channels(count),
            options=option,
            device=device,
            fidelity=fidelity,
            clock_khz=clock,
            local_size=local,
        )
        for device in devices
        for library in libraries
        for option in [replace(option, target=targets[device]) for option in options]
        for clock in clocks_khz
        for local in local_sizes
        for layer in layers
        for count in (channels if channels is not None else range(1, layer.out_channels + 1))
    ]


def sweep(
    points: Sequence[SweepPoint],
    *,
    processes: int | None = None,
    cluster: str | None = None,
    on_progress: OnProgress | None = None,
) -> list[PointTime]:
    """Return the time of every point, in order.

    Parameters
    ----------
    points : sequence of SweepPoint
    processes : int, optional
        Workers of the local pool; the number of processors by default, 1 = in this process.
    cluster : str, optional
        Address of a Dask scheduler (``tcp://host:port``) that runs the points instead.
    on_progress : callable, optional
        Called with (points done, points in all).

    Returns
    -------
    list of PointTime
        A point that can't be planned or timed says why in its `failure`; the others have times.

    Raises
    ------
    GpusimError
        For a fidelity, clock or number of processes that is none, or a cluster out of reach.
    """
    if processes is not None and processes < 1:
        raise GpusimError(located("processes", "too few", expected="1 or more", found=processes))
    for fidelity, clock in {(point.fidelity, point.clock_khz) for point in points}:
        check_run(fidelity, clock)
    groups = _collapse(points)
    todo = [members[-1] for members in groups]
    times: dict[int, PointTime] = {}
    done = 0
    chunks = [todo[first : first + _CHUNK] for first in range(0, len(todo), _CHUNK)]
    sizes = {members[-1]: len(members) for members in groups}
    work = [(chunk, [points[number] for number in chunk]) for chunk in chunks]
    for chunk, results in _run(work, processes, cluster):
        for number, result in zip(chunk, results, strict=True):
            times[number] = result
            done += sizes[number]
        if on_progress is not None:
            on_progress(done, len(points))
    ordered: dict[int, PointTime] = {}
    for members in groups:
        for number in members:
            ordered[number] = replace(times[members[-1]], point=points[number])
    return [ordered[number] for number in range(len(points))]


def to_dataframe(times: Sequence[PointTime]) -> pd.DataFrame:
    """Return one row per point; the first columns are those of ``gpusim sweep --csv``."""
    import pandas as pd

    return pd.DataFrame([row_of(time) for time in times])


def row_of(time: PointTime) -> dict[str, Any]:
    """Return a point as a row of the table."""
    point = time.point
    return {
        "device": point.device,
        "library": point.library,
        "network": point.network,
        "layer": point.layer.name,
        "channels": point.layer.out_channels,
        "predicted_ms": time.predicted_ms,
        "jobs": time.n_jobs,
        "launches": len(time.launches),
        "method": time.method,
        "layout": point.options.layout,
        "dtype": point.options.dtype,
        "batch": point.options.batch,
        "tuner": point.options.tuner,
        "local": "" if point.local_size is None else _words(point.local_size),
        "clock_khz": point.clock_khz,
        "fidelity": point.fidelity,
        "geometry": " | ".join(_geometry(launch) for launch in time.launches),
        "failure": time.failure,
    }


def _geometry(launch: PointLaunch) -> str:
    jobs = " + ".join(f"{_words(job.global_size)}/{_words(job.local_size)}" for job in launch.jobs)
    return f"{launch.kernel} {jobs}"


def _words(size: Size3) -> str:
    return "x".join(map(str, size))


def _collapse(points: Sequence[SweepPoint]) -> list[list[int]]:
    """Return groups of points with equal times, each in order of its channel count."""
    # Layers of one shape come again and again in a network: their points are planned once.
    # The name and place of a layer are not part of its work.
    equal: dict[SweepPoint, list[int]] = {}
    shapes: dict[Layer, Layer] = {}
    order = sorted(range(len(points)), key=lambda number: points[number].layer.out_channels)
    for number in order:
        point = points[number]
        if point.layer not in shapes:
            shapes[point.layer] = replace(point.layer, index=0, name="", inputs=())
        same = replace(point, network="", layer=shapes[point.layer])
        equal.setdefault(same, []).append(number)
    groups: dict[Any, list[int]] = {}
    for same, numbers in equal.items():
        key: Any = same
        if same.fidelity == "analytic":
            geometry = _plan_geometry(same)
            if geometry is not None:
                layer = replace(same.layer, out_channels=0, groups=0)
                key = (replace(same, layer=layer), geometry)
        groups.setdefault(key, []).extend(numbers)
    return list(groups.values())


def _plan_geometry(point: SweepPoint) -> Geometry | None:
    """Return what decides the launches' closed-form times; None when nothing is planned."""
    try:
        return run_geometry(point.library, point.layer, point.options)
    except GpusimError:
        return None


_Work = tuple[list[int], list[SweepPoint]]


def _run(
    work: Sequence[_Work], processes: int | None, cluster: str | None
) -> Iterator[tuple[list[int], list[PointTime]]]:
    if cluster is not None:
        yield from _run_on_cluster(work, cluster)
        return
    workers = min(processes or os.cpu_count() or 1, len(work))
    if workers <= 1:
        for numbers, points in work:
            yield numbers, time_points(points)
        return
    # Fresh interpreters: forked ones would share the compiler's child process.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(time_points, points): numbers for numbers, points in work}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _run_on_cluster(
    work: Sequence[_Work], address: str
) -> Iterator[tuple[list[int], list[PointTime]]]:
    try:
        from distributed import Client
        from distributed import as_completed as completed
    except ImportError:
        raise GpusimError(
            located("--cluster", "needs Dask", expected="pip install 'gpusim[cluster]'")
        ) from None
    try:
        client = Client(address, timeout="10s")
    except (OSError, TimeoutError, ValueError) as error:
        raise GpusimError(located(f"cluster {address}", "out of reach", found=str(error))) from None
    with client:
        futures = {
            client.submit(time_points, points, pure=False): numbers for numbers, points in work
        }
        for future, results in completed(futures, with_results=True):
            yield futures[future], results


def time_points(points: Sequence[SweepPoint]) -> list[PointTime]:
    """Return the times of some points; what a worker runs."""
    return [_time_point(point) for point in points]


def _time_point(point: SweepPoint) -> PointTime:
    device = _device(point.device)
    try:
        plans = plan_layer(point.library, point.layer, point.options)
        time = fastest([_time_plan(plan, point, device) for plan in plans])
    except GpusimError as error:
        return PointTime(
            point=point, method="", run_ps=0, n_jobs=0, launches=(), failure=str(error)
        )
    failure = f"{time.failures[0].kernel}: {time.failures[0].reason}" if time.failures else ""
    return PointTime(
        point=point,
        method=time.method,
        run_ps=time.run_ps,
        n_jobs=time.run.n_jobs,
        launches=tuple(
            PointLaunch(
                kernel=launch.kernel,
                global_size=launch.global_size,
                duration_ps=launch.duration_ps,
                jobs=tuple(
                    PointJob(
                        global_size=job.global_size,
                        local_size=job.local_size,
                        duration_ps=job.duration_ps,
                        bound=job.bound,
                        tasks=job.totals.get("tasks", 0),
                    )
                    for job in launch.jobs
                ),
            )
            for launch in time.run.launches
        ),
        failure=failure,
    )


def _time_plan(plan: PlannedLayer, point: SweepPoint, device: DeviceSpec) -> LayerTime:
    return time_plan(
        with_local_size(plan, point.local_size),
        device,
        fidelity=point.fidelity,
        clock_khz=point.clock_khz,
        prepare=False,
    )


def with_local_size(plan: PlannedLayer, local_size: Size3 | None) -> PlannedLayer:
    """Return a plan whose launches at every inference have that local size; None = as planned."""
    if local_size is None:
        return plan
    launches = tuple(
        replace(launch, local_size=local_size) if launch.label == Phase.RUN.value else launch
        for launch in plan.trace.launches
    )
    return replace(plan, trace=replace(plan.trace, launches=launches))


@cache
def _device(name: str) -> DeviceSpec:
    return load_device(name)
