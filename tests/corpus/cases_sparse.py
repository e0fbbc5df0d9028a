"""Launches and oracles of kernels/sparse.cl."""

from __future__ import annotations

import numpy as np

from tests.corpus.case import Data, Family, dyadic

CASES = family = Family("sparse.cl")
i32, f32 = np.int32, np.float32


def _csr(rng, rows, columns, limit=16):
    """Return a matrix with about a fifth of its entries and one empty row, dense and as CSR."""
    dense = dyadic(rng, rows, columns, limit=limit) * (rng.random((rows, columns)) < 0.2)
    dense[rows // 2] = 0
    row, column = np.nonzero(dense)
    starts = np.searchsorted(row, np.arange(rows + 1)).astype(i32)
    return dense, starts, column.astype(i32), dense[row, column]


@family((48,), (16,))
def spmv_csr_scalar(rng):
    dense, starts, columns, values = _csr(rng, 40, 30)
    x = dyadic(rng, 30)
    return Data((starts, columns, values, x, np.zeros(40, f32), i32(40)), {4: dense @ x})


@family((640,), (16,))
def spmv_csr_group(rng):
    dense, starts, columns, values = _csr(rng, 40, 100)
    x = dyadic(rng, 100)
    return Data((starts, columns, values, x, np.zeros(40, f32)), {4: dense @ x})


@family((32,), (8,))
def spmv_ell(rng):
    dense, starts, columns, values = _csr(rng, 32, 30)
    width = int(np.diff(starts).max())
    slots = np.full((width, 32), -1, i32)
    padded = np.zeros((width, 32), f32)
    for row in range(32):
        part = slice(starts[row], starts[row + 1])
        slots[: starts[row + 1] - starts[row], row] = columns[part]
        padded[: starts[row + 1] - starts[row], row] = values[part]
    x = dyadic(rng, 30)
    return Data((slots, padded, x, np.zeros(32, f32), i32(width)), {3: dense @ x})


@family((256,), (32,))
def spmv_coo_fixed(rng):
    rows, columns = rng.integers(0, 20, (2, 250)).astype(i32)
    values, x = rng.integers(-99, 99, 250).astype(i32), rng.integers(-99, 99, 20).astype(i32)
    wanted = np.zeros(20, i32)
    np.add.at(wanted, rows, values * x[columns])
    return Data((rows, columns, values, x, np.zeros(20, i32), i32(250)), {4: wanted})


@family((24,), (8,))
def jacobi_csr(rng):
    dense, _, _, _ = _csr(rng, 24, 24)
    np.fill_diagonal(dense, 4)
    row, column = np.nonzero(dense)
    starts = np.searchsorted(row, np.arange(25)).astype(i32)
    b, x = dyadic(rng, 24), dyadic(rng, 24)
    wanted = (b - (dense @ x - 4 * x)) / 4
    args = (starts, column.astype(i32), dense[row, column], b, x, np.zeros(24, f32))
    return Data(args, {5: wanted})


@family((64,), (16,))
def csr_count_columns(rng):
    columns = rng.integers(0, 20, 300).astype(i32)
    wanted = np.bincount(columns, minlength=20)
    return Data((columns, np.zeros(20, np.uint32), i32(300)), {1: wanted})


@family((40,), (8,))
def csr_row_maximum(rng):
    _, starts, _, values = _csr(rng, 40, 30, limit=1000)
    best, where = np.full(40, -np.inf, f32), np.full(40, -1, i32)
    for row in range(40):
        part = values[starts[row] : starts[row + 1]]
        if part.size:
            best[row], where[row] = part.max(), starts[row] + part.argmax()
    return Data((starts, values, np.zeros(40, f32), np.zeros(40, i32)), {2: best, 3: where})
