"""The mechanisms of the model that can be switched off, one by one or together.

Switching one off leaves everything else as it is: a cost becomes zero, a rate or a capacity
becomes so large that it never matters. What the time then loses is what the mechanism costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from gpusim.device.spec import SECTIONS, DeviceSpec
from gpusim.isa.cost import KernelCost
from gpusim.timing import LaunchWork

Works = tuple[LaunchWork, ...]

_FAST = 10**12
"""A rate or a number of slots that nothing modelled comes near."""
_LARGE = 2**40
"""Bytes or entries that no trace needs."""
_BANKS = 2**16
"""More words than the on-chip memory of any core, so that every word has a bank of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """Something that costs time, and how to make it free."""

    name: str
    words: str
    """What it is, for a sentence."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Path of a figure -> its value with the mechanism off."""
    costs: tuple[str, ...] = ()
    """Columns of the kernels' cost tables that become zero."""
    change: Callable[[DeviceSpec, Works], tuple[DeviceSpec, Works]] | None = None
    """What figures and columns cannot express."""

    def off(self, device: DeviceSpec, works: Works) -> tuple[DeviceSpec, Works]:
        """Return device and launches without the mechanism."""
        device = with_figures(device, self.figures)
        if self.costs:
            works = _without_costs(works, self.costs)
        if self.change is not None:
            device, works = self.change(device, works)
        return device, works


def with_figures(device: DeviceSpec, figures: Mapping[str, Any]) -> DeviceSpec:
    """Return a device model with other values for some figures.

    Parameters
    ----------
    device : DeviceSpec
    figures : mapping
        Path (``l2.size_bytes``) -> value in the field's unit. The figure keeps its evidence, so
        the result is for comparisons, not a model to publish.

    Raises
    ------
    KeyError
        If there is no such figure.
    """
    sections: dict[str, dict[str, Any]] = {}
    for path, value in figures.items():
        section, _, name = path.partition(".")
        if section not in SECTIONS or name not in {item.name for item in fields(SECTIONS[section])}:
            raise KeyError(path)
        quantity = getattr(getattr(device, section), name)
        sections.setdefault(section, {})[name] = replace(quantity, value=value)
    changed = {
        section: replace(getattr(device, section), **quantities)
        for section, quantities in sections.items()
    }
    return replace(device, **changed)


def _without_costs(works: Works, columns: Sequence[str]) -> Works:
    """Return the launches with some columns of their cost tables at zero.

    Launches that share a cost table share the changed one, so that equal work stays equal.
    """
    known: dict[int, KernelCost] = {}
    for work in works:
        if id(work.cost) not in known:
            blocks = np.array(work.cost.blocks)
            for column in columns:
                blocks[column] = 0
            known[id(work.cost)] = replace(work.cost, blocks=blocks)
    return tuple(replace(work, cost=known[id(work.cost)]) for work in works)


def _joined(device: DeviceSpec, works: Works) -> tuple[DeviceSpec, Works]:
    """Run the regions of a launch as one job, as devices do whose policy is ``none``."""
    return device, tuple(
        replace(work, jobs=tuple(replace(job, joined=job.index > 0) for job in work.jobs))
        for work in works
    )


MECHANISMS: tuple[Mechanism, ...] = (
    Mechanism(
        name="job_split", words="splitting an uneven launch into several jobs", change=_joined
    ),
    Mechanism(
        name="host",
        words="host calls, driver, interrupts and power-up",
        figures={
            "host.enqueue_ps": 0,
            "host.submit_ps": 0,
            "host.mmio_access_ps": 0,
            "host.interrupt_ps": 0,
            "host.interrupt_spacing_ps": 0,
            "host.wakeup_ps": 0,
            "host.power_on_ps": 0,
        },
    ),
    Mechanism(
        name="job_start",
        words="starting a job and flushing caches after it",
        figures={
            "job_manager.descriptor_fetch_ps": 0,
            "job_manager.cache_flush_fixed_cycles": 0,
            "job_manager.cache_flush_bytes_per_cycle": _FAST,
        },
    ),
    Mechanism(
        name="dispatch",
        words="handing tasks to the cores",
        figures={"job_manager.task_dispatch_cycles": 0, "job_manager.task_start_cycles": 0},
    ),
    Mechanism(
        name="thread_creation",
        words="creating threads",
        figures={"core.thread_create_per_cycle": _FAST},
    ),
    Mechanism(
        name="arithmetic",
        words="issuing arithmetic",
        costs=("issue_cycles", "special_cycles"),
    ),
    Mechanism(
        name="issue_gaps",
        words="cycles in which a busy arithmetic pipe does not issue",
        figures={"core.issue_efficiency": 1},
    ),
    Mechanism(
        name="load_store",
        words="the load/store and texture pipes",
        figures={
            "core.load_store_per_cycle": _FAST,
            "core.load_store_bytes_per_cycle": _FAST,
            "core.load_store_restart_cycles": 0,
            "core.atomics_per_cycle": _FAST,
            "core.texture_per_cycle": _FAST,
        },
        costs=("load_store_cycles",),
    ),
    Mechanism(
        name="coalescing",
        words="accesses of a warp that spread over several cache lines",
        figures={"l1.line_bytes": _LARGE, "l1.bytes_per_cycle": _FAST},
    ),
    Mechanism(
        name="l1_lookups",
        words="L1 taking a warp by groups of a few lanes",
        figures={"core.lookups_per_cycle": _FAST},
    ),
    Mechanism(
        name="bank_conflicts",
        words="lanes that ask one bank of local memory for different words",
        figures={"core.local_memory_banks": _BANKS},
    ),
    Mechanism(
        name="latency",
        words="latency that the resident threads do not hide",
        figures={
            "core.arithmetic_latency_cycles": 0,
            "core.local_memory_latency_cycles": 0,
            "core.barrier_cycles": 0,
            "l1.hit_latency_cycles": 0,
            "l2.hit_latency_cycles": 0,
            "dram.latency_ps": 0,
        },
        costs=("latency_cycles",),
    ),
    Mechanism(
        name="translation",
        words="address translation",
        figures={"tlb.miss_cycles": 0, "tlb.shared_hit_cycles": 0, "tlb.walk_accesses": 0},
    ),
    Mechanism(
        name="l1_size",
        words="what does not fit in L1",
        figures={"l1.size_bytes": _LARGE},
    ),
    Mechanism(
        name="l2_bandwidth",
        words="the bandwidth of L2 and the misses a core may have in flight",
        figures={"l2.bytes_per_cycle": _FAST, "l1.outstanding_misses": _FAST},
    ),
    Mechanism(
        name="l2_size",
        words="what does not fit in L2",
        figures={"l2.size_bytes": _LARGE},
    ),
    Mechanism(
        name="dram",
        words="the bandwidth of external memory",
        figures={
            "dram.peak_bytes_per_s": 10**18,
            "dram.efficiency": 1,
            "dram.bus_bytes_per_cycle": _FAST,
            "dram.row_miss_ps": 0,
            "l2.outstanding_misses": _FAST,
        },
    ),
)
"""In the order in which they are reported."""
