"""Checks between the figures of one model: each may be possible alone and not together."""

from __future__ import annotations

from gpusim.device.quantity import Quantity
from gpusim.device.spec import CacheSpec, DeviceSpec
from gpusim.errors import DeviceError, located


def check_plausible(spec: DeviceSpec) -> None:
    """Raise a DeviceError for the first contradiction between figures of `spec`."""
    core, limits = spec.core, spec.limits
    _at_most(limits.max_allocation_bytes, limits.global_memory_bytes)
    residents = max(core.max_threads.value.values())
    if limits.max_work_group_size.value > residents:
        raise _error(
            limits.max_work_group_size,
            "a work-group that no core can hold",
            f"at most {residents} (core.max_threads)",
        )
    if core.warp_width.value > residents:
        raise _error(core.warp_width, "a warp that no core can hold", f"at most {residents}")
    for cache in (spec.l1, spec.l2):
        _check_cache(cache)
    _at_most(spec.l1.line_bytes, spec.tlb.page_bytes)
    _at_most(spec.dram.burst_bytes, spec.dram.row_bytes)
    has_memory, has_banks = core.local_memory_bytes.value > 0, core.local_memory_banks.value > 0
    if has_memory != has_banks:
        raise _error(
            core.local_memory_banks,
            "on-chip local memory and its banks contradict each other",
            f"{'some' if has_memory else 'no'} banks (core.local_memory_bytes is "
            f"{core.local_memory_bytes.value})",
        )


def _check_cache(cache: CacheSpec) -> None:
    _at_most(cache.sector_bytes, cache.line_bytes)
    way_bytes = cache.line_bytes.value * cache.ways.value * cache.n_slices.value
    if cache.size_bytes.value % way_bytes:
        raise _error(
            cache.size_bytes,
            "size that lines, ways and slices do not divide",
            f"a multiple of {way_bytes} B",
        )


def _at_most(small: Quantity, large: Quantity) -> None:
    if small.value > large.value:
        raise _error(small, f"above {large.path}", f"at most {large.value}")


def _error(quantity: Quantity, problem: str, expected: str) -> DeviceError:
    return DeviceError(
        located(
            f"{quantity.file}: {quantity.path}", problem, expected=expected, found=quantity.value
        )
    )
