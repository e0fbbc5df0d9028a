"""Hardware counters of a run, under the names the vendors publish.

Driver-level counts have no public name; they are prefixed ``driver.``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from gpusim.timing.demand import JobDemand, JobWork
from gpusim.timing.figures import GpuFigures, HostFigures

_BEAT_BYTES = 16
"""An external-bus beat of every Mali modelled (Arm's counter definitions)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a run did over time, for the counters that count cycles and events."""

    slot_cycles: int
    """Sum over the jobs of their time in the slot."""
    core_cycles: int
    """Sum over the cores."""
    n_interrupts: int


def counters(
    demands: Sequence[JobDemand], activity: Activity, gpu: GpuFigures, host: HostFigures
) -> dict[str, int]:
    """Return counter name -> value for the whole run.

    Parameters
    ----------
    demands : sequence of JobDemand
        One per submission.
    activity : Activity
    gpu, host : GpuFigures, HostFigures
    """
    total = {
        item.name: sum(getattr(demand.work, item.name) for demand in demands)
        for item in fields(JobWork)
    }
    slot_cycles, core_cycles = activity.slot_cycles, activity.core_cycles
    slot = f"JS{gpu.compute_slot}"
    driver = {
        "driver.jobs": len(demands),
        "driver.interrupts": activity.n_interrupts,
        "driver.register_writes": len(demands) * host.register_writes_per_submit,
        "driver.register_reads": len(demands) * host.register_reads_per_submit,
        "driver.interrupt_accesses": activity.n_interrupts * host.accesses_per_interrupt,
    }
    if gpu.family in ("maxwell", "pascal"):
        caches = {
            "l1tex__t_requests.sum": total["l1_lookups"],
            "lts__t_requests.sum": total["l2_lookups"],
            "lts__t_requests_lookup_miss.sum": total["l2_misses"],
        }
        return {
            "sm__cycles_elapsed.sum": slot_cycles * gpu.n_cores,
            "sm__cycles_active.sum": core_cycles,
            "sm__warps_launched.sum": total["warps"],
            "launch__grid_size": total["work_groups"],
            "smsp__inst_executed.sum": total["issue_units"],
            "lts__t_bytes.sum": total["l2_read_bytes"] + total["l2_write_bytes"],
            "dram__bytes_read.sum": total["dram_read_bytes"],
            "dram__bytes_write.sum": total["dram_write_bytes"],
            **(caches if total["l1_lookups"] else {}),
            **driver,
        }
    shared = {
        "GPU_ACTIVE": slot_cycles,
        f"{slot}_ACTIVE": slot_cycles,
        f"{slot}_JOBS": len(demands),
        f"{slot}_TASKS": total["tasks"],
        "COMPUTE_ACTIVE": core_cycles,
    }
    memory = {
        "L2_EXT_READ_BEATS": -(-total["dram_read_bytes"] // _BEAT_BYTES),
        "L2_EXT_WRITE_BEATS": -(-total["dram_write_bytes"] // _BEAT_BYTES),
    }
    if total["l1_lookups"]:
        memory |= {
            "L1_ANY_LOOKUP": total["l1_lookups"],
            "L1_MISS": total["l1_misses"],
            "L2_ANY_LOOKUP": total["l2_lookups"],
            "L2_MISS": total["l2_misses"],
            "MMU_REQUESTS": total["tlb_misses"],
        }
    if not gpu.has_warps:
        core = {
            "COMPUTE_THREADS": total["work_items"],
            "ARITH_WORDS": total["issue_units"],
            "LS_WORDS": total["load_store"],
            "TEX_WORDS": total["texture"],
        }
    else:
        core = {
            "COMPUTE_WARPS": total["warps"],
            "EXEC_INSTR_COUNT": total["issue_units"],
            "LS_MEM_ACCESSES": total["load_store"],
        }
    return {**shared, **core, **memory, **driver}
