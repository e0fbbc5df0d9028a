"""Counts of the plain C loops, against walking through them."""

import numpy as np
import pytest

from gpusim.library.openmp.loops import Format, loop_work
from gpusim.library.sparse.pattern import weights
from gpusim.network.layers import Layer, LayerKind


def convolution(**changes):
    return Layer(
        **{
            "index": 1,
            "name": "c",
            "kind": LayerKind.CONVOLUTION,
            "in_channels": 3,
            "in_height": 5,
            "in_width": 9,
            "out_channels": 4,
            "kernel_height": 3,
            "kernel_width": 3,
            "pad": 1,
            **changes,
        }
    )


def test_dense_windows_load_every_weight_and_input():
    """Per window 9 inputs, 9 weights and the sum; 6 per filter, 4 per row."""
    work = loop_work(convolution(), Format.DENSE)
    assert work.loads.tolist() == [3 * 6 + 3 * 5 * 4 + 3 * 5 * 9 * 19] * 4
    assert work.chained.tolist() == [3 * 5 * 9 * 9] * 4


def test_rows_as_wide_as_a_vector_are_taken_at_once_and_the_rest_one_by_one():
    scalar, vector = (loop_work(convolution(), Format.DENSE, lanes=lanes) for lanes in (1, 8))
    assert vector.lanes == 8
    # Nine columns: one vector and one scalar instead of nine.
    assert vector.multiply_adds[0] == pytest.approx(scalar.multiply_adds[0] * 2 / 9)


@pytest.mark.parametrize("changes", [{"in_width": 7}, {"stride": 2}])
def test_narrow_and_strided_rows_stay_scalar(changes):
    assert loop_work(convolution(**changes), Format.DENSE, lanes=8).lanes == 1


def test_sparse_loads_follow_the_real_pattern():
    layer = convolution()
    work = loop_work(layer, Format.CSR, sparsity=0.6)
    kept = weights(layer, 0.6)
    for output in range(4):
        loads = 0
        for channel in range(3):
            loads += 6 + 5 * 4
            for _ in range(5 * 9):
                loads += 10
                for row in kept[output, channel]:
                    loads += 1 + 3 * bool(row.any()) + 3 * np.count_nonzero(row)
        assert work.loads[output] == loads


def test_a_depthwise_filter_reads_one_map():
    layer = convolution(in_channels=4, groups=4)
    assert loop_work(layer, Format.DENSE).read_bytes == 5 * 9 * 4


def test_fully_connected_chains_run_over_all_inputs():
    layer = convolution(
        kind=LayerKind.FULLY_CONNECTED, in_channels=512, in_height=1, in_width=1, kernel_height=1,
        kernel_width=1, pad=0,
    )  # fmt: skip
    work = loop_work(layer, Format.DENSE)
    assert work.chained.tolist() == [512] * 4
    assert loop_work(layer, Format.CSR, sparsity=0.5).chained.sum() == 4 * 512 * 0.5


def test_poolings_and_sums_have_work():
    pool = convolution(kind=LayerKind.POOLING, out_channels=3, kernel_height=2, kernel_width=2,
                       stride=2, pad=0)  # fmt: skip
    assert loop_work(pool, Format.DENSE).loads.tolist() == [2 * 4 + 2 * 4 * 4] * 3
