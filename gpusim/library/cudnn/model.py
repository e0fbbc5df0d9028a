"""Layers on cuDNN: every algorithm and tile that fits, for the caller to keep the fastest."""

from __future__ import annotations

import numpy as np

from gpusim.errors import GpusimError, located
from gpusim.library.cudnn import implicit_gemm, winograd
from gpusim.library.cudnn.efficiency import efficiency_of
from gpusim.library.plan import Efficiency, Phase, PlannedLayer, PlanOptions
from gpusim.library.planned_trace import BufferRef, PlannedTrace
from gpusim.network.layers import Layer, LayerKind

TARGETS = ("jetson-nano", "jetson-tx1", "jetson-tx2")
_BIAS_BLOCKS = 64
_BIAS_THREADS = 256
"""Of our kernel; how cuDNN's cuts its work is not known."""
_CLOSED = "every launch: cuDNN is closed, its tiles are read from the names of its kernels"


def plan_cudnn(layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    """Return a candidate per tile of the implicit GEMM, and Winograd where it fits.

    Raises
    ------
    GpusimError
        For a target that is no Jetson, a layout but NCHW, a type but f32, or a layer that is no
        convolution or a depthwise one.
    """
    _check(layer, options)
    plans = [_implicit_gemm(layer, options, tile) for tile in implicit_gemm.TILES]
    if winograd.fits(layer):
        plans.append(_winograd(layer, options))
    return tuple(plans)


def _implicit_gemm(layer: Layer, options: PlanOptions, tile: int) -> PlannedLayer:
    plan, buffers = _start(layer, options)
    implicit_gemm.add_launches(plan, layer, options.batch, tile, buffers)
    kernel = implicit_gemm.kernel_name(tile, is_padded=any(layer.pads))
    efficiency = efficiency_of(kernel, f"128x{tile}", options.target)
    return _finish(plan, layer, options, f"implicit gemm 128x{tile}", buffers[2], efficiency)


def _winograd(layer: Layer, options: PlanOptions) -> PlannedLayer:
    plan, buffers = _start(layer, options)
    winograd.add_launches(plan, layer, options.batch, buffers)
    efficiency = efficiency_of(winograd.KERNEL, "winograd", options.target)
    return _finish(plan, layer, options, "winograd 2x2", buffers[2], efficiency)


def _start(
    layer: Layer, options: PlanOptions
) -> tuple[PlannedTrace, tuple[BufferRef, BufferRef, BufferRef]]:
    plan = PlannedTrace(f"cudnn plan of {layer.name}")
    inputs = options.batch * layer.in_channels * layer.in_height * layer.in_width
    image, weights = plan.buffer(4 * inputs), plan.buffer(4 * layer.weights)
    return plan, (image, weights, plan.buffer(4 * _outputs(layer, options)))


def _outputs(layer: Layer, options: PlanOptions) -> int:
    return options.batch * layer.out_channels * layer.out_height * layer.out_width


def _finish(
    plan: PlannedTrace,
    layer: Layer,
    options: PlanOptions,
    method: str,
    output: BufferRef,
    efficiency: Efficiency,
) -> PlannedLayer:
    if options.bias:
        outputs = _outputs(layer, options)
        plan.launch(
            Phase.RUN,
            source=implicit_gemm.source("bias.cl"),
            options=f"-DBLOCKS={_BIAS_BLOCKS} -DTHREADS={_BIAS_THREADS}",
            kernel="add_tensor_kernel_v3",
            global_size=(_BIAS_BLOCKS * _BIAS_THREADS, 1, 1),
            local_size=(_BIAS_THREADS, 1, 1),
            arguments=[
                plan.buffer(4 * layer.out_channels),
                output,
                np.int32(outputs),
                np.int32(layer.out_height * layer.out_width),
                np.int32(layer.out_channels),
            ],
            work_dim=1,
        )
    return PlannedLayer(
        layer=layer,
        library="cudnn",
        method=method,
        options=options,
        trace=plan.trace(),
        unverified=(_CLOSED,),
        efficiency=(efficiency,),
    )


def _check(layer: Layer, options: PlanOptions) -> None:
    where = f"layer {layer.name}"
    if options.target not in TARGETS:
        raise GpusimError(
            located(
                "target",
                "cudnn runs on NVIDIA only",
                expected=" or ".join(TARGETS),
                found=options.target,
            )
        )
    if layer.kind is not LayerKind.CONVOLUTION:
        raise GpusimError(
            located(where, "cudnn is modelled for convolutions only", found=layer.kind.value)
        )
    if layer.groups == layer.in_channels > 1:
        raise GpusimError(located(where, "cudnn's depthwise kernels are not modelled"))
    if options.layout != "nchw":
        raise GpusimError(
            located(where, "cudnn is modelled in one layout", expected="nchw", found=options.layout)
        )
    if options.dtype != "f32":
        raise GpusimError(
            located(where, "cudnn is modelled in one type", expected="f32", found=options.dtype)
        )
