"""The loops of a layer in plain C, as counts per iteration of the parallel (outermost) loop.

The program is the one that papers on compression compare with: nested arrays behind one pointer
per dimension, the loop over output channels shared out to threads, inside it input channels, rows,
columns and the filter. A sparse layer has a small CSR matrix per filter. The counts of
instructions and loads per window, row, filter and non-zero were read in what clang 14 makes of
such loops with -O3 for a Cortex-A15 (scalar) and for Sandy Bridge (eight columns at once where a
row has as many; nine instructions per weight because each weight is broadcast anew).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gpusim.library.sparse.pattern import kept_per_row
from gpusim.network.layers import Layer, LayerKind

_FLOAT_BYTES = 4
_LEARNED_TRIPS = 16
"""A loop of fewer rounds is predicted to its end."""


class Format(StrEnum):
    """How a layer's weights are read."""

    DENSE = "dense"
    CSR = "csr"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopWork:
    """What each iteration of the parallel loop executes; arrays of shape (iterations,)."""

    instructions: NDArray[np.float64]
    loads: NDArray[np.float64]
    multiply_adds: NDArray[np.float64]
    """Of scalars or of whole vectors, as `lanes` says."""
    chained: NDArray[np.float64]
    """Multiply-adds that wait for the one before."""
    chain_instructions: float
    """Instructions of one chain with what lies around it: how far the next one is away."""
    mispredicts: NDArray[np.float64]
    read_bytes: float
    """Input maps that an iteration walks through."""
    lanes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    """Instructions, loads, multiply-adds of one execution of a piece of code."""

    instructions: float
    loads: float
    multiply_adds: float = 0


_FILTER = _Cost(instructions=16, loads=6)
_ROW = _Cost(instructions=12, loads=4)
_CSR_PIXEL = _Cost(instructions=19, loads=10, multiply_adds=1)
_CSR_FILTER_ROW = _Cost(instructions=8, loads=1)
_CSR_FILLED_ROW = _Cost(instructions=6, loads=3)
_CSR_VALUE = _Cost(instructions=8, loads=3, multiply_adds=1)
_DOT = _Cost(instructions=5, loads=2, multiply_adds=1)
_CSR_DOT = _Cost(instructions=8, loads=3, multiply_adds=1)
_VECTOR_PER_WEIGHT = 9


def loop_work(layer: Layer, form: Format, *, sparsity: float = 0.0, lanes: int = 1) -> LoopWork:
    """Return the work of a layer's loops, batch 1.

    Parameters
    ----------
    layer : Layer
    form : Format
        Of the weights; a layer without weights ignores it.
    sparsity : float
        Share of zeros, for CSR.
    lanes : int
        Columns that the compiled dense loop takes at once.
    """
    if layer.kind is LayerKind.CONVOLUTION and form is Format.CSR:
        return _sparse_convolution(layer, sparsity)
    if layer.kind is LayerKind.CONVOLUTION:
        return _dense_convolution(layer, lanes)
    if layer.kind is LayerKind.FULLY_CONNECTED:
        return _fully_connected(layer, form, sparsity)
    return _elementwise(layer)


def _dense_convolution(layer: Layer, lanes: int) -> LoopWork:
    is_vector = lanes > 1 and layer.strides[1] == 1 and layer.out_width >= lanes
    lanes = lanes if is_vector else 1
    inputs = layer.in_channels // layer.groups
    n_weights = layer.kernel_height * layer.kernel_width
    rows = inputs * layer.out_height
    vectors, rest = divmod(layer.out_width, lanes) if is_vector else (0, layer.out_width)
    if n_weights == 1:
        # out += in * w, all three in memory: no chain.
        scalar = vector = _Cost(instructions=7, loads=3, multiply_adds=1)
        chained = 0.0
    else:
        scalar = _Cost(
            instructions=3 * n_weights + layer.kernel_height + 7,
            loads=2 * n_weights + 1,
            multiply_adds=n_weights + 1,
        )
        vector = _Cost(
            instructions=_VECTOR_PER_WEIGHT * n_weights,
            loads=2 * n_weights + 1,
            multiply_adds=n_weights + 1,
        )
        chained = n_weights
    return _uniform(
        layer,
        [(inputs, _FILTER), (rows, _ROW), (rows * vectors, vector), (rows * rest, scalar)],
        chained=chained * rows * (vectors + rest),
        chain_instructions=vector.instructions if vectors else scalar.instructions,
        mispredicts=inputs + (rows if vectors + rest > _LEARNED_TRIPS else 0),
        lanes=lanes if vectors else 1,
    )


