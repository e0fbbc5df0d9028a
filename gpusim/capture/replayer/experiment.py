"""What is run on a real device, and what a row of the result says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gpusim.trace.records import Size3, Trace

EVENT = "event"
"""CL_PROFILING END - START of a launch; launches of a pass follow each other without a finish."""
LATENCY = "latency"
"""CL_PROFILING START - QUEUED, a finish after each launch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A row of the result; the fastest of the launches that belong to it counts."""

    kernel: str
    params: Mapping[str, Any] = field(default_factory=dict)
    global_size: Size3
    local_size: Size3 | None
    metric: str
    unit: str
    """``us``, or ``GFLOPS`` or ``GBPS``: `amount` per nanosecond."""
    amount: float = 0.0
    """Operations or bytes of one launch, for a rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Launches that run one after the other, over and over, and the rows they give."""

    trace: Trace
    rows: tuple[Wanted, ...]
    row_of_launch: tuple[int, ...]
    """Position in `rows`, for each launch of the trace."""
    timing: str = EVENT


def size_cell(size: Size3 | None) -> str:
    """Return an NDRange as measured tables write it."""
    return "driver" if size is None else ", ".join(map(str, size))


def experiment_of_trace(trace: Trace, only: str = "") -> Experiment:
    """Return the launches of a trace as one experiment, one row a launch.

    Launches that the runtime had refused, that have no work-items, or whose kernel's name does
    not contain `only`, are left out of the rows and are not run.
    """
    name = Path(trace.name).name
    launches = tuple(
        launch
        for launch in trace.launches
        if launch.result_code == 0 and 0 not in launch.global_size and only in launch.kernel
    )
    return Experiment(
        trace=replace(trace, launches=launches),
        rows=tuple(
            Wanted(
                kernel=launch.kernel,
                params={"launch": launch.index, "trace": name, "timing": EVENT},
                global_size=launch.global_size,
                local_size=launch.local_size,
                metric="kernel_time_median",
                unit="us",
            )
            for launch in launches
        ),
        row_of_launch=tuple(range(len(launches))),
    )
