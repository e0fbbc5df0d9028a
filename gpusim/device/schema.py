"""What each figure of a device model may be: its dimension and its physical range.

One row per field of :mod:`gpusim.device.spec`; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

FAMILIES = ("midgard", "bifrost", "valhall", "maxwell", "pascal", "adreno")
ISAS = FAMILIES
"""One ISA back end a family."""

_KHZ_MAX = 10_000_000  # 10 GHz
_MINUTE_PS = 60 * 10**12
_TIB = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Rule for one figure, in the canonical unit of its dimension."""

    dimension: str
    low: float = 0
    high: float = float("inf")
    whole: bool = True
    """Whether the canonical value must be an integer."""
    power_of_two: bool = False
    choices: tuple[str, ...] = ()
    """Legal words, for text."""


def _count(low: int = 1, high: int = 1 << 20, *, power_of_two: bool = False) -> Figure:
    return Figure(dimension="count", low=low, high=high, power_of_two=power_of_two)


def _size(low: int = 0, high: int = _TIB, *, power_of_two: bool = False) -> Figure:
    return Figure(dimension="size", low=low, high=high, power_of_two=power_of_two)


def _cycles(low: float = 0) -> Figure:
    return Figure(dimension="cycles", low=low, high=1e6, whole=False)


def _per_cycle() -> Figure:
    return Figure(dimension="per_cycle", low=1e-3, high=1024, whole=False)


def _bytes_per_cycle() -> Figure:
    return Figure(dimension="bytes_per_cycle", low=1e-3, high=65536, whole=False)


def _text(*choices: str) -> Figure:
    return Figure(dimension="text", choices=choices)


_TIME = Figure(dimension="time", low=0, high=_MINUTE_PS)

_CACHE = {
    "size_bytes": _size(64, 1 << 30),
    "line_bytes": _size(8, 4096, power_of_two=True),
    "ways": _count(1, 1024),
    "hit_latency_cycles": _cycles(1),
    "bytes_per_cycle": _bytes_per_cycle(),
    "outstanding_misses": _count(1, 65536),
    "n_slices": _count(1, 256),
    "sector_bytes": _size(8, 4096, power_of_two=True),
    "write_policy": _text("write_back", "write_through"),
}

FIGURES: dict[str, dict[str, Figure]] = {
    "core": {
        "n_shader_cores": _count(1, 4096),
        "clock_khz": Figure(dimension="frequency", low=1000, high=_KHZ_MAX),
        "warp_width": _count(1, 1024),
        "n_arithmetic_pipes": _count(1, 64),
        "lanes_per_pipe": _count(1, 1024),
        "max_threads": Figure(dimension="table", low=1, high=1 << 20),
        "max_work_groups": _count(1, 65536),
        "thread_create_per_cycle": _per_cycle(),
        "load_store_per_cycle": _per_cycle(),
        "load_store_bytes_per_cycle": _bytes_per_cycle(),
        "lookup_lanes": _count(0, 1024),
        "lookups_per_cycle": _count(1, 64),
        "arithmetic_latency_cycles": _cycles(1),
        "registers": _count(0, 1 << 24),
        "register_granule": _count(1, 1024),
        "local_memory_bytes": _size(0, 1 << 30),
        "fma_per_lane": _count(1, 64),
        "half_fma_per_lane": _count(0, 64),
        "load_store_operations_per_word": _count(1, 16),
        "load_store_restart_cycles": _cycles(),
        "atomics_per_cycle": _per_cycle(),
        "texture_per_cycle": _per_cycle(),
        "local_memory_banks": _count(0, 1024),
        "local_memory_latency_cycles": _cycles(1),
        "barrier_cycles": _cycles(),
        "issue_per_pipe": _count(1, 8),
        "issue_efficiency": Figure(dimension="fraction", low=0.1, high=1, whole=False),
        "clause_switch_cycles": _cycles(),
        "messages_in_flight": _count(1, 1024),
        "instruction_cache_bytes": _size(0, 1 << 24),
        "texture_cache_bytes": _size(0, 1 << 24),
    },
    "l1": _CACHE,
    "l2": _CACHE,
    "tlb": {
        "page_bytes": _size(4096, 1 << 30, power_of_two=True),
        "entries": _count(1, 1 << 20),
        "miss_cycles": _cycles(),
        "shared_entries": _count(0, 1 << 24),
        "shared_ways": _count(1, 1024),
        "shared_hit_cycles": _cycles(),
        "walk_accesses": _count(0, 16),
    },
    "dram": {
        "peak_bytes_per_s": Figure(dimension="bandwidth", low=10**6, high=10**14),
        "efficiency": Figure(dimension="fraction", low=0.01, high=1, whole=False),
        "latency_ps": _TIME,
        "bus_bytes_per_cycle": _bytes_per_cycle(),
        "n_channels": _count(1, 1024),
        "n_banks": _count(1, 1024),
        "row_bytes": _size(64, 1 << 20, power_of_two=True),
        "burst_bytes": _size(8, 4096, power_of_two=True),
        "row_miss_ps": _TIME,
        "interleave_bytes": _size(64, 1 << 20, power_of_two=True),
    },
    "host": {
        "launch_latency_ps": _TIME,
        "enqueue_ps": _TIME,
        "submit_ps": _TIME,
        "mmio_access_ps": _TIME,
        "mmio_writes_per_submit": _count(0, 1024),
        "mmio_reads_per_submit": _count(0, 1024),
        "mmio_accesses_per_interrupt": _count(0, 1024),
        "interrupt_ps": _TIME,
        "interrupt_spacing_ps": _TIME,
        "wakeup_ps": _TIME,
        "flush_period": _count(0, 1 << 20),
        "power_on_ps": _TIME,
        "power_off_idle_ps": _TIME,
    },
    "job_manager": {
        "n_slots": _count(1, 1024),
        "n_compute_slots": _count(1, 1024),
        "slot_depth": _count(1, 1024),
        "descriptor_fetch_ps": _TIME,
        "task_dispatch_cycles": _cycles(),
        "task_start_cycles": _cycles(),
        "min_task_threads": _count(1, 65536),
        "queue_order": _text("processor", "hardware"),
        "caches_between_jobs": _text("invalidated", "kept"),
        "cache_flush_fixed_cycles": _cycles(),
        "cache_flush_bytes_per_cycle": _bytes_per_cycle(),
    },
    "limits": {
        "max_work_group_size": _count(1, 65536),
        "global_memory_bytes": _size(1 << 20),
        "max_allocation_bytes": _size(1 << 16),
    },
    "policy": {
        "null_local_size": _text(
            "mali_g72", "power_of_two_divisors_64", "power_of_two_divisors_256"
        ),
        "job_split": _text("uniform_and_remainder", "none"),
        "buffer_alignment_bytes": _size(1, 1 << 24, power_of_two=True),
    },
}

GPU_WIDE = ("core.clock_khz", "tlb.", "dram.", "job_manager.", "policy.")
"""Figures (or sections, with a dot) that all views of one GPU share."""
