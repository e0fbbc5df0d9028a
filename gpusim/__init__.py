"""gpusim: capture OpenCL launches, replay them on models of embedded GPUs, see where time goes.

The names below are the public API; each is loaded on first use, so that ``import gpusim`` stays
fast. The stages of a replay are the sub-packages, in the order of ``docs/architecture.md``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "GpusimError": "gpusim.errors",
    "load_device": "gpusim.device",
    "list_devices": "gpusim.device",
    "load_trace": "gpusim.trace",
    "count_kernel": "gpusim.count",
    "replay": "gpusim.pipeline",
    "predict": "gpusim.study.predict",
}

__all__ = [
    "GpusimError",
    "__version__",
    "count_kernel",
    "list_devices",
    "load_device",
    "load_trace",
    "predict",
    "replay",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'gpusim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
