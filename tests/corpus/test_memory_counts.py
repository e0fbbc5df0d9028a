"""Memory instructions of the pinned pipeline against counts derived by hand from the source."""

from __future__ import annotations

import numpy as np
import pytest

from gpusim.count import totals
from tests.corpus.run import run_case
from tests.corpus.table import CASES

_NON_ZERO = int(CASES["spmv_csr_scalar"].data().args[0][-1])
_INSIDE = sum(
    3 * (0 <= 2 * y + i - 1 < 10) * (0 <= 2 * x + j - 1 < 12)
    for y in range(5)
    for x in range(6)
    for i in range(3)
    for j in range(3)
)
_SCANNED = sum(64 + 64 - distance for distance in (1, 2, 4, 8, 16, 32))

EXPECTED = {
    # 100 of 128 work-items pass the guard: x and y read, y written.
    "axpy_strided": {"global_load": 200, "global_store": 100, "global_load_bytes": 800},
    # 40 rows of 24 products, y read for beta.
    "gemv_rows": {"global_load": 40 * (24 * 2 + 1), "global_store": 40},
    # 24 x 16 elements, 20 products each.
    "gemm_naive": {"global_load": 24 * 16 * 20 * 2, "global_store": 24 * 16},
    # Rows below 13 and columns below 22 of a 24 x 16 range, k = 19 in three tiles of 8.
    "gemm_tiled": {
        "global_load": 13 * 19 * 3 + 22 * 19 * 2,
        "global_store": 13 * 22,
        "local_store": 384 * 3 * 2,
        "local_load": 384 * 3 * 8 * 2,
    },
    # 5 steps of k: one vector of a, four of b; a vector access is one instruction.
    "gemm_vector4": {
        "global_load": 96 * 5 * 5,
        "global_load_bytes": 96 * 5 * 5 * 16,
        "global_store": 96,
        "global_store_bytes": 96 * 16,
    },
    # The 4 x 4 block lives in registers: 8 loads a step, 16 stores at the end.
    "gemm_block4x4": {"global_load": 24 * 20 * 8, "global_store": 24 * 16},
    "conv_nhwc": {"global_load": 160 * 9 * 5 * 2, "global_store": 160},
    # A tap outside of the image is not read, its zero is written.
    "im2col": {"global_load": _INSIDE, "global_store": 90 * 9},
    # Two groups load 12 x 12 pixels; the taps are constant memory, which counts as global.
    "conv_local_tile": {
        "global_load": 2 * 144 + 128 * 25,
        "local_store": 2 * 144,
        "local_load": 128 * 25,
        "global_store": 128,
    },
    "histogram_global": {"global_load": 500, "global_load_bytes": 500, "global_atomic": 500},
    "radix_histogram": {
        "global_load": 1000,
        "local_atomic": 1000,
        "local_store": 48,
        "local_load": 48,
        "global_store": 48,
    },
    "transpose_local": {
        "global_load": 13 * 21,
        "local_store": 13 * 21,
        "local_load": 13 * 21,
        "global_store": 13 * 21,
    },
    # Six steps in four groups, one load or two each; a last load after the barrier.
    "scan_stepwise": {
        "global_load": 256,
        "local_load": 4 * (_SCANNED + 64),
        "local_store": 256 * 7,
        "global_store": 256,
    },
    # Row bounds are read once, column, value and x once per entry.
    "spmv_csr_scalar": {"global_load": 2 * 40 + 3 * _NON_ZERO, "global_store": 40},
    "pack_bits": {"global_load": 256, "global_store": 8},
}
BARRIERS = {"scan_stepwise": 256 * 7, "gemm_tiled": 384 * 3 * 2, "transpose_local": 384}


@pytest.mark.parametrize("name", list(EXPECTED))
def test_memory_instructions(name: str) -> None:
    count = run_case(CASES[name]).count
    found = totals.memory(count)
    assert {key: found[key] for key in EXPECTED[name]} == EXPECTED[name]
    named = {key for key in EXPECTED[name] if not key.endswith("_bytes")}
    others = {key: found[key] for key in totals.MEMORY_KEYS if key not in named}
    assert not any(others.values()), others
    assert totals.barriers(count) == BARRIERS.get(name, totals.barriers(count))


def test_counts_do_not_depend_on_contents_here() -> None:
    data = CASES["spmv_csr_scalar"].data()
    assert np.count_nonzero(data.args[2]) == _NON_ZERO == data.args[2].size
