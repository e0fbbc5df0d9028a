"""What a measured kernel is compared and learnt by: counts and predictions, nothing measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpusim.device import DeviceSpec
from gpusim.validation.roofline import roofline_ps
from gpusim.validation.timed import Timing, timed

if TYPE_CHECKING:
    from gpusim.timing import LaunchWork, TrafficMemo

_PS_PER_US = 1e6


def describe(
    device: DeviceSpec,
    works: Sequence[LaunchWork],
    timing: Timing,
    fidelity: str,
    memo: TrafficMemo | None = None,
) -> dict[str, Any]:
    """Return the features of one repetition of some launches, its bound and its roofline.

    Returns
    -------
    dict
        ``features``: ``predicted_us``; ``work_items``; issued ``arithmetic_instructions`` and
        ``memory_instructions`` (by thread or warp); ``dram_bytes`` moved; ``argument_bytes``
        (buffers, each once); ``n_launches``; ``registers`` (most of any kernel). ``bound``:
        what held it up. ``roofline_us``.
    """
    result = timed(device, works, timing, fidelity, memo)
    totals = result.totals
    buffers = {
        bound.address: bound.size_bytes
        for work in works
        for bound in work.jobs[0].arguments
        if bound.address
    }
    bounds = result.bounds_ps
    return {
        "features": {
            "predicted_us": result.time_ps / _PS_PER_US,
            "work_items": float(totals["work_items"]),
            "arithmetic_instructions": float(totals["arithmetic_instructions"]),
            "memory_instructions": float(totals["load_store"]),
            "dram_bytes": float(totals["dram_read_bytes"] + totals["dram_write_bytes"]),
            "argument_bytes": float(sum(buffers.values())),
            "n_launches": float(len(works)),
            "registers": float(max(work.cost.registers for work in works)),
        },
        "bound": max(bounds, key=bounds.__getitem__) if bounds else "",
        "roofline_us": roofline_ps(device, works) / _PS_PER_US,
    }
