"""Depthwise convolution: 3x3 kernels of their own, anything else by im2col and matrix-vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gpusim.errors import GpusimError, located
from gpusim.library.acl.binding import Argument, Binding, Tensor, axis_macros, macros
from gpusim.library.acl.border import add_fill, padded
from gpusim.library.acl.sequence import Sequence, ceil_div, round_up
from gpusim.library.plan import Phase
from gpusim.network.layers import Layer
from gpusim.trace.records import Size3


def is_depthwise(layer: Layer) -> bool:
    """Return whether every input channel has filters of its own."""
    return layer.groups == layer.in_channels > 1


def add_depthwise_convolution(plan: Sequence, layer: Layer) -> None:
    """Enqueue a depthwise convolution.

    Raises
    ------
    GpusimError
        For a dilation, and for channels that don't divide the outputs.
    """
    where = f"layer {layer.name}"
    if layer.dilations != (1, 1):
        raise GpusimError(
            located(where, "depthwise with a dilation", expected="1", found=layer.dilations)
        )
    multiplier, rest = divmod(layer.out_channels, layer.in_channels)
    if rest:
        expected = f"a multiple of its {layer.in_channels} inputs"
        raise GpusimError(
            located(where, "depthwise outputs", expected=expected, found=layer.out_channels)
        )
    if not layer.kernel_width == layer.kernel_height == 3:
        _add_generic(plan, layer, multiplier)
    elif not plan.is_nhwc:
        _add_3x3_nchw(plan, layer, multiplier)
    elif multiplier == 1:
        _add_3x3_nhwc(plan, layer)
    else:
        _add_3x3_permuted(plan, layer, multiplier)


def _add_parameters(plan: Sequence, layer: Layer) -> None:
    kernel, n = (layer.kernel_width, layer.kernel_height), layer.out_channels
    if plan.is_nhwc:
        vector = 8 // plan.element_bytes
        plan.tensors["weights"] = Tensor(dims=(n, *kernel, 1), right=round_up(n, vector) - n)
    else:
        plan.tensors["weights"] = Tensor(dims=(*kernel, n, 1), tail=8)
    plan.tensors["bias"] = Tensor(dims=(n, 1, 1, 1), right=round_up(n, 8) - n)


def _add_3x3_nhwc(plan: Sequence, layer: Layer) -> None:
    _add_parameters(plan, layer)
    channels, batch = layer.in_channels, plan.options.batch
    top, left, bottom, right = layer.pads
    out_w, out_h = layer.out_width, layer.out_height
    vector = 8 // plan.element_bytes
    is_dense = layer.strides == (1, 1)
    rows, planes = (2, 2) if is_dense else (1, 1)
    read = rows + 2
    beyond = round_up(channels, vector) - channels
    border = max(right, bottom, top)
    behind = round_up(layer.in_width + border, read) - layer.in_width
    reach = (ceil_div(out_w, rows) * rows - 1) * layer.strides[1] - left + 3 - layer.in_width
    source = Tensor(
        dims=(channels, layer.in_width, layer.in_height, batch),
        right=beyond,
        top=left,
        bottom=max(behind, reach),
    )
    plan.tensors["input"] = source
    output = Tensor(
        dims=(channels, out_w, out_h, batch),
        right=beyond,
        bottom=round_up(out_w, rows) - out_w,
    )
    plan.tensors["output"] = output
    add_fill(plan, "input", left=0, right=0, top=left, bottom=border)
    weights = plan.tensors["weights"]
    name = "depthwise_convolution_3x3_nhwc" + ("_stride1" if is_dense else "")
    plan.add(
        Phase.RUN,
        name,
        (ceil_div(channels, vector), ceil_div(out_w, rows), ceil_div(out_h, planes) * batch),
        plan.target.default_hint,
        Binding(
            source="depthwise.cl",
            macros=macros(
                DEPTHWISE_NHWC=name, VECTOR=vector, COLUMNS=rows, PLANES=planes,
                SRC_H=layer.in_height, OUT_H=out_h,
                ZERO_COLUMN=-left if left else layer.in_width if border else 0,
            )
            + f" {axis_macros(layer)}"
            + (" -DHAS_BIAS" if plan.options.bias else ""),
            arguments=(
                "input", "weights", "bias", "output", source.row, source.plane, source.volume,
                source.offset, weights.row, weights.plane, output.row, output.plane,
                output.volume,
            ),
        ),
    )  # fmt: skip


def _nchw_form(plan: Sequence, layer: Layer) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """Return the kernel's name, the outputs and the inputs of a work-item, (columns, rows)."""
    width = 8 // plan.element_bytes
    if plan.target.is_bifrost and layer.strides == (1, 1):
        read = (8, 6) if plan.is_half else (4, 6)
        name = "depthwise_convolution_3x3_stridex1_stridey1_bifrost_"
        return name + plan.options.dtype, (width, 4), read
    if plan.target.is_bifrost and layer.strides == (2, 2):
        read = (10, 5) if plan.is_half else (6, 5)
        name = "depthwise_convolution_3x3_stridex2_stridey2_bifrost_"
        return name + plan.options.dtype, (width, 2), read
    stride = layer.strides[1]
    reads = 3 + (width - 1) * stride
    if plan.is_half:
        reads = {1: 8, 2: 9, 3: 16}.get(stride, reads)
        return "depthwise_convolution_3x3_f16", (width, 1), (reads, 3)
    return "depthwise_convolution_3x3", (width, 1), (reads, 3)


