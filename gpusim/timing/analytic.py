"""The `analytic` fidelity: a closed form per job, a recurrence over the command order.

A job takes the largest of its bounds plus its fixed costs. The recurrence gives host, driver,
slot and interrupts the same rules as the event-driven model, without events.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gpusim.timing.core_plan import flush_ps, start_ps
from gpusim.timing.demand import THROUGHPUT, JobDemand
from gpusim.timing.figures import GpuFigures


def job_durations(demands: Sequence[JobDemand], figures: GpuFigures) -> npt.NDArray[np.int64]:
    """Return (n_job,) ps that each job occupies its slot.

    The busiest core has ``ceil(tasks / cores)`` tasks. Its time is the sum over the segments of
    the steady rate, but at least one unit's latency, and the job's at least what external memory
    needs.
    """
    if not demands:
        return np.zeros(0, dtype=np.int64)
    rows = np.concatenate([demand.segments for demand in demands])
    counts = np.array([len(demand.segments) for demand in demands])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    tasks = np.array([demand.work.tasks for demand in demands], dtype=np.float64)
    busiest = np.ceil(tasks / figures.n_cores) / np.maximum(tasks, 1)
    dispatch_ps = figures.task_dispatch_cycles * figures.cycle_ps
    service = np.max(
        [rows[name] for name in THROUGHPUT]
        + [dispatch_ps * figures.n_cores / rows["groups_per_task"]],
        axis=0,
    )
    hidden = rows["latency"] * rows["units_per_group"] / rows["resident_units"]
    steady = np.add.reduceat(rows["n_groups"] * np.maximum(service, hidden), starts) * busiest
    longest = np.maximum.reduceat(rows["longest"], starts)
    moved = np.add.reduceat(rows["n_groups"] * rows["dram_bytes"], starts)
    core = np.maximum(np.maximum(steady, longest), moved * figures.dram_ps_per_byte)
    first = dispatch_ps * np.minimum(tasks, figures.n_cores) + (
        figures.task_start_cycles * figures.cycle_ps
    )
    fixed = np.array([flush_ps(demand, figures) for demand in demands]) + start_ps(figures)
    durations: npt.NDArray[np.int64] = np.rint(core + first).astype(np.int64) + fixed
    return durations
