"""Sparse weights: the share of zeros, determinism, CSR against the dense matrix."""

import numpy as np
import pytest

from gpusim.errors import GpusimError
from gpusim.library.sparse.pattern import csr_of, weights
from gpusim.network.tables import load_network

LAYER = load_network("resnet18-cifar10").convolutions[4]


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.7654, 0.99])
def test_the_share_of_zeros_is_what_was_asked_for(sparsity):
    values = weights(LAYER, sparsity)
    assert values.shape == (64, 64, 3, 3)
    assert np.count_nonzero(values == 0) == round(values.size * sparsity)


def test_weights_are_equal_at_every_call_and_differ_between_layers():
    other = load_network("resnet18-cifar10").convolutions[3]
    assert np.array_equal(weights(LAYER, 0.3), weights(LAYER, 0.3))
    assert not np.array_equal(weights(LAYER, 0.3), weights(other, 0.3))


def test_the_smallest_magnitudes_are_gone():
    whole, pruned = weights(LAYER, 0.0), weights(LAYER, 0.6)
    assert np.abs(whole[pruned == 0]).max() <= np.abs(whole[pruned != 0]).min()


def test_ternary_weights_have_two_values_and_the_same_zeros():
    ternary = weights(LAYER, 0.6, ternary=True)
    assert len(np.unique(ternary)) == 3
    assert np.array_equal(ternary == 0, weights(LAYER, 0.6) == 0)


def test_csr_says_the_same_as_the_matrix():
    matrix = weights(LAYER, 0.9).reshape(64, -1)
    csr = csr_of(matrix)
    again = np.zeros_like(matrix)
    for row in range(64):
        for k in range(csr.row_starts[row], csr.row_starts[row + 1]):
            again[row, csr.columns[k]] = csr.values[k]
    assert np.array_equal(again, matrix)
    assert csr.n_bytes == 4 * (65 + 2 * np.count_nonzero(matrix))


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 7])
def test_impossible_shares_are_refused(sparsity):
    with pytest.raises(GpusimError, match="no share of zeros"):
        weights(LAYER, sparsity)
