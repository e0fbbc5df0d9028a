"""Direct convolution: 1x1, 3x3 and 5x5, in three forms."""

from __future__ import annotations

from gpusim.library.acl.binding import Binding, Tensor, axis_macros, macros
from gpusim.library.acl.border import add_fill, padded
from gpusim.library.acl.sequence import Sequence, ceil_div, f32, round_up
from gpusim.library.plan import Phase
from gpusim.network.layers import Layer
from gpusim.trace.records import Size3

_BIFROST_TILES = {1: (4, 4), 3: (4, 3), 5: (4, 2)}
"""Outputs (columns, rows) of a work-item of the float kernels for Bifrost, by kernel size."""
_READS_X = {(1, 1): 8, (1, 2): 16, (3, 1): 10, (3, 2): 17, (5, 1): 12, (5, 2): 20}
"""Inputs that a work-item of eight outputs reads in a row, by (kernel size, stride)."""


def why_not_direct(layer: Layer) -> str:
    """Return why the library refuses the layer; empty when it takes it."""
    if layer.kernel_width != layer.kernel_height or layer.kernel_width not in (1, 3, 5):
        return f"its filters are {layer.kernel_width}x{layer.kernel_height}, not 1x1, 3x3 or 5x5"
    if layer.strides[1] > 2:
        return f"its stride is {layer.strides[1]}, above 2"
    if layer.dilations != (1, 1):
        return "it is dilated"
    return ""


def add_direct_convolution(plan: Sequence, layer: Layer) -> None:
    """Enqueue a direct convolution; the border of its input is filled first, images one by one."""
    _add_parameters(plan, layer)
    if plan.is_nhwc:
        _add_nhwc(plan, layer)
    else:
        _add_nchw(plan, layer)


def _add_parameters(plan: Sequence, layer: Layer) -> None:
    kernel, channels = layer.kernel_width, layer.in_channels
    dims = (channels, kernel, kernel) if plan.is_nhwc else (kernel, kernel, channels)
    plan.tensors["weights"] = Tensor(dims=(*dims, layer.out_channels), tail=8)
    plan.tensors["bias"] = Tensor(dims=(layer.out_channels, 1, 1, 1))


def _add_nhwc(plan: Sequence, layer: Layer) -> None:
    kernel, batch = layer.kernel_width, plan.options.batch
    _, left, _, right = layer.pads
    out_w, out_h = layer.out_width, layer.out_height
    read = _READS_X[kernel, layer.strides[1]]
    source = Tensor(
        dims=(layer.in_channels, layer.in_width, layer.in_height, batch),
        top=left,
        bottom=round_up(layer.in_width + right, read) - layer.in_width,
    )
    plan.tensors["input"] = _reaching(source, layer, 8, read)
    output = Tensor(
        dims=(layer.out_channels, out_w, out_h, batch), bottom=round_up(out_w, 8) - out_w
    )
    plan.tensors["output"] = output
    add_fill(plan, "input", left=0, right=0, top=left, bottom=right)
    size = (layer.out_channels, ceil_div(out_w, 8), out_h)
    name = f"direct_convolution{kernel}x{kernel}_nhwc"
    _add_images(plan, layer, name, size, "-DDIRECT_NHWC", _static_hint(plan, layer))


def _reaching(source: Tensor, layer: Layer, outputs: int, read: int) -> Tensor:
    """Return the NHWC input with as many columns behind it as the last work-item reads."""
    last = (round_up(layer.out_width, outputs) - outputs) * layer.strides[1] - layer.pads[1] + read
    short = max(0, last - source.dims[1] - source.bottom)
    return Tensor(dims=source.dims, top=source.top, bottom=source.bottom, tail=short * source.row)


def _add_nchw(plan: Sequence, layer: Layer) -> None:
    kernel, batch = layer.kernel_width, plan.options.batch
    stride_y, stride_x = layer.strides
    top, left, bottom, right = layer.pads
    out_w, out_h = layer.out_width, layer.out_height
    is_bifrost = plan.target.is_listed and layer.strides == (1, 1) and not plan.is_half
    step = _BIFROST_TILES[kernel] if is_bifrost else (8, 1)
    read = (
        (step[0] + kernel - 1, step[1] + kernel - 1)
        if is_bifrost
        else (_READS_X[kernel, stride_x], kernel)
    )
    source = Tensor(dims=(layer.in_width, layer.in_height, layer.in_channels, batch), tail=16)
    plan.tensors["input"] = padded(
        source,
        window=(out_w, out_h),
        step=step,
        read=read,
        start=(-left, -top),
        stride=(stride_x, stride_y),
    )
    plan.tensors["output"] = Tensor(
        dims=(out_w, out_h, layer.out_channels, batch),
        right=round_up(out_w, step[0]) - out_w,
        bottom=round_up(out_h, step[1]) - out_h,
    )
    add_fill(plan, "input", left=left, right=right, top=top, bottom=bottom)
    size = (ceil_div(out_w, step[0]), ceil_div(out_h, step[1]), layer.out_channels)
    form = "-DDIRECT_BIFROST" if is_bifrost else "-DDIRECT_NCHW"
    name = f"direct_convolution{kernel}x{kernel}" + ("_f32_bifrost" if is_bifrost else "")
    _add_images(plan, layer, name, size, form, _static_hint(plan, layer))


def _add_images(
    plan: Sequence, layer: Layer, name: str, size: Size3, form: str, hint: Size3 | None
) -> None:
    source, output = plan.tensors["input"], plan.tensors["output"]
    options = (
        macros(
            DIRECT=name,
            KERNEL=layer.kernel_width,
            CHANNELS=layer.in_channels,
            SRC_H=layer.in_height,
        )
        + f" {axis_macros(layer)} {form}"
        + (" -DHAS_BIAS" if plan.options.bias else "")
    )
    for image in range(plan.options.batch):
        plan.add(
            Phase.RUN,
            name,
            size,
            hint,
            Binding(
                source="direct.cl",
                macros=options,
                arguments=(
                    "input", "weights", "bias", "output", source.row, source.plane,
                    source.offset + image * source.volume, output.row, output.plane,
                    output.offset + image * output.volume,
                ),
            ),
        )  # fmt: skip


def _static_hint(plan: Sequence, layer: Layer) -> Size3 | None:
    """Return the static tuner's choice, made for G71 and G72 from sizes that ignore the filters.

    It takes the innermost dimension of the weights for the kernel size: in NHWC that is the
    number of input channels.
    """
    hint = plan.target.default_hint
    kernel, channels = layer.kernel_width, layer.in_channels
    size = channels if plan.is_nhwc else kernel
    if not plan.is_static or plan.target.name not in ("g71", "g72"):
        return hint
    if size > 5 or layer.strides != (1, 1) or plan.is_half:
        return hint
    mega = f32(1e-6 * (kernel * kernel * channels * layer.in_width * layer.in_height * channels))
    if size == 1:
        return (1, 1, 8) if mega < 1 else (1, 1, 4) if mega < 7 else (1, 1, 2)
    if size == 3:
        if mega < 1:
            return (1, 1, 8)
        return (2, 1, 4) if mega < 13 else (3, 1, 4) if mega < 50 else (2, 1, 6)
    if size == 5:
        return (2, 1, 4) if mega < 2 or mega > 80 else (2, 1, 8)
    return hint
