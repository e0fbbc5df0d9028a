"""Count: jobs + IR -> exact executions of every block per work-group class."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "AddressStream": "gpusim.count.address_stream",
    "KernelCount": "gpusim.count.kernel_count",
    "Limits": "gpusim.count.limits",
    "Memory": "gpusim.count.memory",
    "SimtResult": "gpusim.count.simt_result",
    "Warps": "gpusim.count.warp_sample",
    "WorkCount": "gpusim.count.work_count",
    "count_job": "gpusim.count.engine",
    "count_kernel": "gpusim.count.kernel_count",
}

__all__ = [
    "AddressStream",
    "KernelCount",
    "Limits",
    "Memory",
    "SimtResult",
    "Warps",
    "WorkCount",
    "count_job",
    "count_kernel",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'gpusim.count' has no attribute {name!r}")
