"""Quantities over time, read off a timeline: how many cores work, how fast memory streams.

A series is a step function: (times_ps, values), each value holding until the next time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gpusim.report.report import JobRow, Report
from gpusim.timing.timeline import Timeline
from gpusim.units import PS_PER_S

Series = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]
_NOTHING: Series = (np.zeros(1, np.int64), np.zeros(1))


def track_group(track: str) -> str:
    """Return the kind of a track: ``shader_core`` for ``shader_core[3]``."""
    return track.partition("[")[0].partition(".")[0]


def _steps(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], values: object) -> Series:
    """Return the sum over intervals of the value each has while it lasts."""
    weights = np.broadcast_to(np.asarray(values, dtype=np.float64), starts.shape)
    times = np.concatenate([starts, ends])
    changes = np.concatenate([weights, -weights])
    at, where = np.unique(times, return_inverse=True)
    summed = np.bincount(where, weights=changes, minlength=len(at))
    totals: npt.NDArray[np.float64] = np.cumsum(summed, dtype=np.float64)
    # What cancels exactly in the integers of the intervals may leave a trace in the floats.
    totals[np.abs(totals) <= 1e-9 * np.abs(weights).max(initial=0.0)] = 0.0
    return at, totals


def active_cores(timeline: Timeline) -> Series:
    """Return how many shader cores have work, over time."""
    is_core = np.array([track_group(name) == "shader_core" for name in timeline.tracks], bool)
    spans = timeline.spans[is_core[timeline.spans["track"]]] if is_core.any() else None
    if spans is None or len(spans) == 0:
        return _NOTHING
    pieces = []
    for track in np.unique(spans["track"]):
        own = spans[spans["track"] == track]
        pieces.append(_union(own["start_ps"], own["end_ps"]))
    return _steps(
        np.concatenate([starts for starts, _ in pieces]),
        np.concatenate([ends for _, ends in pieces]),
        1.0,
    )


def _union(
    starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the union of intervals sorted by start, as disjoint intervals."""
    reached = np.maximum.accumulate(ends)
    fresh = np.concatenate([[True], starts[1:] > reached[:-1]])
    last = np.concatenate([np.flatnonzero(fresh)[1:] - 1, [len(starts) - 1]])
    return starts[fresh], reached[last]


def dram_rate(report: Report) -> Series:
    """Return bytes per second to and from external memory, over time.

    A job's bytes are spread evenly over its time in the slot; the simulation says how many there
    are, not when each moves.
    """
    return _rate(report, lambda job: job.dram_bytes)


def l2_rate(report: Report) -> Series:
    """Return bytes per second between L2 and the cores, spread as in `dram_rate`."""
    return _rate(report, lambda job: job.l2_bytes)


def _rate(report: Report, moved: Callable[[JobRow], int]) -> Series:
    jobs = [
        job for row in report.launches for job in row.jobs if job.duration_ps > 0 and not job.joined
    ]
    if not jobs:
        return _NOTHING
    starts = np.array([job.start_ps for job in jobs], dtype=np.int64)
    ends = np.array([job.end_ps for job in jobs], dtype=np.int64)
    total = np.array([moved(job) for job in jobs], dtype=np.float64)
    return _steps(starts, ends, total * PS_PER_S / (ends - starts))


def jobs_in_flight(report: Report) -> Series:
    """Return how many jobs are enqueued and not yet ended, over time."""
    pairs = [
        (row.enqueue_ps, job.end_ps)
        for row in report.launches
        for job in row.jobs
        if not job.joined
    ]
    if not pairs:
        return _NOTHING
    table = np.array(pairs, dtype=np.int64)
    return _steps(table[:, 0], table[:, 1], 1.0)
