"""Which way a layer goes: the library's own choice, or the one the caller asks for."""

from __future__ import annotations

from dataclasses import replace

from gpusim.errors import GpusimError, located
from gpusim.library.acl.depthwise import add_depthwise_convolution, is_depthwise
from gpusim.library.acl.direct import add_direct_convolution, why_not_direct
from gpusim.library.acl.elementwise import add_sum
from gpusim.library.acl.fully_connected import add_fully_connected
from gpusim.library.acl.gemm_convolution import add_gemm_convolution
from gpusim.library.acl.pooling import add_pooling
from gpusim.library.acl.sequence import Sequence
from gpusim.library.acl.winograd import add_winograd_convolution, why_not_winograd
from gpusim.library.plan import PlanOptions
from gpusim.network.layers import Layer, LayerKind

_DIRECT_SHAPES = frozenset(
    (
        (27, 5, 48, 128, 2),
        (224, 3, 3, 64, 1),
    )
)
"""(size of the square map, of the filter, Cin, Cout, padding) of the convolutions of AlexNet and
VGG that the library computes directly, in NCHW and at stride 1, of its own accord."""

_CONVOLUTIONS = {
    "gemm": add_gemm_convolution,
    "direct": add_direct_convolution,
    "winograd": add_winograd_convolution,
}


def why_not(layer: Layer, options: PlanOptions, asked: str) -> str:
    """Return why a convolution can't be done the way it is asked for; empty when it can."""
    if asked == "direct":
        return why_not_direct(layer)
    return why_not_winograd(layer, options) if asked == "winograd" else ""


def own_choice(layer: Layer, options: PlanOptions) -> str:
    """Return the method that the library takes for a convolution when nobody asks for one."""
    square = layer.in_width == layer.in_height and layer.kernel_width == layer.kernel_height
    key = (
        layer.in_width, layer.kernel_width, layer.in_channels, layer.out_channels, layer.pads[0]
    )  # fmt: skip
    is_even = layer.strides == layer.dilations == (1, 1) and len(set(layer.pads)) == 1
    if square and is_even and options.layout == "nchw" and key in _DIRECT_SHAPES:
        return "direct"
    if layer.in_channels < 16 or why_not_winograd(layer, options):
        return "gemm"
    return "winograd"


def add_layer(plan: Sequence, layer: Layer, asked: str) -> str:
    """Enqueue a layer and return the method taken.

    Parameters
    ----------
    plan : Sequence
        Receives the launches.
    layer : Layer
        What to compute.
    asked : str
        ``gemm``, ``direct`` or ``winograd`` for convolutions, or empty for the library's choice.
        A convolution that the method can't do falls back to the library's choice, as in the
        library's graph interface.

    Raises
    ------
    GpusimError
        For a layer that the library has no kernels for.
    """
    _check_padding(layer)
    if layer.kind is LayerKind.FULLY_CONNECTED:
        add_fully_connected(plan, layer)
        return "gemm"
    if layer.kind is LayerKind.POOLING:
        add_pooling(plan, layer)
        return "pooling"
    if layer.kind is LayerKind.ELEMENTWISE:
        add_sum(plan, layer)
        return "elementwise"
    if layer.kind is not LayerKind.CONVOLUTION:
        raise GpusimError(located(f"layer {layer.name}", "unknown to acl", found=layer.kind.value))
    if is_depthwise(layer):
        add_depthwise_convolution(plan, layer)
        return "depthwise"
    return _add_convolution(plan, layer, asked)


def takes_groups_apart(layer: Layer, options: PlanOptions, asked: str) -> bool:
    """Return whether a grouped convolution becomes one convolution per group.

    Only the matrix product in NCHW knows groups; the library's graph interface splits the rest.
    """
    knows_groups = options.layout == "nchw" and asked in ("", "gemm")
    return layer.groups > 1 and not is_depthwise(layer) and not knows_groups


def _add_convolution(plan: Sequence, layer: Layer, asked: str) -> str:
    if takes_groups_apart(layer, plan.options, asked):
        return _add_groups(plan, layer, asked)
    is_taken = asked and not why_not(layer, plan.options, asked)
    method = asked if is_taken else own_choice(layer, plan.options)
    _CONVOLUTIONS[method](plan, layer)
    return method


def _add_groups(plan: Sequence, layer: Layer, asked: str) -> str:
    """Enqueue the convolutions of the groups one after the other; tensors are per group."""
    part = replace(
        layer,
        groups=1,
        in_channels=layer.in_channels // layer.groups,
        out_channels=layer.out_channels // layer.groups,
    )
    method = ""
    for group in range(layer.groups):
        inner = Sequence(target=plan.target, options=plan.options)
        method = _add_convolution(inner, part, asked)
        plan.take_over(inner, {name: f"{name} of group {group}" for name in inner.tensors})
    return method


def _check_padding(layer: Layer) -> None:
    """Refuse a layer whose last outputs see padding only: the library drops those outputs."""
    (stride_y, stride_x), (top, left, _, _) = layer.strides, layer.pads
    if (layer.out_width - 1) * stride_x >= layer.in_width + left or (
        layer.out_height - 1
    ) * stride_y >= layer.in_height + top:
        raise GpusimError(
            located(
                f"layer {layer.name}",
                "padding wider than the filters",
                expected=f"below {min(layer.kernel_width, layer.kernel_height)}",
                found=max(layer.pads),
            )
        )