def _sparse_convolution(layer: Layer, sparsity: float) -> LoopWork:
    kept = kept_per_row(layer, sparsity)
    n_kept = kept.sum(axis=(1, 2)).astype(np.float64)
    n_filled = np.count_nonzero(kept, axis=(1, 2)).astype(np.float64)
    inputs = layer.in_channels // layer.groups
    n_pixels = layer.out_height * layer.out_width
    pieces: list[tuple[NDArray[np.float64] | float, _Cost]] = [
        (inputs, _FILTER),
        (inputs * layer.out_height, _ROW),
        (inputs * n_pixels, _CSR_PIXEL),
        (inputs * n_pixels * layer.kernel_height, _CSR_FILTER_ROW),
        (n_filled * n_pixels, _CSR_FILLED_ROW),
        (n_kept * n_pixels, _CSR_VALUE),
    ]
    per_pixel = sum(n * cost.instructions for n, cost in pieces[2:]) / (inputs * n_pixels)
    is_long = layer.out_width > _LEARNED_TRIPS
    return _uniform(
        layer,
        pieces,
        chained=n_kept * n_pixels,
        chain_instructions=float(np.mean(per_pixel)),
        # A filter's pattern of filled rows is new once, then learned.
        mispredicts=n_filled + inputs + (inputs * layer.out_height if is_long else 0),
        lanes=1,
    )


def _fully_connected(layer: Layer, form: Format, sparsity: float) -> LoopWork:
    inputs = layer.weights // layer.out_channels
    terms: NDArray[np.float64] | float = inputs
    cost = _DOT
    if form is Format.CSR:
        terms = kept_per_row(layer, sparsity).sum(axis=(1, 2)).astype(np.float64)
        cost = _CSR_DOT
    return _uniform(
        layer,
        [(1, _FILTER), (terms, cost)],
        chained=terms,
        chain_instructions=float(np.mean(terms)) * cost.instructions,
        mispredicts=1,
        lanes=1,
    )


def _elementwise(layer: Layer) -> LoopWork:
    """Return the loops of a pooling or a sum: every output reads its window or its addends."""
    is_pooling = layer.kind is LayerKind.POOLING
    reads = layer.kernel_height * layer.kernel_width if is_pooling else max(1, len(layer.inputs))
    cost = _Cost(instructions=3 * reads + 5, loads=reads, multiply_adds=reads)
    return _uniform(
        layer,
        [(layer.out_height, _ROW), (layer.out_height * layer.out_width, cost)],
        chained=reads * layer.out_height * layer.out_width if is_pooling else 0,
        chain_instructions=cost.instructions,
        mispredicts=layer.out_height if layer.out_width > _LEARNED_TRIPS else 0,
        lanes=1,
    )


def _uniform(
    layer: Layer,
    pieces: list[tuple[NDArray[np.float64] | float, _Cost]],
    *,
    chained: NDArray[np.float64] | float,
    chain_instructions: float,
    mispredicts: NDArray[np.float64] | float,
    lanes: int,
) -> LoopWork:
    n = max(1, layer.out_channels)

    def total(name: str) -> NDArray[np.float64]:
        return spread(sum(times * getattr(cost, name) for times, cost in pieces))

    def spread(value: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), (n,))

    # A depthwise filter, a pooling and a sum read their own channel only.
    channels = (
        layer.in_channels // layer.groups
        if layer.kind is not LayerKind.POOLING and layer.kind is not LayerKind.ELEMENTWISE
        else 1
    )
    return LoopWork(
        instructions=total("instructions"),
        loads=total("loads"),
        multiply_adds=total("multiply_adds"),
        chained=spread(chained),
        chain_instructions=max(1.0, chain_instructions),
        mispredicts=spread(mispredicts),
        read_bytes=float(channels * layer.in_height * layer.in_width * _FLOAT_BYTES),
        lanes=lanes,
    )
