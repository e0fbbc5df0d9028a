"""Keep what caches see of a job from run to run.

Lines and pages that a job touches depend on its addresses, on how much of it is resident and on
the sizes of the caches, not on any latency or rate. So runs that repeat launches, or vary other
figures (a calibration), need the estimate once; it is four fifths of a simulation's time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gpusim.count.work_count import WorkCount
from gpusim.lower.job import Job
from gpusim.timing.figures import GpuFigures
from gpusim.timing.memory_traffic import Traffic, estimate_traffic
from gpusim.timing.residency import Residency

FIGURES = (
    "n_cores",
    "warp_width",
    "fill_bytes",
    "l1_fills",
    "l1_line_bytes",
    "l1_bytes_per_cycle",
    "l1_sector_bytes",
    "lookup_lanes",
    "lookups_per_cycle",
    "local_memory_bytes",
    "local_banks",
    "page_bytes",
    "tlb_entries",
    "shared_tlb_entries",
    "l2_size_bytes",
)
"""Figures that `estimate_traffic` reads; a test holds it to them."""


@dataclass(slots=True)
class TrafficMemo:
    """Traffic of jobs seen so far; holds on to the jobs."""

    known: dict[tuple[object, ...], tuple[Job, WorkCount, Traffic]] = field(default_factory=dict)

    def traffic(
        self, job: Job, count: WorkCount, figures: GpuFigures, resident: Residency
    ) -> Traffic:
        """Return `estimate_traffic` of the same arguments."""
        key = (
            id(job),
            id(count),
            resident.units_per_group,
            resident.resident_units,
            *(getattr(figures, name) for name in FIGURES),
        )
        if key not in self.known:
            traffic = estimate_traffic(job, count, figures, resident)
            # Holding the objects keeps their ids from being given to others.
            self.known[key] = (job, count, traffic)
        return self.known[key][2]
