"""What a simulation yields: spans on tracks, per-job times with their bound, counters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

SPAN = np.dtype(
    [
        ("track", np.int32),  # index into Timeline.tracks
        ("name", np.int32),  # index into Timeline.names
        ("launch", np.int32),  # -1 = none
        ("job", np.int32),  # index of the job within its launch, -1 = none
        ("start_ps", np.int64),
        ("end_ps", np.int64),
    ]
)

JOB_TIME = np.dtype(
    [
        ("launch", np.int32),
        ("job", np.int32),
        ("start_ps", np.int64),  # the slot starts to fetch the descriptor
        ("end_ps", np.int64),  # last task retired, caches flushed
        ("bound", np.int8),  # index into BOUNDS
    ]
)

BOUNDS = (
    "arithmetic",
    "load_store",
    "special",
    "texture",
    "l2",
    "dram",
    "latency",
    "thread_creation",
    "dispatch",
    "launch",
    "translation",
)
"""What a job spent most of its time on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One simulated run of a trace on a device."""

    device: str
    fidelity: str
    total_ps: int
    """From the first host call to the last host wake-up."""
    launch_start_ps: npt.NDArray[np.int64]
    """(n_launch,) enqueue call entered."""
    launch_end_ps: npt.NDArray[np.int64]
    """(n_launch,) last job of the launch ended on the GPU."""
    jobs: npt.NDArray[np.void]
    """(n_job,) JOB_TIME in submission order."""
    tracks: tuple[str, ...]
    """Hierarchical names: ``host``, ``driver``, ``job_slot[1]``, ``shader_core[3]``, ``dram``."""
    names: tuple[str, ...]
    spans: npt.NDArray[np.void]
    """(n_span,) SPAN."""
    counters: dict[str, int]
    """Vendor's public counter names -> value."""
    job_bounds_ps: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    """Bound name -> (n_job,) time each job would take if only that bound existed."""
    job_totals: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    """Name of a total of work (``tasks``, ``issue_units``, ``l2_read_bytes``,
    ``dram_write_bytes``...) -> (n_job,) its value. Regions that run as one job have the sum in
    the first one's row and 0 in the others, so that columns add up."""
    evidence: dict[str, int] = field(default_factory=dict)
    """Kind -> number of figures read."""
    fitted_and_assumed: tuple[str, ...] = ()
    """Paths of the fitted and assumed figures read."""
    figures: dict[str, str] = field(default_factory=dict)
    """Path of every figure read -> its kind of evidence."""
    notes: tuple[str, ...] = ()
    """What the model had to bend or leave out for some launch, in plain words."""
    n_events: int = 0
    """Events the simulation processed; 0 for a closed form."""
