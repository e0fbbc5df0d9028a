"""Fully connected layers: weights transposed once, a product with one row per image, biases."""

from __future__ import annotations

from gpusim.library.acl.binding import Binding, Tensor
from gpusim.library.acl.gemm import Product, add_product, output_tile
from gpusim.library.acl.sequence import Sequence, ceil_div, round_up
from gpusim.library.plan import Phase
from gpusim.network.layers import Layer


def add_fully_connected(plan: Sequence, layer: Layer) -> None:
    """Enqueue a fully connected layer; an input of maps is flattened first.

    The weights are taken to be in the input's layout, so that none are converted.
    """
    batch, n = plan.options.batch, layer.out_channels
    pixels = layer.in_width * layer.in_height
    k = layer.in_channels * pixels
    product = Product(m=batch, n=n, k=k)
    columns, rows = output_tile(product, plan)
    edge = 16 // plan.element_bytes
    beyond = round_up(batch, rows) - batch
    weights = Tensor(dims=(k, n, 1, 1), right=round_up(k, edge) - k, bottom=round_up(n, edge) - n)
    plan.tensors["weights"] = weights
    matrix = Tensor(
        dims=(n, k, 1, 1),
        right=round_up(n, max(columns, edge)) - n,
        bottom=round_up(k, edge) - k,
        tail=16,
    )
    plan.tensors["weights as matrix"] = matrix
    plan.tensors["bias"] = Tensor(dims=(n, 1, 1, 1), right=round_up(n, 16) - n)
    plan.tensors["output"] = Tensor(
        dims=(n, batch, 1, 1), right=round_up(n, max(columns, 16)) - n, bottom=beyond
    )
    plan.add(
        Phase.PREPARE,
        "transpose",
        (ceil_div(k, edge), ceil_div(n, edge), 1),
        (2, 8, 1),
        Binding(
            source="fully_connected.cl",
            macros=f"-DTRANSPOSE -DEDGE={edge}",
            arguments=("weights", "weights as matrix", weights.row, matrix.row),
        ),
    )
    vector = Tensor(dims=(k, batch, 1, 1), right=round_up(k, 8) - k, bottom=beyond)
    a = "input"
    if pixels > 1:
        a = "flat input"
        _add_flatten(plan, layer, vector)
    plan.tensors[a] = vector
    add_product(plan, product, a, "weights as matrix", "output", "bias")
    if plan.options.bias:
        _add_biases(plan, n)


def _add_flatten(plan: Sequence, layer: Layer, flat: Tensor) -> None:
    """Enqueue the copy of maps into rows."""
    channels, width, height = layer.in_channels, layer.in_width, layer.in_height
    dims = (channels, width, height) if plan.is_nhwc else (width, height, channels)
    plan.tensors["input"] = source = Tensor(dims=(*dims, plan.options.batch))
    plan.add(
        Phase.RUN,
        "flatten",
        (dims[0], dims[1], dims[2] * plan.options.batch),
        plan.target.default_hint,
        Binding(
            source="fully_connected.cl",
            macros=f"-DFLATTEN -DPLANES={dims[2]}",
            arguments=("input", "flat input", source.row, source.plane, flat.row),
        ),
    )


def _add_biases(plan: Sequence, n: int) -> None:
    vector = 8 if plan.target.is_listed else 16
    plan.add(
        Phase.RUN,
        "gemm_accumulate_biases",
        (ceil_div(n, vector), plan.options.batch, 1),
        plan.target.default_hint,
        Binding(
            source="fully_connected.cl",
            macros=f"-DACCUMULATE_BIASES -DVECTOR={vector}",
            arguments=("output", "bias", plan.tensors["output"].row),
        ),
    )
