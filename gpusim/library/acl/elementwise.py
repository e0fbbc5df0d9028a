"""Sums: of two tensors, and of a tensor and a bias."""

from __future__ import annotations

from gpusim.library.acl.binding import Binding, Tensor, macros
from gpusim.library.acl.sequence import Sequence, ceil_div, round_up
from gpusim.library.plan import Phase
from gpusim.network.layers import Layer

_VECTOR = 16
"""Elements of a work-item."""


def add_bias(plan: Sequence, layer: Layer) -> None:
    """Enqueue the addition of a bias to an NHWC output of a product, in place."""
    output = plan.tensors["output"]
    width, height = layer.out_width, layer.out_height
    has_maps = output.dims[2] == height and output.dims[1] == width
    map_stride = output.plane if has_maps else output.row * width
    image_stride = output.volume if has_maps else output.plane
    plan.add(
        Phase.RUN,
        "elementwise_operation_ADD",
        (ceil_div(layer.out_channels, _VECTOR), width, height * plan.options.batch),
        plan.target.default_hint,
        Binding(
            source="elementwise.cl",
            macros=macros(ADD_BIAS=1, HEIGHT=height),
            arguments=("output", "bias", output.row, map_stride, image_stride),
        ),
    )


def add_sum(plan: Sequence, layer: Layer) -> None:
    """Enqueue the element-wise sum of two tensors of the layer's shape."""
    channels, width, height = layer.in_channels, layer.in_width, layer.in_height
    shape = (channels, width, height) if plan.is_nhwc else (width, height, channels)
    tensor = Tensor(dims=(*shape, plan.options.batch), right=round_up(shape[0], _VECTOR) - shape[0])
    for name in ("input", "input 2", "output"):
        plan.tensors[name] = tensor
    plan.add(
        Phase.RUN,
        "elementwise_operation_ADD",
        (ceil_div(shape[0], _VECTOR), shape[1], shape[2] * plan.options.batch),
        plan.target.default_hint,
        Binding(
            source="elementwise.cl",
            macros="-DADD_TENSORS",
            arguments=("input", "input 2", "output", tensor.row, tensor.plane),
        ),
    )
