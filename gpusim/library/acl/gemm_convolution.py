"""Convolution as a matrix product: weights reshape, im2col, product, col2im or bias addition."""

from __future__ import annotations

from gpusim.library.acl.binding import Binding, Tensor, axis_macros, macros
from gpusim.library.acl.elementwise import add_bias
from gpusim.library.acl.gemm import Product, add_product, is_reshaped, output_tile
from gpusim.library.acl.sequence import Sequence, ceil_div, round_up
from gpusim.library.plan import Phase
from gpusim.network.layers import Layer


def add_gemm_convolution(plan: Sequence, layer: Layer) -> None:
    """Enqueue a convolution by matrix product."""
    out_w, out_h = layer.out_width, layer.out_height
    taps = layer.kernel_width * layer.kernel_height
    groups = layer.groups
    skips_im2col = plan.is_nhwc and taps == 1 and layer.strides == (1, 1)
    folds_bias = plan.options.bias and not skips_im2col
    n = layer.out_channels // groups
    k = layer.in_channels // groups * taps + folds_bias
    batch = plan.options.batch
    product = Product(
        m=out_w * out_h,
        n=n,
        k=k,
        planes=batch * groups,
        b_planes=groups,
        output_rows=out_w if plan.is_nhwc else 0,
        maps=out_h if skips_im2col else 1,
        fuses_bias=plan.options.bias and skips_im2col and plan.is_half,
    )
    columns, rows = output_tile(product, plan)
    _add_weights_reshape(plan, layer, folds_bias, columns)
    if skips_im2col:
        keeps_maps = not is_reshaped(product, plan.target)
        shape = (out_w, out_h, batch) if keeps_maps else (out_w * out_h, batch, 1)
        beyond = round_up(shape[0], rows) - shape[0]
        plan.tensors["input"] = Tensor(dims=(k, *shape), right=round_up(k, 8) - k, bottom=beyond)
        # The bias is added sixteen channels at a time.
        plan.tensors["output"] = Tensor(dims=(n, *shape), right=round_up(n, 16) - n, bottom=beyond)
        add_product(plan, product, "input", "weights as matrix", "output", "bias")
        if plan.options.bias and not plan.is_half:
            add_bias(plan, layer)
        return
    _add_im2col(plan, layer, folds_bias, k, rows)
    result = "output" if plan.is_nhwc else "product"
    # Eight columns at a time are taken back into maps.
    multiple = columns if plan.is_nhwc else 8
    plan.tensors[result] = Tensor(
        dims=(n, product.m, batch * groups, 1),
        right=round_up(n, multiple) - n,
        bottom=round_up(product.m, rows) - product.m,
    )
    add_product(plan, product, "columns", "weights as matrix", result, "bias")
    if not plan.is_nhwc:
        _add_col2im(plan, layer, n)


def _add_weights_reshape(plan: Sequence, layer: Layer, folds_bias: bool, columns: int) -> None:
    """Turn filters into columns, biases into a last row; every filter in each work-item."""
    channels = layer.in_channels // layer.groups
    kernel = (layer.kernel_width, layer.kernel_height)
    dims = (channels, *kernel) if plan.is_nhwc else (*kernel, channels)
    size = dims[0] * dims[1] * dims[2]
    n = layer.out_channels // layer.groups
    plan.tensors["weights"] = Tensor(dims=(*dims, layer.out_channels))
    plan.tensors["bias"] = Tensor(
        dims=(layer.out_channels, 1, 1, 1),
        right=round_up(layer.out_channels, 16) - layer.out_channels,
    )
    matrix = Tensor(
        dims=(n, size + folds_bias, layer.groups, 1), right=round_up(n, columns) - n, tail=16
    )
    plan.tensors["weights as matrix"] = matrix
    plan.add(
        Phase.PREPARE,
        "reshape_to_columns",
        dims,
        plan.target.default_hint,
        Binding(
            source="im2col.cl",
            macros=macros(
                RESHAPE_TO_COLUMNS=1, DIM0=dims[0], DIM1=dims[1], SIZE=size, GROUPS=layer.groups
            )
            + (" -DHAS_BIAS" if folds_bias else ""),
            arguments=("weights", "bias", "weights as matrix", n, matrix.row, matrix.plane),
        ),
    )  # fmt: skip


