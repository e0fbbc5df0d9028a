"""Bytes of weights per storage, against counting the allocations one by one."""

import numpy as np
import pytest

from gpusim.library.sparse.pattern import weights
from gpusim.library.sparse.storage import Storage, chunk_bytes, stored_bytes
from gpusim.network.tables import load_network

NETWORK = load_network("resnet18-cifar10")
WINDOW = NETWORK.convolutions[1]
POINT = next(layer for layer in NETWORK.convolutions if layer.kernel_height == 1)


# glibc: data and one word, in units of two words, at least four words.
@pytest.mark.parametrize(
    ("n_bytes", "pointer", "chunk"),
    [(0, 4, 16), (12, 4, 16), (13, 4, 24), (36, 4, 40), (0, 8, 32), (24, 8, 32), (25, 8, 48)],
)
def test_chunks_are_those_of_the_allocator(n_bytes, pointer, chunk):
    assert chunk_bytes(n_bytes, pointer) == chunk


# Per 3x3 filter with 32-bit pointers: 36; 4+40; 4+16+3*16; 4+40+9*16.
@pytest.mark.parametrize(
    ("storage", "per_filter"),
    [(Storage.FLAT, 36), (Storage.FILTERS, 44), (Storage.ROWS, 68), (Storage.SCALARS, 188)],
)
def test_dense_filters(storage, per_filter):
    assert stored_bytes(WINDOW, storage) == 64 * 64 * per_filter


@pytest.mark.parametrize("storage", [Storage.FILTERS, Storage.ROWS, Storage.SCALARS])
def test_a_1x1_filter_is_one_allocation(storage):
    assert stored_bytes(POINT, storage) == 20 * POINT.out_channels * POINT.in_channels


@pytest.mark.parametrize("storage", [Storage.CSR_FILTERS, Storage.CSR_TERNARY])
@pytest.mark.parametrize("pointer", [4, 8])
def test_csr_filters_are_the_sum_of_their_allocations(storage, pointer):
    layer = WINDOW.with_out_channels(4)
    total = 0
    for matrix in weights(layer, 0.7).reshape(-1, 9):
        kept = np.count_nonzero(matrix)
        total += 3 * pointer + (pointer if storage is Storage.CSR_TERNARY else 0)
        total += 2 * chunk_bytes(4 * kept, pointer) + chunk_bytes(4 * 4, pointer)
    assert stored_bytes(layer, storage, sparsity=0.7, pointer_bytes=pointer) == total


def test_csr_of_a_whole_layer_counts_values_columns_and_row_starts():
    kept = np.count_nonzero(weights(WINDOW, 0.7))
    assert stored_bytes(WINDOW, Storage.CSR_FLAT, sparsity=0.7) == 8 * kept + 4 * 65


def test_layers_without_weights_take_nothing():
    pool = next(layer for layer in NETWORK.layers if not layer.weights)
    assert stored_bytes(pool, Storage.ROWS) == 0
