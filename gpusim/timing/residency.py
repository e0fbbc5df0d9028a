"""How many threads or warps of a kernel a core holds at once."""

from __future__ import annotations

from dataclasses import dataclass

from gpusim.timing.figures import GpuFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Residency:
    """Static limits on what a core holds of one kernel and group shape.

    A unit is what is scheduled: a thread on Midgard, a warp elsewhere.
    """

    units_per_group: int
    resident_units: int
    whole_groups: bool
    """Whether groups come and go as a whole (barriers, NVIDIA) instead of unit by unit."""
    note: str = ""
    """What the model had to bend, in plain words; empty = nothing."""


def threads_per_core(figures: GpuFigures, registers: int) -> int:
    """Return the work-items a core holds when each uses `registers` registers.

    The last row of the table serves kernels that use more registers than it lists.
    """
    threads = next(
        (count for limit, count in figures.max_threads if registers <= limit),
        figures.max_threads[-1][1],
    )
    if figures.registers:
        granule = figures.register_granule
        allocated = -(-max(registers, 1) // granule) * granule
        threads = min(threads, figures.registers // allocated)
    return max(threads, figures.warp_width)


def residency(
    figures: GpuFigures,
    *,
    group_items: int,
    registers: int,
    has_barrier: bool,
    local_bytes: int,
) -> Residency:
    """Return the residency of work-groups of `group_items` work-items on one core.

    A Midgard core counts threads and a Bifrost or Valhall core warps, so a group without a
    barrier may be resident in part; a warp never mixes work-groups. With a barrier, and always
    on NVIDIA and Adreno, whole groups fit or do not.

    Parameters
    ----------
    figures : GpuFigures
    group_items : int
        Work-items per group.
    registers : int
        Per work-item, as the ISA back end counts them.
    has_barrier : bool
    local_bytes : int
        Local memory per group; limits residency only where it is on chip.
    """
    capacity = threads_per_core(figures, registers) // figures.warp_width
    units = -(-group_items // figures.warp_width)
    if not (has_barrier or figures.whole_groups):
        resident = min(capacity, figures.max_work_groups * units)
        return Residency(units_per_group=units, resident_units=resident, whole_groups=False)
    groups = min(capacity // units, figures.max_work_groups)
    if figures.local_memory_bytes and local_bytes:
        groups = min(groups, figures.local_memory_bytes // local_bytes)
    note = ""
    if groups == 0:
        note = (
            f"a work-group of {group_items} work-items with {registers} registers and "
            f"{local_bytes} bytes of local memory exceeds a core; timed as if one fitted"
        )
        groups = 1
    return Residency(
        units_per_group=units, resident_units=groups * units, whole_groups=True, note=note
    )
