"""Where a slice is allowed, it counts what a full run counts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from gpusim.errors import CountError
from tests.corpus.run import Run, run_case
from tests.corpus.table import CASES

NEEDS_CONTENTS = (
    *("spmv_csr_scalar", "spmv_ell", "bfs_level", "collatz", "quick_sort"),
    *("embedding", "compact", "float_add_by_swap", "interpreter", "function_calls"),
    *("rank_sort", "count_triangles", "state_machine", "segmented_sum"),
)
"""Kernels whose branches or addresses follow from what buffers hold."""
NEEDS_NO_CONTENTS = (
    *("gemm_naive", "conv_nhwc", "im2col", "gemv_rows", "batch_norm", "mandelbrot"),
    "edit_distance",
    # A byte cannot leave a table of 256.
    "histogram_global",
)


@cache
def _slice(name: str) -> Run | str:
    """Return the run, or why there is none."""
    try:
        return run_case(CASES[name], mode="slice")
    except CountError as error:
        return str(error)


@pytest.mark.parametrize("name", list(CASES))
def test_slice_equals_full(name: str) -> None:
    sliced = _slice(name)
    if isinstance(sliced, str):
        assert "cannot be counted by a slice" in sliced
        return
    assert sliced.count.mode == "slice"
    full = run_case(CASES[name], mode="full")
    np.testing.assert_array_equal(sliced.count.block_executions, full.count.block_executions)
    assert sliced.count.n_work_groups == int(sliced.count.class_runs[:, 1].sum())
    for index, contents in full.buffers.items():
        np.testing.assert_array_equal(sliced.buffers[index], contents)


def test_slices_are_refused_where_contents_decide() -> None:
    allowed = {name for name in NEEDS_CONTENTS if isinstance(_slice(name), Run)}
    assert not allowed


def test_slices_are_allowed_where_arguments_decide() -> None:
    refused = {name: why for name in NEEDS_NO_CONTENTS if isinstance(why := _slice(name), str)}
    assert not refused
