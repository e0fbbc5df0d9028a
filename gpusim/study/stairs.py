"""Stairs of a channel sweep: steps, their causes, right-hand edges, interleaved staircases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gpusim.device import load_device
from gpusim.study.sweep import PointJob, PointLaunch, PointTime

TOLERANCE = 0.02
"""Relative change of the time below which two neighbours stand on the same tread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A change of time from one channel count to the next one."""

    channels: int
    """The higher count; the step lies below it."""
    below_ms: float
    above_ms: float
    cause: str
    """Kind of cause: ``method``, ``job split``, ``local size``, ``tile``, ``wave``, ``memory``."""
    words: str
    """The cause in one line."""

    @property
    def factor(self) -> float:
        """Time above the step over the time below it."""
        return self.above_ms / self.below_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Tread:
    """Neighbouring channel counts with the same time."""

    first: int
    last: int
    """The right-hand edge: most channels for this time."""
    ms: float
    staircase: int
    """Number of the staircase it belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stairs:
    """What a sweep over channels looks like."""

    steps: tuple[Step, ...]
    treads: tuple[Tread, ...]
    staircases: tuple[str, ...]
    """How the launches of each staircase are made, most points first."""
    best: tuple[int, ...]
    """Channel counts that no higher one is as fast as, ascending: the counts to prune to."""

    @property
    def is_interleaved(self) -> bool:
        """Whether the sweep returns to a staircase that it had left."""
        order = [tread.staircase for tread in self.treads]
        n_runs = 1 + sum(one != other for one, other in pairwise(order))
        return n_runs > len(set(order))


def find_stairs(times: Sequence[PointTime], *, tolerance: float = TOLERANCE) -> Stairs:
    """Return the stairs of one layer's sweep.

    Parameters
    ----------
    times : sequence of PointTime
        Points that differ in their output channels only; those without a time are passed over.
    tolerance : float
        Relative change of the time that is no step.
    """
    points = sorted(
        (time for time in times if not time.failure and time.run_ps > 0),
        key=lambda time: time.point.layer.out_channels,
    )
    if not points:
        return Stairs(steps=(), treads=(), staircases=(), best=())
    patterns = [_pattern(time) for time in points]
    ranked = [pattern for pattern, _ in Counter(patterns).most_common()]
    steps: list[Step] = []
    treads: list[Tread] = []
    first = 0
    for position in range(1, len(points) + 1):
        is_end = position == len(points)
        if not is_end and _equal(points[first].run_ps, points[position].run_ps, tolerance):
            continue
        treads.append(
            Tread(
                first=_channels(points[first]),
                last=_channels(points[position - 1]),
                ms=points[first].predicted_ms,
                staircase=ranked.index(patterns[first]),
            )
        )
        if is_end:
            break
        below, above = points[position - 1], points[position]
        cause, words = explain(below, above)
        steps.append(
            Step(
                channels=_channels(above),
                below_ms=below.predicted_ms,
                above_ms=above.predicted_ms,
                cause=cause,
                words=words,
            )
        )
        first = position
    return Stairs(
        steps=tuple(steps),
        treads=tuple(treads),
        staircases=tuple(ranked),
        best=_best(points, tolerance),
    )


def explain(below: PointTime, above: PointTime) -> tuple[str, str]:
    """Return kind and words of what changed between two points of a sweep.

    The launch whose time changed most is looked at; what the library decided is named before what
    the driver made of it, and that before what the cores made of it.
    """
    kernels = [[launch.kernel for launch in time.launches] for time in (below, above)]
    if below.method != above.method or kernels[0] != kernels[1]:
        old, new = (f"{time.method} ({', '.join(_short(time))})" for time in (below, above))
        return "method", f"{old} becomes {new}"
    old_launch, new_launch = max(
        zip(below.launches, above.launches, strict=True),
        key=lambda pair: abs(pair[1].duration_ps - pair[0].duration_ps),
    )
    name = new_launch.kernel
    if len(old_launch.jobs) != len(new_launch.jobs):
        return "job split", f"{name}: {_split(old_launch)} becomes {_split(new_launch)}"
    old_local, new_local = (_locals(launch) for launch in (old_launch, new_launch))
    if old_local[0] != new_local[0]:
        return "local size", f"{name}: {old_local[0]} becomes {new_local[0]}"
    if old_local != new_local:
        return "job split", f"{name}: {_split(old_launch)} becomes {_split(new_launch)}"
    if old_launch.global_size != new_launch.global_size:
        axis = next(
            number
            for number in range(3)
            if old_launch.global_size[number] != new_launch.global_size[number]
        )
        tile = (
            f"{name}: {old_launch.global_size[axis]} columns of work-items become "
            f"{new_launch.global_size[axis]}"
        )
        return _tile_or_wave(tile, below, _longest(old_launch).tasks, _longest(new_launch).tasks)
    old_bound, new_bound = (_longest(launch).bound for launch in (old_launch, new_launch))
    if old_bound != new_bound:
        return "memory", f"{name}: bound by {old_bound}, then by {new_bound}"
    return "memory", f"{name}: the same launches at other addresses"


def _tile_or_wave(tile: str, below: PointTime, old: int, new: int) -> tuple[str, str]:
    """Name the busiest core where its share grows unlike the number of tasks."""
    if not old or old == new:
        return "tile", tile
    cores = load_device(below.point.device).core.n_shader_cores.value
    old_wave, new_wave = -(-old // cores), -(-new // cores)
    if abs(new_wave / old_wave - new / old) > TOLERANCE:
        return "wave", (
            f"{tile}; {old} tasks become {new}, on the busiest of {cores} cores "
            f"{old_wave} become {new_wave}"
        )
    return "tile", f"{tile} ({old} tasks become {new})"


def _channels(time: PointTime) -> int:
    return time.point.layer.out_channels


def _equal(one: float, other: float, tolerance: float) -> bool:
    return abs(other - one) <= tolerance * one


def _best(points: Sequence[PointTime], tolerance: float) -> tuple[int, ...]:
    found: list[int] = []
    fastest: float | None = None
    for time in reversed(points):
        if fastest is None or time.run_ps < fastest * (1 - tolerance):
            found.append(_channels(time))
            fastest = time.run_ps
    return tuple(reversed(found))


def _pattern(time: PointTime) -> str:
    """Return how a point's launches are made, whatever their size."""
    jobs = ", ".join(
        f"{launch.kernel} in {len(launch.jobs)} job{'s' if len(launch.jobs) > 1 else ''} of "
        + " and ".join("x".join(map(str, job.local_size)) for job in launch.jobs[:1])
        for launch in time.launches
    )
    return f"{time.method}: {jobs}"


def _short(time: PointTime) -> list[str]:
    return [launch.kernel for launch in time.launches]


def _split(launch: PointLaunch) -> str:
    if len(launch.jobs) == 1:
        return f"one job of {'x'.join(map(str, launch.jobs[0].global_size))}"
    parts = " + ".join("x".join(map(str, job.global_size)) for job in launch.jobs)
    return f"{len(launch.jobs)} jobs of {parts}"


def _locals(launch: PointLaunch) -> list[str]:
    return ["x".join(map(str, job.local_size)) for job in launch.jobs]


def _longest(launch: PointLaunch) -> PointJob:
    return max(launch.jobs, key=lambda job: job.duration_ps)
