"""Layers on CLBlast, as frameworks use it: the library itself has matrices, not layers.

A convolution is im2col and one product per image and group (weights x columns); a 1x1 convolution
without stride and padding multiplies the image as it is. A bias is a product with a row of ones
that adds to the output. A fully connected layer is one product for the whole batch. These are the
calls of Caffe's OpenCL branch; the launches behind each call are CLBlast's.
"""

from __future__ import annotations

from gpusim.errors import GpusimError, located
from gpusim.library.clblast.gemm import Operand, Product, Routines
from gpusim.library.plan import PlannedLayer, PlanOptions
from gpusim.library.planned_trace import BufferRef, PlannedTrace
from gpusim.network.layers import Layer, LayerKind

_CALLS = "which routines a framework calls for a layer (the launches of a routine are captured)"


def plan_clblast(layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    """Return the one way of computing a layer with CLBlast.

    Raises
    ------
    GpusimError
        For a layer that is no convolution and not fully connected, the layout NHWC (im2col takes
        one plane per channel), or a device without OpenCL.
    """
    where = f"layer {layer.name}"
    if layer.kind not in (LayerKind.CONVOLUTION, LayerKind.FULLY_CONNECTED):
        raise GpusimError(
            located(
                where,
                "clblast has no kernel for it",
                expected="a convolution or a fully connected layer",
                found=layer.kind.value,
            )
        )
    if options.layout != "nchw" and layer.kind is LayerKind.CONVOLUTION:
        raise GpusimError(
            located(where, "clblast's im2col wants planes", expected="nchw", found=options.layout)
        )
    plan = PlannedTrace(f"clblast plan of {layer.name}")
    routines = Routines(plan, options.target, options.dtype)
    if layer.kind is LayerKind.CONVOLUTION:
        method = _convolution(layer, options, routines)
    else:
        method = _fully_connected(layer, options, routines)
    return (
        PlannedLayer(
            layer=layer,
            library="clblast",
            method=method,
            options=options,
            trace=plan.trace(),
            unverified=(_CALLS,),
        ),
    )


def _convolution(layer: Layer, options: PlanOptions, routines: Routines) -> str:
    plan, size = routines.plan, routines.element_bytes
    groups = layer.groups
    m, n = layer.out_channels // groups, layer.out_height * layer.out_width
    k = layer.in_channels // groups * layer.kernel_height * layer.kernel_width
    image_elements = layer.in_channels * layer.in_height * layer.in_width
    image = plan.buffer(options.batch * image_elements * size)
    weights = plan.buffer(layer.weights * size)
    output = plan.buffer(options.batch * layer.out_channels * n * size)
    is_plain = (layer.kernel_height, layer.kernel_width) == layer.strides == (1, 1) and not any(
        layer.pads
    )
    columns = image if is_plain else plan.buffer(groups * k * n * size)
    ones = bias = None
    if options.bias:
        bias, ones = plan.buffer(layer.out_channels * size), plan.buffer(n * size)
    kind = ""
    for number in range(options.batch):
        if not is_plain:
            routines.im2col(_sizes(layer), image, number * image_elements, columns)
        start = number * image_elements if is_plain else 0
        for group in range(groups):
            result = (number * groups + group) * m * n
            kind = routines.gemm(
                Product(
                    m=m,
                    n=n,
                    k=k,
                    a=_rows(weights, k, group * m * k),
                    b=_rows(columns, n, start + group * k * n),
                    c=_rows(output, n, result),
                )
            )
        if bias is not None and ones is not None:
            routines.gemm(
                Product(
                    m=layer.out_channels,
                    n=n,
                    k=1,
                    a=_rows(bias, 1),
                    b=_rows(ones, n),
                    c=_rows(output, n, number * layer.out_channels * n),
                    beta=1.0,
                )
            )
    return f"{'gemm' if is_plain else 'im2col+gemm'} {kind}"


def _fully_connected(layer: Layer, options: PlanOptions, routines: Routines) -> str:
    plan, size, batch = routines.plan, routines.element_bytes, options.batch
    k = layer.in_channels * layer.in_height * layer.in_width
    n = layer.out_channels
    inputs = plan.buffer(batch * k * size)
    weights = plan.buffer(n * k * size)
    output = plan.buffer(batch * n * size)
    kind = routines.gemm(
        Product(
            m=batch,
            n=n,
            k=k,
            a=_rows(inputs, k),
            # One row of weights per output: the transpose of a row-major (k, n).
            b=Operand(buffer=weights, offset=0, is_row_major=False, ld=k),
            c=_rows(output, n),
        )
    )
    if options.bias:
        bias, ones = plan.buffer(n * size), plan.buffer(batch * size)
        routines.gemm(
            Product(
                m=batch,
                n=n,
                k=1,
                a=_rows(ones, 1),
                b=_rows(bias, n),
                c=_rows(output, n),
                beta=1.0,
            )
        )
    return f"gemm {kind}"


def _rows(buffer: BufferRef, ld: int, offset: int = 0) -> Operand:
    return Operand(buffer=buffer, offset=offset, is_row_major=True, ld=ld)


def _sizes(layer: Layer) -> tuple[int, ...]:
    top, left, _, _ = layer.pads
    return (
        layer.in_height,
        layer.in_width,
        layer.in_channels,
        layer.out_height,
        layer.out_width,
        layer.kernel_height,
        layer.kernel_width,
        top,
        left,
        *layer.strides,
        *layer.dilations,
    )
