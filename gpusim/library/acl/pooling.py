"""Pooling: maximum, or average where the window is the whole map."""

from __future__ import annotations

from gpusim.library.acl.binding import Binding, Tensor, axis_macros, macros
from gpusim.library.acl.border import add_fill, padded
from gpusim.library.acl.sequence import Sequence, ceil_div, round_up
from gpusim.library.plan import Phase
from gpusim.network.layers import Layer


def is_average(layer: Layer) -> bool:
    """Return whether a pooling layer averages: a layer doesn't say, global pooling always does."""
    return _is_global(layer)


def _is_global(layer: Layer) -> bool:
    covers = (layer.kernel_width, layer.kernel_height) == (layer.in_width, layer.in_height)
    return covers and not any(layer.pads)


def add_pooling(plan: Sequence, layer: Layer) -> None:
    """Enqueue a pooling layer; the border is filled first."""
    if plan.is_nhwc:
        _add_nhwc(plan, layer)
    else:
        _add_nchw(plan, layer)


def _options(layer: Layer, name: str, form: str) -> str:
    return (
        macros(
            POOLING=name,
            POOL_W=layer.kernel_width,
            POOL_H=layer.kernel_height,
            SRC_W=layer.in_width,
            SRC_H=layer.in_height,
            OUT_W=layer.out_width,
            OUT_H=layer.out_height,
        )
        + f" {axis_macros(layer)} -D{form}"
        + (" -DPOOL_AVG" if is_average(layer) else "")
    )


def _add_nhwc(plan: Sequence, layer: Layer) -> None:
    channels, batch = layer.in_channels, plan.options.batch
    beyond = round_up(channels, 8) - channels
    source = Tensor(dims=(channels, layer.in_width, layer.in_height, batch), right=beyond, top=1)
    plan.tensors["input"] = source
    output = Tensor(dims=(channels, layer.out_width, layer.out_height, batch), right=beyond)
    plan.tensors["output"] = output
    add_fill(plan, "input", left=0, right=0, top=1, bottom=0, is_lowest=not is_average(layer))
    name = "pooling_layer_MxN_nhwc"
    plan.add(
        Phase.RUN,
        name,
        (ceil_div(channels, 8), layer.out_width, layer.out_height * batch),
        plan.target.default_hint,
        Binding(
            source="pooling.cl",
            macros=_options(layer, name, "POOL_NHWC"),
            arguments=(
                "input", "output", source.row, source.plane, source.volume, source.offset,
                output.row, output.plane, output.volume,
            ),
        ),
    )  # fmt: skip


def _add_nchw(plan: Sequence, layer: Layer) -> None:
    channels, batch = layer.in_channels, plan.options.batch
    top, left, bottom, right = layer.pads
    width, height = layer.kernel_width, layer.kernel_height
    out_w, out_h = layer.out_width, layer.out_height
    stride_y, stride = (1, 1) if _is_global(layer) else layer.strides
    is_optimised = width == height == 3 and stride <= 3
    step = 4 if is_optimised else 1
    read = (step - 1) * stride + width
    source = padded(
        Tensor(dims=(layer.in_width, layer.in_height, channels, batch), tail=16),
        window=(out_w, out_h),
        step=(step, 1),
        read=(read, height),
        start=(-left, -top),
        stride=(stride, stride_y),
    )
    plan.tensors["input"] = source
    output = Tensor(dims=(out_w, out_h, channels, batch), right=round_up(out_w, step) - out_w)
    plan.tensors["output"] = output
    reach_x = (ceil_div(out_w, step) - 1) * step * stride - left + read - layer.in_width
    reach_y = (out_h - 1) * stride_y - top + height - layer.in_height
    add_fill(
        plan,
        "input",
        left=left,
        right=max(right, reach_x),
        top=top,
        bottom=max(bottom, reach_y),
        mode="constant" if is_average(layer) else "replicate",
    )
    name = "pooling_layer_MxN_nchw"
    if width == height == 3:
        name = "pooling_layer_optimized_3" if is_optimised else "pooling_layer_3"
    size = (ceil_div(out_w, step), out_h, channels * batch)
    hint = plan.target.default_hint
    if plan.is_static and plan.target.is_bifrost:
        hint = (size[0], size[1], 1) if plan.target.is_listed else hint
    plan.add(
        Phase.RUN,
        name,
        size,
        hint,
        Binding(
            source="pooling.cl",
            macros=_options(layer, name, f"POOL_NCHW -DCOLUMNS={step}"),
            arguments=(
                "input", "output", source.row, source.plane, source.offset, output.row,
                output.plane,
            ),
        ),
    )  # fmt: skip