def _add_3x3_permuted(plan: Sequence, layer: Layer, multiplier: int) -> None:
    """Enqueue an NHWC layer with several filters per channel: the NCHW kernel between permutes."""
    batch, channels, n = plan.options.batch, layer.in_channels, layer.out_channels
    size, out = (layer.in_width, layer.in_height), (layer.out_width, layer.out_height)
    inner = Sequence(target=plan.target, options=replace(plan.options, layout="nchw"))
    _add_3x3_nchw(inner, layer, multiplier)
    start = len(plan.steps)
    plan.take_over(inner, {name: f"{name} in NCHW" for name in ("input", "weights", "output")})
    between = plan.steps[start:]
    del plan.steps[start:]
    plan.tensors["weights"] = Tensor(dims=(n, 3, 3, 1))
    plan.tensors["input"] = Tensor(dims=(channels, *size, batch))
    plan.tensors["output"] = Tensor(dims=(n, *out, batch))
    _add_permute(plan, Phase.PREPARE, "weights", "weights in NCHW", to_nchw=True)
    _add_permute(plan, Phase.RUN, "input", "input in NCHW", to_nchw=True)
    plan.steps.extend(between)
    _add_permute(plan, Phase.RUN, "output in NCHW", "output", to_nchw=False)


def _add_permute(plan: Sequence, phase: Phase, source: str, target: str, *, to_nchw: bool) -> None:
    a, b = plan.tensors[source], plan.tensors[target]
    d0, d1, d2, d3 = a.dims
    # Elements of the target from one index of each source dimension to the next.
    steps = (b.plane, 1, b.row) if to_nchw else (b.row, b.plane, 1)
    plan.add(
        phase,
        "permute",
        (d0, d1, d2 * d3),
        plan.target.default_hint,
        Binding(
            source="depthwise.cl",
            macros=macros(PERMUTE=1, PLANES=d2),
            arguments=(
                source, target, a.row, a.plane, a.volume, a.offset, *steps, b.volume, b.offset,
            ),
        ),
    )  # fmt: skip


def _add_3x3_nchw(plan: Sequence, layer: Layer, multiplier: int) -> None:
    _add_parameters(plan, layer)
    batch = plan.options.batch
    stride_y, stride_x = layer.strides
    top, left, bottom, right = layer.pads
    out_w, out_h, n = layer.out_width, layer.out_height, layer.out_channels
    name, step, read = _nchw_form(plan, layer)
    source = padded(
        Tensor(dims=(layer.in_width, layer.in_height, layer.in_channels, batch), tail=16),
        window=(out_w, out_h),
        step=step,
        read=read,
        start=(-left, -top),
        stride=(stride_x, stride_y),
    )
    plan.tensors["input"] = source
    output = Tensor(
        dims=(out_w, out_h, n, batch),
        right=round_up(out_w, step[0]) - out_w,
        bottom=round_up(out_h, step[1]) - out_h,
    )
    plan.tensors["output"] = output
    add_fill(plan, "input", left=left, right=right, top=top, bottom=bottom)
    plan.add(
        Phase.RUN,
        name,
        (ceil_div(out_w, step[0]), ceil_div(out_h, step[1]), n * batch),
        plan.target.default_hint,
        Binding(
            source="depthwise.cl",
            macros=macros(
                DEPTHWISE_NCHW=name, COLUMNS=step[0], ROWS=step[1], MULTIPLIER=multiplier
            )
            + f" {axis_macros(layer)}"
            + (" -DHAS_BIAS" if plan.options.bias else "")
            + (f" -DCHANNELS={n}" if batch > 1 else ""),
            arguments=(
                "input", "weights", "bias", "output", source.row, source.plane, source.offset,
                output.row, output.plane,
            ),
        ),
    )  # fmt: skip


