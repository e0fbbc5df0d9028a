"""Bytes that a layer's weights take in a format, as a C program would hold them.

A layer is either one array, or many small allocations behind pointers, as C programs with one
pointer per dimension have them. The second kind pays for pointers and for the allocator's
headers and rounding, which is most of the memory of a 1x1 or 3x3 filter.

The allocator is that of glibc: a chunk is its data plus one header word, rounded up to two words,
and at least four.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from gpusim.library.sparse.pattern import kept_per_row
from gpusim.network.layers import Layer, LayerKind

_FLOAT_BYTES = 4
_INDEX_BYTES = 4


class Storage(StrEnum):
    """How weights are held."""

    FLAT = "flat"
    """Dense, one array a layer."""
    FILTERS = "filters"
    """Dense, an array per filter (one input and one output channel)."""
    ROWS = "rows"
    """Dense, an array per row of a filter; a 1x1 filter is one allocation."""
    SCALARS = "scalars"
    """Dense, every weight of a filter in an allocation of its own."""
    CSR_FLAT = "csr-flat"
    """CSR, one matrix a layer: a row is an output channel."""
    CSR_FILTERS = "csr-filters"
    """CSR, a matrix per filter: three arrays behind three pointers."""
    CSR_TERNARY = "csr-ternary"
    """The same and one more word per filter."""


SPARSE = (Storage.CSR_FLAT, Storage.CSR_FILTERS, Storage.CSR_TERNARY)


def chunk_bytes(n_bytes: int, pointer_bytes: int) -> int:
    """Return what an allocation takes from the heap."""
    unit = 2 * pointer_bytes
    return max(2 * unit, -(-(n_bytes + pointer_bytes) // unit) * unit)


def stored_bytes(
    layer: Layer, storage: Storage, *, sparsity: float = 0.0, pointer_bytes: int = 4
) -> int:
    """Return the bytes of a layer's weights; 0 for a layer without.

    Parameters
    ----------
    layer : Layer
    storage : Storage
        A fully connected layer is one array (dense or CSR) in every storage.
    sparsity : float
        Share of zeros; counts in CSR only.
    pointer_bytes : int
        4 or 8: also the allocator's word.
    """
    if not layer.weights:
        return 0
    is_sparse = storage in SPARSE
    if layer.kind is LayerKind.FULLY_CONNECTED:
        storage = Storage.CSR_FLAT if is_sparse else Storage.FLAT
    if storage is Storage.FLAT:
        return layer.weights * _FLOAT_BYTES
    if storage is Storage.CSR_FLAT:
        kept = layer.weights - round(layer.weights * sparsity)
        return kept * (_FLOAT_BYTES + _INDEX_BYTES) + (layer.out_channels + 1) * _INDEX_BYTES
    if is_sparse:
        return _csr_filters(layer, storage, sparsity, pointer_bytes)
    n_filters = layer.out_channels * layer.in_channels // layer.groups
    return n_filters * _dense_filter(layer, storage, pointer_bytes)


def _dense_filter(layer: Layer, storage: Storage, pointer_bytes: int) -> int:
    rows, columns = layer.kernel_height, layer.kernel_width

    def chunk(n_bytes: int) -> int:
        return chunk_bytes(n_bytes, pointer_bytes)

    if storage is Storage.FILTERS or rows * columns == 1:
        return pointer_bytes + chunk(rows * columns * _FLOAT_BYTES)
    if storage is Storage.ROWS:
        return pointer_bytes + chunk(rows * pointer_bytes) + rows * chunk(columns * _FLOAT_BYTES)
    n_weights = rows * columns
    return pointer_bytes + chunk(n_weights * pointer_bytes) + n_weights * chunk(_FLOAT_BYTES)


def _csr_filters(layer: Layer, storage: Storage, sparsity: float, pointer_bytes: int) -> int:
    kept = kept_per_row(layer, sparsity).sum(axis=2).reshape(-1)
    per_filter = 3 * pointer_bytes + chunk_bytes(
        (layer.kernel_height + 1) * _INDEX_BYTES, pointer_bytes
    )
    if storage is Storage.CSR_TERNARY:
        per_filter += pointer_bytes
    counts = np.bincount(kept)
    arrays = sum(
        int(number) * 2 * chunk_bytes(n_kept * _FLOAT_BYTES, pointer_bytes)
        for n_kept, number in enumerate(counts)
    )
    return len(kept) * per_filter + arrays
