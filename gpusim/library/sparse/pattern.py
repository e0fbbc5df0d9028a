"""Weights with a given share of zeros, the same ones at every run.

Pruning by magnitude needs weights, and no trained ones are part of this project. A normal
distribution drawn from a seed stands in for them: the smallest magnitudes of a layer become zero.
The positions of the others are then a uniform sample, which is what kernels see of a pruned layer
as long as its zeros are unstructured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gpusim.errors import GpusimError, located
from gpusim.network.layers import Layer

SEED = 20181
_CACHED = 4
_CACHED_COUNTS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Csr:
    """Compressed sparse rows."""

    row_starts: NDArray[np.int32]
    """Shape (rows + 1,): position of each row's first value."""
    columns: NDArray[np.int32]
    """Shape (non-zeros,)."""
    values: NDArray[np.float32]
    """Shape (non-zeros,)."""

    @property
    def n_bytes(self) -> int:
        """Bytes of the three arrays."""
        return self.row_starts.nbytes + self.columns.nbytes + self.values.nbytes


def check_sparsity(sparsity: float) -> None:
    """Raise GpusimError for a share that is not in [0, 1)."""
    if not 0 <= sparsity < 1:
        raise GpusimError(
            located("sparsity", "no share of zeros", expected="0 or more, below 1", found=sparsity)
        )


def weights(layer: Layer, sparsity: float, *, ternary: bool = False) -> NDArray[np.float32]:
    """Return weights of a layer with a share of zeros.

    Parameters
    ----------
    layer : Layer
        A convolution or fully connected layer.
    sparsity : float
        Share of zeros, at least 0 and below 1.
    ternary : bool
        Whether the others are one of two values (trained ternary quantisation).

    Returns
    -------
    ndarray of float32
        Shape (output channels, input channels per group, kernel height, kernel width), read-only.

    Raises
    ------
    GpusimError
        For a sparsity out of range.
    """
    check_sparsity(sparsity)
    shape = (
        layer.out_channels,
        layer.in_channels // layer.groups,
        layer.kernel_height,
        layer.kernel_width,
    )
    return _weights(shape, layer.index, sparsity, ternary)


@lru_cache(maxsize=_CACHED)
def _weights(
    shape: tuple[int, ...], index: int, sparsity: float, ternary: bool
) -> NDArray[np.float32]:
    random = np.random.Generator(np.random.Philox([SEED, index, *shape]))
    values = random.standard_normal(shape, dtype=np.float32)
    n_zeros = round(values.size * sparsity)
    if n_zeros:
        flat = np.abs(values).reshape(-1)
        smallest = np.argpartition(flat, n_zeros - 1)[:n_zeros]
        values.reshape(-1)[smallest] = 0
    if ternary:
        scale = np.float32(np.sqrt(2.0 / values[0].size))
        values = np.sign(values) * scale
    values.flags.writeable = False
    return values


def kept_per_row(layer: Layer, sparsity: float) -> NDArray[np.uint8]:
    """Return how many weights of each row of each filter are not zero.

    Returns
    -------
    ndarray of uint8
        Shape (output channels, input channels per group, kernel height), read-only.
    """
    shape = (
        layer.out_channels,
        layer.in_channels // layer.groups,
        layer.kernel_height,
        layer.kernel_width,
    )
    return _kept_per_row(shape, layer.index, sparsity)


@lru_cache(maxsize=_CACHED_COUNTS)
def _kept_per_row(shape: tuple[int, ...], index: int, sparsity: float) -> NDArray[np.uint8]:
    kept: NDArray[np.uint8] = np.count_nonzero(
        _weights(shape, index, sparsity, False), axis=3
    ).astype(np.uint8)
    kept.flags.writeable = False
    return kept


def csr_of(matrix: NDArray[np.float32]) -> Csr:
    """Return a matrix as compressed sparse rows.

    Parameters
    ----------
    matrix : ndarray of float32
        Shape (rows, columns).
    """
    rows, columns = np.nonzero(matrix)
    starts = np.zeros(len(matrix) + 1, dtype=np.int32)
    np.cumsum(np.bincount(rows, minlength=len(matrix)), out=starts[1:])
    return Csr(
        row_starts=starts,
        columns=columns.astype(np.int32),
        values=matrix[rows, columns].astype(np.float32),
    )
