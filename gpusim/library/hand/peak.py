"""Launch rules of the peak-rate kernels, by the definitions that clpeak's results rest on.

Compute: one dependent chain of multiply-adds, 4096 operations per work-item at every width,
cores x 2048 work-groups. Bandwidth: 16 reads per work-item, one stride apart (the work-group's
or the NDRange's size), summed. Work-groups are as large as allowed up to 256, on Adreno 128.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpusim.device import DeviceSpec
from gpusim.library.hand.plan import HandLaunch, TypeChoice, element_type, half_option, plan_launch

COMPUTE_OPERATIONS = 4096
"""Of one work-item; a multiply-add is two."""
READS_PER_WORK_ITEM = 16
_GROUPS_PER_CORE = 2048
_MAX_GROUP = 256
_MAX_GROUP_ADRENO = 128
_MAX_READ_BYTES = 256 * 1024 * 1024
_SOURCE = "peak.cl"
_ONE = {
    "half": np.float16(1).tobytes(),
    "float": np.float32(1).tobytes(),
    "double": np.float64(1).tobytes(),
    "int": np.int32(1).tobytes(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakLimits:
    """What the launch rules depend on: of a device model, or as a real device reports it."""

    n_cores: int
    max_group: int
    """Work-items of a work-group that these kernels use."""
    max_allocation_bytes: int

    @classmethod
    def of(cls, device: DeviceSpec) -> PeakLimits:
        """Return the limits of a device model."""
        return cls(
            n_cores=int(device.core.n_shader_cores.value),
            max_group=peak_group(
                int(device.limits.max_work_group_size.value), device.family == "adreno"
            ),
            max_allocation_bytes=int(device.limits.max_allocation_bytes.value),
        )


def peak_group(max_work_group_size: int, is_adreno: bool) -> int:
    """Return the work-group size of these kernels on a device with that limit."""
    return min(max_work_group_size, _MAX_GROUP_ADRENO if is_adreno else _MAX_GROUP)


def plan_peak_compute(device: DeviceSpec | PeakLimits, kind: TypeChoice) -> HandLaunch:
    """Plan the chain of multiply-adds for a scalar or vector type."""
    limits = _limits(device)
    group = limits.max_group
    n_items = limits.n_cores * _GROUPS_PER_CORE * group
    n_items = min(n_items, limits.max_allocation_bytes // kind.scalar_bytes)
    n_items -= n_items % group
    trace = plan_launch(
        source=_SOURCE,
        kernel="peak_compute",
        build_options=_options(kind),
        arguments=(0, _ONE[kind.scalar]),
        buffers=(n_items * kind.scalar_bytes,),
        global_size=(n_items, 1, 1),
        local_size=(group, 1, 1),
        work_dim=1,
    )
    return HandLaunch(trace=trace, operations=n_items * COMPUTE_OPERATIONS)


def plan_peak_read(device: DeviceSpec | PeakLimits, kind: TypeChoice, *, stride: str) -> HandLaunch:
    """Plan 16 reads per work-item; `stride` is ``local`` or ``global``.

    All reads together cover half of the largest allocation, at most 256 MiB.
    """
    limits = _limits(device)
    largest = min(limits.max_allocation_bytes // 2, _MAX_READ_BYTES)
    step = kind.size_bytes * READS_PER_WORK_ITEM * limits.max_group
    n_items = largest // step * limits.max_group
    return _plan_read(limits, kind, n_items=n_items, stride=stride)


def plan_latency_probe(device: DeviceSpec | PeakLimits) -> HandLaunch:
    """Plan the small launch whose latency is taken: one work-group of reads per core."""
    limits = _limits(device)
    n_items = limits.n_cores * limits.max_group
    return _plan_read(limits, element_type("float"), n_items=n_items, stride="local")


def _plan_read(limits: PeakLimits, kind: TypeChoice, *, n_items: int, stride: str) -> HandLaunch:
    read_bytes = n_items * READS_PER_WORK_ITEM * kind.size_bytes
    trace = plan_launch(
        source=_SOURCE,
        kernel=f"peak_read_{stride}_stride",
        build_options=_options(kind),
        arguments=(0, 1),
        buffers=(read_bytes, n_items * kind.scalar_bytes),
        global_size=(n_items, 1, 1),
        local_size=(limits.max_group, 1, 1),
        work_dim=1,
    )
    return HandLaunch(trace=trace, moved_bytes=read_bytes)


def _limits(device: DeviceSpec | PeakLimits) -> PeakLimits:
    return device if isinstance(device, PeakLimits) else PeakLimits.of(device)


def _options(kind: TypeChoice) -> str:
    integer = " -DIS_INTEGER=1" if kind.scalar == "int" else ""
    return f"-cl-mad-enable -DTYPE={kind.scalar} -DWIDTH={kind.width}{integer}{half_option(kind)}"
