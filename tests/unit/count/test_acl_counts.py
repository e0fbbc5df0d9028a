"""Memory instructions of kernels written as ACL's are: the published counts, exactly.

Radu et al. (IISWC 2019), Tables I-IV, ResNet-50 layer 16: K = 1152 weights a filter, M = 784
pixels, 128 channels in. reshape 2 N (K + 1); im2col M (18 * 128 / 2 + 1); gemm 2313 a work-item.
"""

import numpy as np
import pytest

from gpusim.compiler.compile import compile_kernel
from gpusim.count import count_job, totals
from tests.unit.count.corpus import KERNELS
from tests.unit.count.run_case import make_job

SOURCE = (KERNELS / "acl_like.cl").read_text()
K, M, CIN = 1152, 784, 128


def memory_instructions(name: str, sizes, local, values, mode: str) -> int:
    job, memory = make_job(name, sizes, local, values)
    counted = count_job(compile_kernel(SOURCE, name), job, memory, mode=mode)
    return totals.memory_instructions(counted)


def zeros(n: int) -> np.ndarray:
    return np.zeros(n, np.float32)


@pytest.mark.parametrize("mode", ["auto", "full"])
@pytest.mark.parametrize(("n", "published"), [(92, 212_152), (93, 214_458), (97, 223_682)])
def test_reshape_to_columns(n: int, published: int, mode: str) -> None:
    values = [zeros(n * K), zeros(n), zeros((K + 1) * n), np.int32(n), np.int32(K), np.int32(n)]
    found = memory_instructions("reshape_to_columns", (128, 3, 3), (1, 1, 1), values, mode)
    assert found == 2 * n * (K + 1) == published


@pytest.mark.parametrize("mode", ["auto", "full"])
def test_im2col(mode: str) -> None:
    stride = 1156
    sizes = map(np.int32, (CIN, 28, 28, stride))
    values = [zeros(M * CIN), zeros(M * stride), *sizes]
    found = memory_instructions("im2col3x3_nhwc", (CIN // 2, M), (4, 1), values, mode)
    assert found == M * (18 * CIN // 2 + 1) == 903_952


@pytest.mark.parametrize("mode", ["auto", "full"])
@pytest.mark.parametrize(("tiles", "published"), [(23, 10_427_004), (24, 10_880_352)])
def test_gemm(tiles: int, published: int, mode: str) -> None:
    n = tiles * 4
    shape = map(np.int32, (1156, n, n, K + 1))
    values = [zeros(M * 1156), zeros((K + 1) * n), zeros(M * n), *shape]
    found = memory_instructions("gemm_mm", (tiles, M // 4), (1, 1), values, mode)
    assert found == tiles * (M // 4) * 2313 == published
