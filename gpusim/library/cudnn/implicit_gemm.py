"""cuDNN's precomputed implicit GEMM: tiles of 128 positions by 32, 64 or 128 channels.

The kernels are named after their tiles (``maxwell_scudnn_128x64_relu_interior_nn`` in any profile
of a Maxwell or Pascal GPU). That the first number counts positions and the second one channels is
inferred: so read, the times of AlexNet's layers over the batch on a Jetson TX1 fall into whole
waves of work-groups (see `calibration.yaml`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from gpusim.library.plan import Phase
from gpusim.library.planned_trace import BufferRef, PlannedTrace
from gpusim.network.layers import Layer

KERNELS = Path(__file__).parent / "kernels"
TILES = (32, 64, 128)
"""Output channels of a tile; each has 128 output positions."""
_POSITIONS = 128
_MANY_CHANNELS = 16
"""From which filters are walked position by position."""


def kernel_name(tile: int, *, is_padded: bool) -> str:
    """Return the name of the kernel with `tile` channels; ``interior`` ones check no borders."""
    return f"maxwell_scudnn_128x{tile}_relu_{'small' if is_padded else 'interior'}_nn"


def add_launches(
    plan: PlannedTrace,
    layer: Layer,
    batch: int,
    tile: int,
    buffers: tuple[BufferRef, BufferRef, BufferRef],
) -> None:
    """Add one product per group of channels.

    Parameters
    ----------
    plan : PlannedTrace
    layer : Layer
        A convolution.
    batch : int
        Images.
    tile : int
        One of `TILES`.
    buffers : tuple of BufferRef
        Image (NCHW), weights (output channel, input channel, row, column) and output (NCHW), f32.
    """
    image, weights, output = buffers
    channels, filters = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    size_k = channels * layer.kernel_height * layer.kernel_width
    is_padded = any(layer.pads)
    name = kernel_name(tile, is_padded=is_padded)
    in_plane = layer.in_height * layer.in_width
    out_plane = layer.out_height * layer.out_width
    positions = batch * out_plane
    threads = tile * 2
    options = (
        f"-DNAME={name} -DTILE_N={tile} -DPADDED={int(is_padded)}"
        f" -DKERNEL_HEIGHT={layer.kernel_height} -DKERNEL_WIDTH={layer.kernel_width}"
        f" -DBY_POSITION={int(channels >= _MANY_CHANNELS)}"
    )
    for group in range(layer.groups):
        plan.launch(
            Phase.RUN,
            source=source("implicit_gemm.cl"),
            options=options,
            kernel=name,
            global_size=(-(-positions // _POSITIONS) * threads, -(-filters // tile), 1),
            local_size=(threads, 1, 1),
            arguments=[
                image,
                *_ints(group * channels * in_plane),
                weights,
                *_ints(group * filters * size_k),
                output,
                *_ints(group * filters * out_plane, positions, filters, size_k),
                *_ints(layer.in_channels * in_plane, layer.out_channels * out_plane),
                *_ints(layer.in_height, layer.in_width, layer.out_height, layer.out_width),
                *_ints(layer.pads[0], layer.pads[1], *layer.strides, *layer.dilations, channels),
            ],
            work_dim=2,
        )


def _ints(*values: int) -> list[np.generic]:
    return [np.int32(value) for value in values]


@cache
def source(file: str) -> str:
    """Return the text of a kernel file."""
    return (KERNELS / file).read_text()
