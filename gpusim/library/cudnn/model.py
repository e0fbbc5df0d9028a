"""Layers on cuDNN: every algorithm and tile that fits, for the caller to keep the fastest."""

from __future__ import annotations

import numpy as np

from gpusim.errors import GpusimError, located
from gpusim.library.cudnn import implicit_gemm
from gpusim.library.plan import Phase, PlannedLayer, PlanOptions
from gpusim.library.planned_trace import PlannedTrace
from gpusim.network.layers import Layer, LayerKind

TARGETS = ("jetson-nano", "jetson-tx1", "jetson-tx2")
_BIAS_THREADS = 256
_CLOSED = "every launch: cuDNN is closed, its tiles are read from the names of its kernels"


def plan_cudnn(layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    """Return a candidate per tile of the implicit GEMM.

    Raises
    ------
    GpusimError
        For a target that is no Jetson, a layout but NCHW, a type but f32, or a layer that is no
        convolution or a depthwise one.
    """
    _check(layer, options)
    return tuple(_implicit_gemm(layer, options, tile) for tile in implicit_gemm.TILES)


def _implicit_gemm(layer: Layer, options: PlanOptions, tile: int) -> PlannedLayer:
    plan = PlannedTrace(f"cudnn plan of {layer.name}")
    image = plan.buffer(4 * options.batch * layer.in_channels * layer.in_height * layer.in_width)
    weights = plan.buffer(4 * layer.weights)
    outputs = options.batch * layer.out_channels * layer.out_height * layer.out_width
    output = plan.buffer(4 * outputs)
    implicit_gemm.add_launches(plan, layer, options.batch, tile, (image, weights, output))
    if options.bias:
        plan.launch(
            Phase.RUN,
            source=implicit_gemm.source("bias.cl"),
            options="",
            kernel="add_tensor_kernel_v3",
            global_size=(-(-outputs // _BIAS_THREADS) * _BIAS_THREADS, 1, 1),
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
        method=f"implicit gemm 128x{tile}",
        options=options,
        trace=plan.trace(),
        unverified=(_CLOSED,),
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
