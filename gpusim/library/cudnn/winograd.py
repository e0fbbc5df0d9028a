"""cuDNN's fused Winograd convolution: F(2x2, 3x3), 32 tiles by 32 channels a work-group.

The name (``maxwell_scudnn_winograd_128x128_ldg1_ldg4_tile148n_nt``) is seen in profiles of Maxwell
and Pascal GPUs. Its 128 x 128 are taken to be sums: 16 points of 32 tiles by 32 channels, as in
Lavin's published kernels. No launch was observed.
"""

from __future__ import annotations

import numpy as np

from gpusim.library.cudnn.implicit_gemm import source
from gpusim.library.plan import Phase
from gpusim.library.planned_trace import BufferRef, PlannedTrace
from gpusim.network.layers import Layer

KERNEL = "maxwell_scudnn_winograd_128x128_ldg1_ldg4_tile148n_nt"
_TILES = _FILTERS = 32
_THREADS = 256
_POINTS = 16


def fits(layer: Layer) -> bool:
    """Return whether the kernel computes a layer: 3x3, unit strides, no dilation, no groups."""
    return (
        (layer.kernel_height, layer.kernel_width) == (3, 3)
        and layer.strides == layer.dilations == (1, 1)
        and layer.groups == 1
    )


def add_launches(
    plan: PlannedTrace,
    layer: Layer,
    batch: int,
    buffers: tuple[BufferRef, BufferRef, BufferRef],
) -> None:
    """Add the transform of the weights, which cuDNN makes at every run, and the product.

    Parameters
    ----------
    plan : PlannedTrace
    layer : Layer
        That `fits`.
    batch : int
        Images.
    buffers : tuple of BufferRef
        Image (NCHW), weights (output channel, input channel, row, column) and output (NCHW), f32.
    """
    image, weights, output = buffers
    wide = -(-layer.out_channels // _FILTERS) * _FILTERS
    transformed = plan.buffer(4 * _POINTS * layer.in_channels * wide)
    plan.launch(
        Phase.RUN,
        source=source("winograd.cl"),
        options="",
        kernel="generateWinogradTilesKernel",
        global_size=(wide, layer.in_channels, 1),
        local_size=(_FILTERS, 1, 1),
        arguments=[
            weights,
            transformed,
            *map(np.int32, (layer.out_channels, layer.in_channels, wide)),
        ],
        work_dim=2,
    )
    down, across = -(-layer.out_height // 2), -(-layer.out_width // 2)
    tiles = batch * down * across
    numbers = (
        *(tiles, layer.out_channels, wide),
        layer.out_channels * layer.out_height * layer.out_width,
        *(layer.in_height, layer.in_width, layer.out_height, layer.out_width),
        *(down, across, layer.pads[0], layer.pads[1], layer.in_channels),
    )
    plan.launch(
        Phase.RUN,
        source=source("winograd.cl"),
        options="",
        kernel=KERNEL,
        global_size=(-(-tiles // _TILES) * _THREADS, wide // _FILTERS, 1),
        local_size=(_THREADS, 1, 1),
        arguments=[image, transformed, output, *map(np.int32, numbers)],
        work_dim=2,
    )
