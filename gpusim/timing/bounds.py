"""The time a job would take if only one thing held it up: its rooflines, one by one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpusim.timing.demand import THROUGHPUT, JobDemand
from gpusim.timing.figures import GpuFigures
from gpusim.timing.fixed_costs import first_task_ps, flush_ps, start_ps
from gpusim.timing.timeline import BOUNDS


def job_bounds(demand: JobDemand, figures: GpuFigures) -> npt.NDArray[np.float64]:
    """Return (len(BOUNDS),) ps: lower bounds of the job's time in its slot.

    ``latency`` is what residency allows: all units of the job, a full core at a time, but at
    least one unit from first to last issue. ``launch`` is what an empty job costs.
    """
    rows = demand.segments
    groups = rows["n_groups"].astype(np.float64)
    bounds = {name: float(groups @ rows[name]) / figures.n_cores for name in THROUGHPUT}
    waves = groups * rows["units_per_group"] / rows["resident_units"] / figures.n_cores
    longest = float(rows["longest"].max()) if len(rows) else 0.0
    bounds["latency"] = max(float(waves @ rows["latency"]), longest)
    work = demand.work
    moved = work.dram_read_bytes + work.dram_write_bytes
    bounds["dram"] = moved * figures.dram_ps_per_byte
    bounds["dispatch"] = work.tasks * figures.task_dispatch_cycles * figures.cycle_ps
    bounds["launch"] = float(start_ps(figures) + first_task_ps(figures) + flush_ps(demand, figures))
    return np.array([bounds[name] for name in BOUNDS])
