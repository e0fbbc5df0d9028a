"""The `analytic` fidelity: a closed form per job, a recurrence over the command order.

A job takes the largest of its bounds plus its fixed costs. The recurrence gives host, driver,
slot and interrupts the same rules as the event-driven model, without events.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gpusim.timing.core_plan import steady_ps
from gpusim.timing.demand import JobDemand
from gpusim.timing.figures import GpuFigures
from gpusim.timing.fixed_costs import dispatch_ps, first_task_ps, flush_ps, start_ps


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
    per_group = steady_ps(rows, figures) * rows["units_per_group"]
    steady = np.add.reduceat(rows["n_groups"] * per_group, starts) * busiest
    longest = np.maximum.reduceat(rows["longest"], starts)
    moved = np.add.reduceat(rows["n_groups"] * rows["dram_bytes"], starts)
    core = np.maximum(np.maximum(steady, longest), moved * figures.dram_ps_per_byte)
    # Launches of equal work share a demand: its fixed costs are computed once.
    fixed = {id(demand): demand for demand in demands}
    costs = {
        key: (dispatch_ps(demand, figures), flush_ps(demand, figures))
        for key, demand in fixed.items()
    }
    dispatched, flushed = np.array([costs[id(demand)] for demand in demands]).T
    in_cores = np.rint(core).astype(np.int64) + first_task_ps(figures)
    durations: npt.NDArray[np.int64] = (
        np.maximum(in_cores, dispatched) + flushed + start_ps(figures)
    )
    return durations