def _add_im2col(plan: Sequence, layer: Layer, has_bias: bool, k: int, rows: int) -> None:
    out_w, out_h, batch = layer.out_width, layer.out_height, plan.options.batch
    groups, channels = layer.groups, layer.in_channels
    matrix = Tensor(
        dims=(k, out_w * out_h, batch * groups, 1),
        right=round_up(k, 8) - k,
        bottom=round_up(out_w * out_h, rows) - out_w * out_h,
    )
    plan.tensors["columns"] = matrix
    shape = {
        "SRC_W": layer.in_width,
        "SRC_H": layer.in_height,
        "CHANNELS": channels,
        "CONV_W": out_w,
        "CONV_H": out_h,
        "KERNEL_W": layer.kernel_width,
        "KERNEL_H": layer.kernel_height,
        "DILATION_X": layer.dilations[1],
        "DILATION_Y": layer.dilations[0],
        "GROUPS": groups,
    }
    if plan.is_nhwc:
        name = {(3, 3): "im2col3x3_nhwc", (9, 9): "im2col9x9_nhwc"}.get(
            (layer.kernel_width, layer.kernel_height), "im2col_generic_nhwc"
        )
        source = Tensor(
            dims=(channels, layer.in_width, layer.in_height, batch), right=max(0, 2 - channels)
        )
        size = (ceil_div(channels, 2), out_w * out_h, batch)
    else:
        name, per_item = _nchw_form(layer)
        top, left, bottom, right = layer.pads
        source = Tensor(
            dims=(layer.in_width, layer.in_height, channels, batch),
            left=left,
            right=right + 8,
            top=top,
            bottom=bottom,
        )
        size = (ceil_div(out_w, per_item), out_h, channels * batch)
    plan.tensors["input"] = source
    plan.add(
        Phase.RUN,
        name,
        size,
        plan.target.default_hint,
        Binding(
            source="im2col.cl",
            macros=macros(IM2COL=name, **{name.upper(): 1}, **shape)
            + f" {axis_macros(layer)}"
            + (" -DHAS_BIAS" if has_bias else ""),
            arguments=("input", "columns", source.row, source.plane, source.volume, source.offset,
                       matrix.row, matrix.plane),
        ),
    )  # fmt: skip


def _nchw_form(layer: Layer) -> tuple[str, int]:
    """Return the name of the NCHW kernel and the outputs of a work-item in X."""
    width, height = layer.kernel_width, layer.kernel_height
    is_dense, is_padded = layer.dilations == (1, 1), any(layer.pads)
    if is_dense and width == height:
        if width == 1 and layer.strides[1] == 1 and not is_padded:
            return "im2col1x1_stridex1_nchw", 4
        if width in (3, 5):
            return f"im2col{width}x{width}_nchw", 1
        if width == 11 and not is_padded:
            return "im2col11x11_padx0_pady0_nchw", 1
    elif is_dense and width > 1 and not is_padded:
        return "im2col_generic_padx0_pady0_nchw", 1
    return "im2col_generic_nchw", 1


def _add_col2im(plan: Sequence, layer: Layer, n: int) -> None:
    out_w, out_h, batch = layer.out_width, layer.out_height, plan.options.batch
    product = plan.tensors["product"]
    output = Tensor(dims=(out_w, out_h, layer.out_channels, batch))
    plan.tensors["output"] = output
    hint = plan.target.default_hint
    if plan.is_static and plan.target.is_listed:
        hint = (1, 7, 1) if out_w in (7, 14) else (1, 8, 1)
    plan.add(
        Phase.RUN,
        "col2im",
        (ceil_div(n, 8), out_w * out_h, batch * layer.groups),
        hint,
        Binding(
            source="im2col.cl",
            macros="-DCOL2IM",
            arguments=("product", "output", n, product.row, product.plane, output.plane),
        ),
    )
