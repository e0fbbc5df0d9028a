"""The launches of one layer or switch by our kernels, with or without the lists of active ones.

Every plan is a trace of its own: the input map with the border of zeros that the layer pads, the
output map without one. In a chain of layers an output is written into the next one's map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from pathlib import Path

import numpy as np

from gpusim.errors import GpusimError, located
from gpusim.library.dynamic.activity import Active
from gpusim.library.dynamic.index import channel_index, kernel_index
from gpusim.library.plan import Phase, PlannedLayer, PlanOptions
from gpusim.library.planned_trace import BufferRef, PlannedTrace
from gpusim.network import Layer, LayerKind
from gpusim.trace.records import Size3

LIBRARY = "dynamic"
BLOCK = 4
"""Kernels of a convolution's work-item."""
_COLUMNS = 8
"""Outputs of a row that a work-item computes at once."""
GROUP = 64
"""Work-items of a work-group, as a rule."""
_FLOAT_BYTES = 4
_BUILD = "-cl-mad-enable"
_AXES = ("batch", "kernels", "rows")
ORDERS = tuple("-".join(axes) for axes in permutations(_AXES))
"""Orders of the global dimensions, the first being the one whose work-items are neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicOptions:
    """How our kernels are launched."""

    target: str
    batch: int = 1
    order: str = "batch-kernels-rows"
    """One of `ORDERS`."""
    rows: int = 1
    """Rows of a map that a work-item computes."""

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise GpusimError(
                located("order", "unknown", expected=" or ".join(ORDERS), found=self.order)
            )
        for name in ("batch", "rows"):
            if getattr(self, name) < 1:
                raise GpusimError(
                    located(name, "too small", expected="1 or more", found=getattr(self, name))
                )

    def ndrange(self, batch: int, kernels: int, rows: int, share: str) -> tuple[Size3, Size3]:
        """Return global and local size in the order of the dimensions.

        A work-group spans the axis `share` first, whose work-items read the same weights, then
        kernels, and has about `GROUP` work-items.
        """
        extents = {"batch": batch, "kernels": kernels, "rows": rows}
        group = dict.fromkeys(_AXES, 1)
        whole = extents[share]
        group[share] = -(-whole // -(-whole // (GROUP // 2)))
        group["kernels"] = min(kernels, max(1, GROUP // group[share]))
        axes = self.order.split("-")
        sizes = [_round_up(extents[axis], group[axis]) for axis in axes]
        local = [group[axis] for axis in axes]
        return (sizes[0], sizes[1], sizes[2]), (local[0], local[1], local[2])

    def axis_macros(self) -> dict[str, int]:
        """Return which dimension is which, and the extent of the batch."""
        axes = self.order.split("-")
        return {
            "BATCH_ID": axes.index("batch"),
            "BLOCK_ID": axes.index("kernels"),
            "ROW_ID": axes.index("rows"),
            "BATCH": self.batch,
        }


def plan_static(layer: Layer, options: DynamicOptions) -> PlannedLayer:
    """Return a layer by the same kernels without lists: every kernel, every input channel.

    Raises
    ------
    GpusimError
        For a layer that these kernels don't compute.
    """
    return plan_indexed(layer, options, None, None)


def plan_indexed(
    layer: Layer, options: DynamicOptions, kernels: Active | None, channels: Active | None
) -> PlannedLayer:
    """Return a layer whose work-items follow lists.

    Parameters
    ----------
    layer : Layer
        A convolution, fully connected or pooling layer.
    options : DynamicOptions
    kernels : ndarray of bool, optional
        Shape (batch, out_channels): those to compute. None launches all of them without a list.
    channels : ndarray of bool, optional
        Shape (batch, channels): those of the input that were computed. For a fully connected
        layer a channel may be a map, flattened. None reads all of them without a list.

    Raises
    ------
    GpusimError
        For a layer that these kernels don't compute.
    """
    if layer.kind is LayerKind.CONVOLUTION:
        return _convolution(layer, options, kernels, channels)
    if layer.kind is LayerKind.FULLY_CONNECTED:
        return _fully_connected(layer, options, kernels, channels)
    if layer.kind is LayerKind.POOLING:
        return _pooling(layer, options)
    raise _unsupported(layer, "a convolution, pooling or fully connected layer", layer.kind.value)


def plan_switch(
    layer: Layer, options: DynamicOptions, switch_channels: int, channels: Active | None
) -> PlannedLayer:
    """Return the switch in front of a layer: which of its kernels to compute, per image.

    A 1x1 convolution over the layer's input, the average over the map, a second 1x1 convolution,
    a sigmoid and the threshold 0.5.
    """
    first = Layer(
        index=layer.index,
        name=f"{layer.name}-switch",
        kind=LayerKind.CONVOLUTION,
        in_channels=layer.in_channels,
        in_height=layer.in_height,
        in_width=layer.in_width,
        out_channels=switch_channels,
    )
    plan = PlannedTrace(LIBRARY)
    hidden = _add_convolution(plan, first, options, None, channels, relu=True)
    averages = plan.buffer(options.batch * switch_channels * _FLOAT_BYTES)
    pitch = _round_up(layer.in_width, _COLUMNS)
    _launch(
        plan,
        "pool",
        {
            "POOLING": 1,
            "AVERAGE": 1,
            **options.axis_macros(),
            "WINDOW_HEIGHT": layer.in_height,
            "WINDOW_WIDTH": layer.in_width,
            "STRIDE": 1,
            "IN_CHANNELS": switch_channels,
            "IN_HEIGHT": layer.in_height,
            "IN_WIDTH": layer.in_width,
            "PITCH": pitch,
            "PLANE": pitch * layer.in_height,
            "OUT_HEIGHT": 1,
            "OUT_WIDTH": 1,
            "OUT_PITCH": 1,
            "OUT_PLANE": 1,
        },
        options.ndrange(options.batch, switch_channels, 1, "rows"),
        [hidden, averages],
    )
    _launch(
        plan,
        "switch_kernels",
        {
            "SWITCH": 1,
            **options.axis_macros(),
            "IN_CHANNELS": switch_channels,
            "OUT_CHANNELS": layer.out_channels,
        },
        options.ndrange(options.batch, layer.out_channels, 1, "rows"),
        [
            averages,
            plan.buffer(switch_channels * layer.out_channels * _FLOAT_BYTES),
            plan.buffer(layer.out_channels * _FLOAT_BYTES),
            plan.buffer(options.batch * layer.out_channels * _FLOAT_BYTES),
        ],
    )
    return _planned(first, options, plan, "switch")


def switch_macs(layer: Layer, switch_channels: int) -> int:
    """Return the multiply-accumulates of a switch for one image, all input channels read."""
    area = layer.in_height * layer.in_width
    return switch_channels * (layer.in_channels * area + layer.out_channels)


def _convolution(
    layer: Layer, options: DynamicOptions, kernels: Active | None, channels: Active | None
) -> PlannedLayer:
    plan = PlannedTrace(LIBRARY)
    _add_convolution(plan, layer, options, kernels, channels, relu=True)
    return _planned(layer, options, plan, _method(kernels, channels))


def _add_convolution(
    plan: PlannedTrace,
    layer: Layer,
    options: DynamicOptions,
    kernels: Active | None,
    channels: Active | None,
    *,
    relu: bool,
) -> BufferRef:
    """Add a convolution's launch; return its output."""
    group_kernels = layer.out_channels // layer.groups
    if (
        not layer.has_equal_axes
        or layer.dilation != 1
        or (group_kernels % BLOCK and layer.groups > 1)
    ):
        raise _unsupported(
            layer,
            f"equal axes, no dilation, {BLOCK} kernels or a multiple in each of several groups",
            f"{layer.groups} groups of {group_kernels}, dilation {layer.dilation}",
        )
    n_kernels = _round_up(layer.out_channels, BLOCK)
    out_pitch = _round_up(layer.out_width, _COLUMNS)
    pitch = max(layer.in_width + 2 * layer.pad, (out_pitch - 1) * layer.stride + layer.kernel_width)
    plane = pitch * (layer.in_height + 2 * layer.pad)
    out_plane = out_pitch * layer.out_height
    group_channels = layer.in_channels // layer.groups
    # Weights, biases and maps of a last, partial block are there but mean nothing.
    image = plan.buffer(options.batch * layer.in_channels * plane * _FLOAT_BYTES)
    weights = plan.buffer(
        n_kernels * group_channels * layer.kernel_height * layer.kernel_width * _FLOAT_BYTES
    )
    bias = plan.buffer(n_kernels * _FLOAT_BYTES)
    output = plan.buffer(options.batch * n_kernels * out_plane * _FLOAT_BYTES)
    macros = {
        "CONVOLUTION": 1,
        **options.axis_macros(),
        "STRIDE": layer.stride,
        "KERNEL_HEIGHT": layer.kernel_height,
        "KERNEL_WIDTH": layer.kernel_width,
        "IN_CHANNELS": layer.in_channels,
        "GROUPS": layer.groups,
        "GROUP_CHANNELS": group_channels,
        "GROUP_KERNELS": n_kernels // layer.groups,
        "OUT_CHANNELS": n_kernels,
        "PITCH": pitch,
        "PLANE": plane,
        "OUT_HEIGHT": layer.out_height,
        "OUT_WIDTH": layer.out_width,
        "OUT_PITCH": out_pitch,
        "OUT_PLANE": out_plane,
        "ROWS": options.rows,
    }
    if relu:
        macros["RELU"] = 1
    arguments: list[BufferRef | np.generic] = [image, weights, bias, output]
    n_blocks = n_kernels // BLOCK
    if kernels is not None:
        n_blocks = _add_kernels(plan, macros, arguments, kernels, layer.groups, BLOCK)
    if channels is not None:
        macros["CHANNEL_INDEX"] = 1
        arguments.append(_stored(plan, channel_index(channels, layer.groups)))
    row_blocks = -(-layer.out_height // options.rows)
    _launch(
        plan,
        "convolve",
        macros,
        options.ndrange(options.batch, n_blocks, row_blocks, "rows"),
        arguments,
    )
    return output


def _fully_connected(
    layer: Layer, options: DynamicOptions, kernels: Active | None, channels: Active | None
) -> PlannedLayer:
    n_channels = layer.in_channels if channels is None else channels.shape[1]
    area, rest = divmod(layer.in_channels, n_channels)
    if rest or layer.in_channels % 4:
        raise _unsupported(layer, "a multiple of 4 inputs, whole channels", str(layer.in_channels))
    plan = PlannedTrace(LIBRARY)
    macros = {
        "FULLY_CONNECTED": 1,
        **options.axis_macros(),
        "CHANNELS": n_channels,
        "AREA": area,
        "OUT_CHANNELS": layer.out_channels,
        "RELU": 1,
    }
    arguments: list[BufferRef | np.generic] = [
        plan.buffer(options.batch * layer.in_channels * _FLOAT_BYTES),
        plan.buffer(layer.weights * _FLOAT_BYTES),
        plan.buffer(layer.out_channels * _FLOAT_BYTES),
        plan.buffer(options.batch * layer.out_channels * _FLOAT_BYTES),
    ]
    n_blocks = layer.out_channels
    if kernels is not None:
        n_blocks = _add_kernels(plan, macros, arguments, kernels, 1, 1)
    if channels is not None:
        macros["CHANNEL_INDEX"] = 1
        arguments.append(_stored(plan, channel_index(channels, 1)))
    _launch(
        plan,
        "fully_connected",
        macros,
        options.ndrange(options.batch, n_blocks, 1, "batch"),
        arguments,
    )
    return _planned(layer, options, plan, _method(kernels, channels))


def _pooling(layer: Layer, options: DynamicOptions) -> PlannedLayer:
    if not layer.has_equal_axes or layer.pad or layer.kernel_height != layer.kernel_width:
        raise _unsupported(layer, "square windows without padding", f"padding {layer.pads}")
    plan = PlannedTrace(LIBRARY)
    planes = options.batch * layer.in_channels * _FLOAT_BYTES
    macros = {
        "POOLING": 1,
        **options.axis_macros(),
        "WINDOW_HEIGHT": layer.kernel_height,
        "WINDOW_WIDTH": layer.kernel_width,
        "STRIDE": layer.stride,
        "IN_CHANNELS": layer.in_channels,
        "IN_HEIGHT": layer.in_height,
        "IN_WIDTH": layer.in_width,
        "PITCH": layer.in_width,
        "PLANE": layer.in_width * layer.in_height,
        "OUT_WIDTH": layer.out_width,
        "OUT_HEIGHT": layer.out_height,
        "OUT_PITCH": layer.out_width,
        "OUT_PLANE": layer.out_width * layer.out_height,
    }
    if layer.out_height == layer.out_width == 1:
        macros["AVERAGE"] = 1
    _launch(
        plan,
        "pool",
        macros,
        options.ndrange(options.batch, layer.in_channels, layer.out_height, "rows"),
        [
            plan.buffer(planes * layer.in_width * layer.in_height),
            plan.buffer(planes * layer.out_width * layer.out_height),
        ],
    )
    return _planned(layer, options, plan, "static")


def _add_kernels(
    plan: PlannedTrace,
    macros: dict[str, int],
    arguments: list[BufferRef | np.generic],
    kernels: Active,
    groups: int,
    block: int,
) -> int:
    """Add the list of active kernels; return the blocks to launch."""
    macros["KERNEL_INDEX"] = 1
    index = kernel_index(kernels, groups, block)
    arguments.append(_stored(plan, index.kernels))
    arguments.append(_stored(plan, index.n_blocks))
    arguments.append(np.int32(index.max_blocks))
    return index.max_blocks


def _stored(
    plan: PlannedTrace, values: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> BufferRef:
    """Add a buffer whose contents reach addresses."""
    return plan.buffer(values.nbytes, content=values.tobytes())


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def _method(kernels: Active | None, channels: Active | None) -> str:
    if kernels is None:
        return "static" if channels is None else "channels"
    return "indexed"


def _launch(
    plan: PlannedTrace,
    kernel: str,
    macros: Mapping[str, int],
    ndrange: tuple[Size3, Size3],
    arguments: list[BufferRef | np.generic],
) -> None:
    options = " ".join((_BUILD, *(f"-D{name}={value}" for name, value in macros.items())))
    plan.launch(
        Phase.RUN,
        source=_source(),
        options=options,
        kernel=kernel,
        global_size=ndrange[0],
        local_size=ndrange[1],
        arguments=arguments,
    )


def _planned(
    layer: Layer, options: DynamicOptions, plan: PlannedTrace, method: str
) -> PlannedLayer:
    return PlannedLayer(
        layer=layer,
        library=LIBRARY,
        method=method,
        options=PlanOptions(target=options.target, layout="nchw", batch=options.batch),
        trace=plan.trace(),
    )


def _unsupported(layer: Layer, expected: str, found: str) -> GpusimError:
    return GpusimError(
        located(f"layer {layer.name}", "no dynamic kernel for it", expected=expected, found=found)
    )


@cache
def _source() -> str:
    return Path(__file__).with_name("kernels.cl").read_text(encoding="utf-8")
