"""Count classes: equal to comparing every row with every other."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gpusim.count.rows import RowMerger


def brute_force(rows: np.ndarray) -> tuple[list[tuple[int, ...]], list[list[int]]]:
    classes: list[tuple[int, ...]] = []
    runs: list[list[int]] = []
    for row in rows.tolist():
        key = tuple(row)
        if key not in classes:
            classes.append(key)
        number = classes.index(key)
        if runs and runs[-1][0] == number:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return classes, runs


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60),
    chunk=st.integers(1, 17),
    collide=st.booleans(),
)
def test_merging_equals_brute_force(values, chunk: int, collide: bool) -> None:
    rows = np.array(values, np.int64)
    merger = RowMerger(2)
    if collide:
        merger._multipliers[:] = 0
    for start in range(0, len(rows), chunk):
        merger.add(rows[start : start + chunk])
    classes, runs = brute_force(rows)
    assert [tuple(row) for row in merger.classes().tolist()] == classes
    assert merger.runs().tolist() == runs


def test_a_million_equal_groups_take_one_row() -> None:
    merger = RowMerger(100)
    for _ in range(100):
        merger.add(np.ones((10_000, 100), np.int64))
    assert merger.classes().shape == (1, 100)
    assert merger.runs().tolist() == [[0, 1_000_000]]


def test_no_rows() -> None:
    merger = RowMerger(3)
    merger.add(np.empty((0, 3), np.int64))
    assert merger.classes().shape == (0, 3)
    assert merger.runs().shape == (0, 2)
