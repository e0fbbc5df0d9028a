"""Peak rates of a device: the ceilings under which a chart draws what was achieved."""

from __future__ import annotations

from dataclasses import dataclass

from gpusim.device.spec import DeviceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """Rates of the whole GPU at its modelled clock."""

    gpu: str
    """CL_DEVICE_NAME."""
    board: str
    family: str
    n_shader_cores: int
    clock_khz: int
    flops: int
    """fp32 operations per second, a multiply-add counting two."""
    half_flops: int
    """The same with packed fp16; 0 = no fp16."""
    issue_per_s: int
    """Bundles (Midgard), tuples (Bifrost) or warp instructions per second."""
    l2_bytes_per_s: int
    """Between L2 and all cores."""
    dram_bytes_per_s: int
    """Achievable share of the peak."""


def hardware_of(device: DeviceSpec) -> Hardware:
    """Return the peak rates of a device model."""
    core = device.core
    cycles_per_s = int(core.clock_khz.value) * 1000
    n_cores = int(core.n_shader_cores.value)
    pipes = core.n_arithmetic_pipes.value * core.issue_per_pipe.value
    dram = device.dram
    return Hardware(
        gpu=device.name,
        board=device.board,
        family=device.family,
        n_shader_cores=n_cores,
        clock_khz=int(core.clock_khz.value),
        flops=device.peak_flops(),
        half_flops=device.peak_flops(half=True),
        issue_per_s=round(cycles_per_s * n_cores * pipes),
        l2_bytes_per_s=round(cycles_per_s * n_cores * device.l2.bytes_per_cycle.value),
        dram_bytes_per_s=round(dram.peak_bytes_per_s.value * dram.efficiency.value),
    )
