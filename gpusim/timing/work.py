"""What the timing stage is given: one launch with its jobs, their exact work and its cost."""

from __future__ import annotations

from dataclasses import dataclass

from gpusim.count.work_count import WorkCount
from gpusim.isa.cost import KernelCost
from gpusim.lower.job import Job
from gpusim.trace.records import Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchWork:
    """A launch ready to be timed."""

    launch: Launch
    jobs: tuple[Job, ...]
    counts: tuple[WorkCount, ...]
    """One per job."""
    cost: KernelCost
