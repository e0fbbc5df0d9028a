"""Kernels with arguments and sizes, and what NumPy says their outputs are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

KERNELS = Path(__file__).parents[2] / "kernels"


@dataclass(frozen=True)
class Case:
    """One launch of a kernel of tests/kernels."""

    file: str
    kernel: str
    global_size: tuple[int, ...]
    local_size: tuple[int, ...]
    arguments: Callable[[], list[Any]]
    """NumPy arrays, NumPy scalars, or ``local:BYTES``."""
    reference: Callable[[list[Any]], dict[int, np.ndarray]] = field(default=lambda args: {})
    """Arguments -> expected contents per buffer argument; {} = nothing to compare with."""
    tolerance: float = 0.0
    is_slice: bool = False
    """Whether its counts depend on arguments and ids alone, and its accesses are affine."""

    @property
    def source(self) -> str:
        return (KERNELS / self.file).read_text()

    def __str__(self) -> str:
        return self.kernel


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def floats(*shape: int) -> np.ndarray:
    return rng().standard_normal(shape).astype(np.float32)


def _csr(n: int) -> tuple[np.ndarray, np.ndarray]:
    lengths = rng().integers(0, 9, n)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return starts, rng().integers(0, n, max(1, starts[-1])).astype(np.int32)


def _spmv() -> list[Any]:
    starts, columns = _csr(128)
    return [starts, columns, floats(len(columns)), floats(128), np.zeros(128, np.float32)]


def _spmv_reference(args: list[Any]) -> dict[int, np.ndarray]:
    starts, columns, values, x, _ = args
    rows = np.repeat(np.arange(128), np.diff(starts))
    y = np.zeros(128, np.float64)
    np.add.at(y, rows, values.astype(np.float64) * x[columns])
    return {4: y.astype(np.float32)}


def _bfs() -> list[Any]:
    starts, neighbours = _csr(128)
    level = np.full(128, -1, np.int32)
    level[:4] = 0
    return [starts, neighbours, level, np.zeros(1, np.int32), np.int32(0)]


def _bfs_reference(args: list[Any]) -> dict[int, np.ndarray]:
    starts, neighbours, level, _, _ = args
    after = level.copy()
    for node in range(4):
        for other in neighbours[starts[node] : starts[node + 1]]:
            if after[other] < 0:
                after[other] = 1
    return {2: after}


def _histogram_reference(args: list[Any]) -> dict[int, np.ndarray]:
    return {1: np.bincount(args[0] >> 4, minlength=16).astype(np.uint32)}


def _conv_reference(args: list[Any]) -> dict[int, np.ndarray]:
    image, weights = args[0].astype(np.float64), args[1].reshape(3, 3)
    padded = np.pad(image, 1)
    out = sum(
        padded[dy : dy + 24, dx : dx + 32] * weights[dy, dx] for dy in range(3) for dx in range(3)
    )
    return {2: out.astype(np.float32)}


def _softmax_reference(args: list[Any]) -> dict[int, np.ndarray]:
    x = args[0].astype(np.float64)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return {1: (e / e.sum(axis=1, keepdims=True)).astype(np.float32)}


def _uneven_reference(args: list[Any]) -> dict[int, np.ndarray]:
    out = []
    for group in range(4):
        scratch = np.arange(16)
        total = np.arange(16)
        for r in range(group):
            total = total + scratch[(np.arange(16) + r) % 16]
            scratch = total.copy()
        if group % 2:
            total = total + scratch[15 - np.arange(16)]
        out.append(total)
    return {0: np.concatenate(out).astype(np.int32)}


def _reduce_reference(args: list[Any]) -> dict[int, np.ndarray]:
    padded = np.zeros(-(-len(args[0]) // 64) * 64)
    padded[: len(args[0])] = args[0]
    return {1: padded.reshape(-1, 4, 16).sum(axis=(0, 2)).astype(np.float32)}


def _matmul(args: list[Any]) -> dict[int, np.ndarray]:
    return {2: (args[0].astype(np.float64) @ args[1]).astype(np.float32)}


def _private_reference(args: list[Any]) -> dict[int, np.ndarray]:
    k = args[0] & 15
    return {1: (k * k + np.arange(64)).astype(np.int32)}


CASES = [
    Case(
        "linear_algebra.cl",
        "saxpy",
        (256,),
        (64,),
        lambda: [floats(256), floats(2, 256)[1].copy(), np.float32(1.5)],
        lambda a: {1: (a[2].astype(np.float64) * a[0] + a[1]).astype(np.float32)},
        1e-6,
        is_slice=True,
    ),
    Case(
        "linear_algebra.cl",
        "gemm_tile",
        (8, 8),
        (4, 2),
        lambda: [
            floats(32, 32),
            floats(2, 32, 32)[1].copy(),
            np.zeros((32, 32), "f4"),
            np.int32(32),
        ],
        _matmul,
        1e-4,
        is_slice=True,
    ),
    Case(
        "linear_algebra.cl",
        "gemm_local",
        (32, 32),
        (8, 8),
        lambda: [
            floats(32, 32),
            floats(2, 32, 32)[1].copy(),
            np.zeros((32, 32), "f4"),
            np.int32(32),
        ],
        _matmul,
        1e-4,
        is_slice=True,
    ),
    Case("linear_algebra.cl", "spmv_csr", (128,), (32,), _spmv, _spmv_reference, 1e-4),
    Case(
        "linear_algebra.cl",
        "transpose_local",
        (24, 40),
        (8, 8),
        lambda: [floats(36, 20), np.zeros((20, 36), "f4"), np.int32(20), np.int32(36)],
        lambda a: {1: a[0].T},
        is_slice=True,
    ),
    Case(
        "reductions.cl",
        "reduce_sum",
        (64,),
        (16,),
        lambda: [floats(1000), np.zeros(4, "f4"), np.int32(1000), "local:64"],
        _reduce_reference,
        1e-4,
        is_slice=True,
    ),
    Case(
        "reductions.cl",
        "scan_group",
        (128,),
        (32,),
        lambda: [np.arange(128, dtype=np.int32) % 11, np.zeros(128, np.int32), "local:128"],
        lambda a: {1: a[0].reshape(-1, 32).cumsum(axis=1).ravel().astype(np.int32)},
        is_slice=True,
    ),
    Case(
        "reductions.cl",
        "bitonic_step",
        (64,),
        (16,),
        lambda: [rng().permutation(64).astype(np.int32), np.int32(2), np.int32(1)],
    ),
    Case(
        "reductions.cl",
        "histogram",
        (64,),
        (32,),
        lambda: [
            rng().integers(0, 256, 500).astype(np.uint8),
            np.zeros(16, np.uint32),
            np.int32(500),
        ],
        _histogram_reference,
        is_slice=True,
    ),
    Case(
        "reductions.cl",
        "uneven_groups",
        (64,),
        (16,),
        lambda: [np.zeros(64, np.int32), "local:64"],
        _uneven_reference,
        is_slice=True,
    ),
    Case(
        "images.cl",
        "conv3x3",
        (32, 24),
        (8, 4),
        lambda: [floats(24, 32), floats(9), np.zeros((24, 32), "f4"), np.int32(32), np.int32(24)],
        _conv_reference,
        1e-4,
        is_slice=True,
    ),
    Case(
        "images.cl",
        "stencil5",
        (32, 24),
        (8, 8),
        lambda: [floats(24, 32), np.zeros((24, 32), "f4"), np.int32(32), np.int32(24)],
        is_slice=True,
    ),
    Case(
        "images.cl",
        "mandelbrot",
        (32, 16),
        (8, 8),
        lambda: [np.zeros((16, 32), np.int32), np.int32(32), np.int32(16), np.int32(60)],
        is_slice=True,
    ),
    Case(
        "images.cl",
        "nearest_scale",
        (32, 16),
        (8, 8),
        lambda: [
            rng().integers(0, 255, (9, 17, 4)).astype(np.uint8),
            np.zeros((16, 32, 4), np.uint8),
            np.int32(17),
            np.int32(32),
            np.float32(0.5),
        ],
        lambda a: {1: a[0][np.arange(16) // 2][:, np.arange(32) // 2]},
    ),
    Case(
        "images.cl",
        "switch_mix",
        (64,),
        (16,),
        lambda: [
            rng().integers(0, 12, 64).astype(np.int32),
            rng().integers(0, 1000, 64).astype(np.int32),
        ],
    ),
    Case(
        "maths.cl",
        "softmax_rows",
        (16,),
        (8,),
        lambda: [floats(16, 20), np.zeros((16, 20), "f4"), np.int32(20)],
        _softmax_reference,
        1e-5,
        is_slice=True,
    ),
    Case(
        "maths.cl",
        "nbody",
        (32,),
        (8,),
        lambda: [floats(32, 4), np.zeros((32, 4), "f4"), np.int32(32)],
        is_slice=True,
    ),
    Case("maths.cl", "bfs_level", (128,), (32,), _bfs, _bfs_reference),
    Case(
        "maths.cl",
        "move_particles",
        (32,),
        (8,),
        lambda: [np.zeros(32 * 32, np.uint8), np.float32(2.5)],
        is_slice=True,
    ),
    Case(
        "maths.cl",
        "private_table",
        (64,),
        (16,),
        lambda: [rng().integers(0, 99, 64).astype(np.int32), np.zeros(64, np.int32)],
        _private_reference,
        is_slice=True,
    ),
]
"""Small enough for Oclgrind and for a comparison of every work-group."""
