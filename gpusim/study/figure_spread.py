"""How much of a launch's time hangs on assumed hardware figures: finite differences.

Each assumed figure in `RANGES` whose bound comes near the time is moved to either end of its
plausible range; the times in closed form give the half-width. Figures err independently.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gpusim.compiler.cache import content_key
from gpusim.device.quantity import Kind
from gpusim.device.spec import DeviceSpec
from gpusim.study.launch_time import launch_key, launch_work
from gpusim.study.mechanisms import with_figures
from gpusim.study.time_store import TimeStore
from gpusim.timing import LaunchWork, simulate
from gpusim.trace.records import Launch, Trace

RANGES: dict[str, tuple[str, float]] = {
    "core.clock_khz": ("", 1.1),
    "core.load_store_bytes_per_cycle": ("load_store", 1.5),
    "core.load_store_per_cycle": ("load_store", 1.5),
    "core.n_arithmetic_pipes": ("arithmetic", 1.25),
    "core.thread_create_per_cycle": ("thread_creation", 2.0),
    "dram.efficiency": ("dram", 1.2),
    "dram.latency_ps": ("latency", 1.5),
    "dram.peak_bytes_per_s": ("dram", 1.25),
    "job_manager.descriptor_fetch_ps": ("launch", 2.0),
    "job_manager.task_dispatch_cycles": ("dispatch", 2.0),
    "l1.bytes_per_cycle": ("l2", 1.5),
    "l2.bytes_per_cycle": ("l2", 1.5),
    "l2.hit_latency_cycles": ("latency", 1.4),
    "tlb.miss_cycles": ("translation", 2.0),
}
"""Figure -> the bound it sets ("" = every bound), and the factor by which the true value is, with
80 % probability, at most larger or smaller.

Judged from how far the documented and measured values of related devices lie apart: clocks by a
tenth, memory systems by half, queues and driver costs by two.
"""
_NEAR = 0.7
"""Bounds below this share of the time are left alone: their figures would hardly show."""
_AT_MOST_ONE = {"dram.efficiency"}


def figure_spread(launch: Launch, trace: Trace, device: DeviceSpec, store: TimeStore) -> float:
    """Return the half-width (ln) of the 80 % interval that assumed figures alone give a launch.

    Raises
    ------
    GpusimError
        When the launch doesn't compile, isn't legal on the device, or can't be counted.
    """
    key = content_key(
        "figure spread", launch_key(launch, trace, device, "analytic"), repr(sorted(RANGES.items()))
    )
    found = store.get(key)
    if found is None:
        found = repr(work_spread(launch_work(launch, trace, device), device))
        store.put(key, found)
    return float(found)


def work_spread(work: LaunchWork, device: DeviceSpec) -> float:
    """Return `figure_spread` of a launch that has been counted."""
    return math.sqrt(math.fsum(change**2 for change in figure_effects(work, device).values()))


def bound_spread(bounds_ps: Mapping[str, int], time_ps: int, figures: Mapping[str, str]) -> float:
    """Return about what `figure_spread` says, from the bounds of a launch that was simulated.

    A figure moves its own bound in proportion, and the time as far as that bound fills it.

    Parameters
    ----------
    bounds_ps : mapping
        Bound -> time if only it existed.
    time_ps : int
    figures : mapping
        Path of every figure read -> its kind of evidence.
    """
    effects = []
    for path, (bound, factor) in RANGES.items():
        if figures.get(path) == Kind.ASSUMED.value and time_ps:
            share = min(bounds_ps.get(bound, 0) / time_ps, 1.0) if bound else 1.0
            if share >= _NEAR:
                effects.append(share * math.log(factor))
    return math.sqrt(math.fsum(effect**2 for effect in effects))


def figure_effects(work: LaunchWork, device: DeviceSpec) -> dict[str, float]:
    """Return figure -> largest |ln(time / time as modelled)| within its plausible range."""
    base = simulate(device, [work], fidelity="analytic")
    base_ps = _gpu_ps(base)
    near = {name for name, values in base.job_bounds_ps.items() if values.sum() >= _NEAR * base_ps}
    figures = device.figures()
    effects = {}
    for path, (bound, factor) in RANGES.items():
        if base.figures.get(path) != Kind.ASSUMED.value or (bound and bound not in near):
            continue
        value = figures[path].value
        effects[path] = max(
            abs(math.log(_gpu_ps(_changed(work, device, path, moved)) / base_ps))
            for moved in _ends(path, value, factor)
        )
    return effects


def _ends(path: str, value: Any, factor: float) -> tuple[Any, ...]:
    ends = (value / factor, value * factor)
    if path in _AT_MOST_ONE:
        ends = (ends[0], min(ends[1], 1.0))
    if isinstance(value, int):
        return tuple(max(1, round(end)) for end in ends)
    return ends


def _changed(work: LaunchWork, device: DeviceSpec, path: str, value: Any) -> Any:
    return simulate(with_figures(device, {path: value}), [work], fidelity="analytic")


def _gpu_ps(run: Any) -> int:
    return int(run.jobs["end_ps"].max()) - int(run.jobs["start_ps"].min())
