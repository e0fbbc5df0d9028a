"""Launches and oracles of kernels/half.cl."""

from __future__ import annotations

import numpy as np

from tests.corpus.case import Data, Family

CASES = Family("half.cl")
f16, f32 = np.float16, np.float32


@CASES((64,), (16,))
def half_axpy(rng):
    x, y = rng.normal(size=(2, 64)).astype(f16)
    return Data((x, y, f32(1.5)), {1: f16(1.5) * x + y})


@CASES((32,), (8,))
def half_fma4(rng):
    x, y, z = rng.normal(size=(3, 128)).astype(f16)
    exact = x.astype("f8") * y.astype("f8") + z.astype("f8")
    return Data((x, y, z), {2: exact.astype(f16)})
