"""Time of a layer that a library has no kernel for: from its bytes and operations alone.

A crude bound, and every result that contains one says so: one launch that moves each input and
output once at the achievable rate of external memory and does its operations at the peak rate of
the device, plus the fixed costs of a job.
"""

from __future__ import annotations

from math import ceil

from gpusim.device.quantity import Evidence
from gpusim.device.spec import DeviceSpec
from gpusim.library.plan import PlanOptions
from gpusim.network.layers import Layer, LayerKind
from gpusim.study.launch_time import TimedJob, TimedLaunch
from gpusim.timing.figures import read_gpu
from gpusim.timing.fixed_costs import first_task_ps, start_ps

_PS_PER_S = 10**12
_BYTES = {"f32": 4, "f16": 2}
KERNEL = "(estimated from bytes)"


def layer_bytes(layer: Layer, options: PlanOptions) -> int:
    """Return the bytes that a layer has to move: inputs, weights, outputs, each once."""
    return (moved_elements(layer) * options.batch + layer.weights) * _BYTES[options.dtype]


def moved_elements(layer: Layer) -> int:
    """Return the input and output elements of a layer, batch 1, weights left out."""
    if layer.kind is LayerKind.OTHER and layer.moved_elements:
        return layer.moved_elements
    read = layer.in_channels * layer.in_height * layer.in_width
    if layer.kind is LayerKind.ELEMENTWISE:
        read *= max(1, len(layer.inputs))
    return read + layer.out_channels * layer.out_height * layer.out_width


def stand_in(
    layer: Layer, options: PlanOptions, device: DeviceSpec, clock_khz: int | None = None
) -> TimedLaunch:
    """Return one launch that stands for a layer without kernels."""
    evidence = Evidence()
    gpu = read_gpu(device, evidence, clock_khz)
    moved = layer_bytes(layer, options)
    operations = 2 * layer.macs * options.batch
    peak = device.peak_flops(half=options.dtype == "f16") or device.peak_flops()
    if clock_khz is not None:
        peak = peak * clock_khz // int(device.core.clock_khz.value)
    memory_ps = ceil(moved * gpu.dram_ps_per_byte)
    compute_ps = ceil(operations * _PS_PER_S / peak)
    fixed_ps = start_ps(gpu) + first_task_ps(gpu)
    job = TimedJob(
        global_size=(1, 1, 1),
        local_size=(1, 1, 1),
        duration_ps=max(memory_ps, compute_ps) + fixed_ps,
        bound="dram" if memory_ps >= compute_ps else "arithmetic",
        totals={},
    )
    return TimedLaunch(
        kernel=KERNEL,
        global_size=(1, 1, 1),
        local_size=None,
        jobs=(job,),
        gaps_ps=0,
        figures={path: quantity.kind.value for path, quantity in evidence.used.items()},
    )