def _add_generic(plan: Sequence, layer: Layer, multiplier: int) -> None:
    """Enqueue im2col per channel, a matrix-vector product per channel, and the rearrangement."""
    channels, batch = layer.out_channels, plan.options.batch
    inputs = layer.in_channels
    kernel = (layer.kernel_width, layer.kernel_height)
    has_bias = plan.options.bias
    taps = kernel[0] * kernel[1]
    patch, pixels = taps + has_bias, layer.out_width * layer.out_height
    right, bottom = round_up(patch, 4) - patch, round_up(pixels, 4) - pixels
    layout = "-DNHWC" if plan.is_nhwc else "-DNCHW"
    bias = " -DHAS_BIAS" if has_bias else ""
    dims = (channels, *kernel) if plan.is_nhwc else (*kernel, channels)
    plan.tensors["weights"] = Tensor(dims=(*dims, 1))
    plan.tensors["bias"] = Tensor(dims=(channels, 1, 1, 1))
    rows = Tensor(dims=(patch, channels, 1, 1), right=right)
    plan.tensors["weights as rows"] = rows
    size = (layer.in_width, layer.in_height)
    plan.tensors["input"] = source = Tensor(
        dims=(inputs, *size, batch) if plan.is_nhwc else (*size, inputs, batch)
    )
    # The last row of work-items of the product reads up to three rows behind the pixels.
    columns = Tensor(dims=(patch, pixels, channels, batch), right=right, bottom=3)
    plan.tensors["columns"] = columns
    vector = Tensor(dims=(pixels * channels, 1, 1, batch), right=bottom)
    plan.tensors["vector"] = vector
    out = (layer.out_width, layer.out_height)
    plan.tensors["output"] = output = Tensor(
        dims=(channels, *out, batch) if plan.is_nhwc else (*out, channels, batch)
    )
    default = plan.target.default_hint
    is_tuned = plan.is_static and plan.target.is_listed
    plan.add(
        Phase.PREPARE,
        "depthwise_convolution_reshape_weights_generic",
        (1, kernel[1], channels),
        default,
        Binding(
            source="depthwise.cl",
            macros=f"-DRESHAPE_WEIGHTS {layout}{bias} "
            + macros(KERNEL_W=kernel[0], KERNEL_H=kernel[1], CHANNELS=channels),
            arguments=("weights", "bias", "weights as rows", rows.row),
        ),
    )
    add_fill(plan, "weights as rows", left=0, right=right, top=0, bottom=0, phase=Phase.PREPARE)
    convolution = macros(
        KERNEL_W=kernel[0], KERNEL_H=kernel[1], CHANNELS=channels, SRC_W=layer.in_width,
        SRC_H=layer.in_height, CONV_W=out[0], CONV_H=out[1],
    ) + f" {axis_macros(layer)}"  # fmt: skip
    _add_per_image(
        plan,
        "depthwise_im2col",
        (1, pixels, channels),
        (1, 2, 1) if is_tuned else default,
        f"-DDEPTHWISE_IM2COL {layout}{bias} {convolution} -DMULTIPLIER={multiplier}",
        lambda image: (
            "input", "columns", image * source.volume, columns.row, columns.plane,
            image * columns.volume,
        ),
    )  # fmt: skip
    add_fill(plan, "columns", left=0, right=right, top=0, bottom=bottom)
    _add_per_image(
        plan,
        "gemm_mv",
        (1, ceil_div(pixels + bottom, 4), channels),
        (1, 1, 1) if is_tuned else default,
        f"-DGEMM_MV -DSRC_WIDTH={patch} -DSRC_HEIGHT={pixels}",
        lambda image: (
            "columns", "weights as rows", "vector", columns.row, columns.plane,
            image * columns.volume, rows.row, image * vector.volume,
        ),
    )  # fmt: skip
    _add_per_image(
        plan,
        "depthwise_vector_to_tensor",
        (pixels * channels, 1, 1),
        default,
        f"-DVECTOR_TO_TENSOR {layout} {convolution}",
        lambda image: (
            "vector", "output", image * vector.volume, image * output.volume,
        ),
    )  # fmt: skip


def _add_per_image(
    plan: Sequence,
    name: str,
    size: Size3,
    hint: Size3 | None,
    options: str,
    arguments: Callable[[int], tuple[Argument, ...]],
) -> None:
    for image in range(plan.options.batch):
        binding = Binding(source="depthwise.cl", macros=options, arguments=arguments(image))
        plan.add(Phase.RUN, name, size, hint, binding)
