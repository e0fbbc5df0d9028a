"""Launches as the page shows them: one by one, or equal ones together when there are many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpusim.report.report import JobRow, LaunchRow, Report
from gpusim.report.tables import size_text

SHOWN_ONE_BY_ONE = 60
"""More launches than this are grouped by kernel and NDRange."""
SHOWN_GROUPS = 120
"""More groups than this: the longest are shown, the others are summed up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Launches of one kernel that asked for the same NDRange and became the same jobs."""

    launches: tuple[LaunchRow, ...]

    @property
    def first(self) -> LaunchRow:
        """The launch that stands for all where they are equal."""
        return self.launches[0]

    @property
    def kernel(self) -> str:
        """Kernel name."""
        return self.first.kernel

    @property
    def label(self) -> str:
        """Launch index, or how many launches."""
        n = len(self.launches)
        return f"#{self.first.index}" if n == 1 else f"{n} ×"

    @property
    def size(self) -> str:
        """Global and local size."""
        row = self.first
        return f"{size_text(row.global_size)} in {size_text(row.local_size)}"

    @property
    def predicted_ps(self) -> int:
        """Sum over the launches."""
        return sum(row.predicted_ps for row in self.launches)

    @property
    def jobs(self) -> tuple[JobRow, ...]:
        """Jobs of all launches."""
        return tuple(job for row in self.launches for job in row.jobs)

    def total(self, name: str) -> int:
        """Return a total of work, summed over the jobs."""
        return sum(job.totals.get(name, 0) for job in self.jobs)

    def bounds_ps(self) -> dict[str, int]:
        """Return the bounds, summed over the jobs."""
        return _summed(job.bounds_ps for job in self.jobs if not job.joined)

    def float_operations(self) -> dict[int, int]:
        """Return floating-point operations by bits of the operands."""
        return _summed(job.float_operations for job in self.jobs)

    def parts_ps(self) -> dict[str, int]:
        """Return what the time consists of; adds up to `predicted_ps` where jobs do not overlap.

        Per job: what an empty job costs (``launch``), the longest other bound under its name,
        and the ``rest``: tail of the last wave, idle cores, waiting that does not overlap.
        Time between the jobs of a launch is ``gap``.
        """
        parts: dict[str, int] = {}
        for row in self.launches:
            for job in row.jobs:
                for name, value in _job_parts(job).items():
                    parts[name] = parts.get(name, 0) + value
            gap = row.predicted_ps - sum(job.duration_ps for job in row.jobs if not job.joined)
            if gap > 0:
                parts["gap"] = parts.get("gap", 0) + gap
        return parts


def _job_parts(job: JobRow) -> dict[str, int]:
    if job.joined:
        return {}
    fixed = min(job.bounds_ps.get("launch", 0), job.duration_ps)
    others = {name: value for name, value in job.bounds_ps.items() if name != "launch"}
    left = job.duration_ps - fixed
    if not others:
        return {"launch": fixed, "rest": left}
    main = max(others, key=lambda name: others[name])
    length = min(others[main], left)
    return {"launch": fixed, main: length, "rest": left - length}


def _summed(rows: Iterable[Mapping[Any, int]]) -> dict[Any, int]:
    sums: dict[Any, int] = {}
    for row in rows:
        for name, value in row.items():
            sums[name] = sums.get(name, 0) + value
    return sums


def group_key(row: LaunchRow) -> tuple[object, ...]:
    """Return what makes launches equal on the page."""
    jobs = tuple((job.global_size, job.local_size) for job in row.jobs)
    return (row.kernel, row.global_size, row.local_size, jobs)


def launch_groups(launches: Sequence[LaunchRow]) -> list[Group]:
    """Return equal launches together, in the order of first appearance."""
    found: dict[tuple[object, ...], list[LaunchRow]] = {}
    for row in launches:
        found.setdefault(group_key(row), []).append(row)
    return [Group(launches=tuple(rows)) for rows in found.values()]


def shown_groups(report: Report) -> tuple[list[Group], list[Group]]:
    """Return the rows to show, and those left out because there are too many.

    Few launches are shown one by one; of many, equal ones together, the longest first.
    """
    if len(report.launches) <= SHOWN_ONE_BY_ONE:
        return [Group(launches=(row,)) for row in report.launches], []
    groups = sorted(launch_groups(report.launches), key=lambda group: -group.predicted_ps)
    return groups[:SHOWN_GROUPS], groups[SHOWN_GROUPS:]


def kernel_colours(report: Report) -> Mapping[str, int]:
    """Return a colour number per kernel, in the order of first appearance."""
    return {name: k for k, name in enumerate(dict.fromkeys(r.kernel for r in report.launches))}
