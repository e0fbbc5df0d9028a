"""Launches and oracles of kernels/dense.cl."""

from __future__ import annotations

import numpy as np

from tests.corpus.case import Data, Family, Local, dyadic

CASES = family = Family("dense.cl")
i32, f32 = np.int32, np.float32


@family((128,), (32,))
def axpy_strided(rng):
    x, y = dyadic(rng, 200), dyadic(rng, 300)
    wanted = y.copy()
    wanted[:300:3] += f32(1.5) * x[:200:2]
    return Data((i32(100), f32(1.5), x, i32(2), y, i32(3)), {4: wanted})


@family((256,), (64,))
def dot_partial(rng):
    x, y = dyadic(rng, 1000), dyadic(rng, 1000)
    padded = np.pad(x * y, (0, 24)).reshape(4, 4, 64)
    return Data((x, y, i32(1000), np.zeros(4, f32), Local(256)), {3: padded.sum((0, 2))})


@family((32,), (16,), ulp=1)
def nrm2_rows(rng):
    a = dyadic(rng, 32, 20)
    return Data((a, i32(20), np.zeros(32, f32)), {2: np.sqrt((a.astype("f8") ** 2).sum(1))})


@family((40,), (8,))
def gemv_rows(rng):
    a, x, y = dyadic(rng, 40, 24), dyadic(rng, 24), dyadic(rng, 40)
    wanted = f32(2) * (a @ x) + f32(0.5) * y
    return Data((a, x, y, i32(24), f32(2), f32(0.5)), {2: wanted})


@family((64,), (16,))
def gemv_transposed(rng):
    a, x = dyadic(rng, 24, 50), dyadic(rng, 24)
    return Data((a, x, np.zeros(50, f32), i32(24), i32(50)), {2: x @ a})


def _product(rng, m, n, k):
    return dyadic(rng, m, k), dyadic(rng, k, n), np.zeros((m, n), f32)


@family((24, 16), (8, 4))
def gemm_naive(rng):
    a, b, c = _product(rng, 16, 24, 20)
    return Data((a, b, c, i32(20)), {2: a @ b})


@family((24, 16), (8, 4))
def gemm_memory_accumulator(rng):
    a, b, c = _product(rng, 16, 24, 20)
    return Data((a, b, c, i32(20)), {2: a @ b})


@family((24, 16), (8, 8))
def gemm_tiled(rng):
    a, b, c = _product(rng, 13, 22, 19)
    return Data((a, b, c, i32(13), i32(22), i32(19)), {2: a @ b})


@family((6, 16), (2, 8))
def gemm_vector4(rng):
    a, b, c = _product(rng, 16, 24, 20)
    return Data((a, b, c, i32(20)), {2: a @ b})


@family((6, 4), (3, 2))
def gemm_block4x4(rng):
    a, b, c = _product(rng, 16, 24, 20)
    return Data((a, b, c, i32(24), i32(20)), {2: a @ b})


@family((24, 16), (8, 4))
def gemm_a_transposed(rng):
    a, b, c = _product(rng, 15, 22, 21)
    return Data((a.T.copy(), b, c, i32(15), i32(22), i32(21)), {2: a @ b})


@family((12, 8, 3), (4, 4, 1), ulp=1, absolute=2e-5)
def gemm_batched(rng):
    a = rng.normal(size=(3, 8, 30)).astype(f32)
    b = rng.normal(size=(3, 30, 12)).astype(f32)
    exact = a.astype("f8") @ b.astype("f8")
    return Data((a, b, np.zeros((3, 8, 12), f32), i32(30)), {2: exact})


@family((20, 20), (4, 4))
def syrk_lower(rng):
    a, c = dyadic(rng, 20, 12), dyadic(rng, 20, 20)
    return Data((a, c, i32(12)), {1: c + np.tril(a @ a.T)})


@family((16,), (8,))
def trsv_step(rng):
    lower, x = dyadic(rng, 15, 15), dyadic(rng, 15)
    wanted = x.copy()
    wanted[4:] -= lower[4:, 3] * x[3]
    return Data((lower, x, i32(15), i32(3)), {1: wanted})


@family((20, 10), (5, 5))
def ger_rank1(rng):
    a, x, y = dyadic(rng, 10, 20), dyadic(rng, 10), dyadic(rng, 20)
    return Data((a, x, y, f32(0.5)), {0: a + f32(0.5) * np.outer(x, y)})


@family((12,), (4,), ulp=2, absolute=1e-6)
def lu_column(rng):
    a = rng.uniform(1, 2, (11, 11)).astype(f32)
    wanted = a.astype("f8")
    wanted[3:, 2] = (a[3:, 2] / a[2, 2]).astype("f8")
    wanted[3:, 3:] -= np.outer(wanted[3:, 2], wanted[2, 3:])
    return Data((a, i32(11), i32(2)), {0: wanted})


@family((12, 8), (4, 4))
def gemm_double(rng):
    a, b = dyadic(rng, 8, 16, dtype="f8"), dyadic(rng, 16, 12, dtype="f8")
    return Data((a, b, np.zeros((8, 12)), i32(16)), {2: a @ b})
