import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.validation.folds import deal_groups, related_groups, sessions

_SHAPES = st.lists(st.tuples(*[st.integers(1, 3)] * 3), min_size=1, max_size=12)


@given(_SHAPES)
def test_relatives_share_a_group(shapes):
    groups = related_groups(["t"] * len(shapes), shapes)
    for (a, first), (b, second) in itertools.combinations(enumerate(shapes), 2):
        if sum(x != y for x, y in zip(first, second, strict=True)) <= 1:
            assert groups[a] == groups[b]


def test_a_group_is_connected_and_no_larger():
    shapes = [(1, 1, 1), (1, 1, 2), (1, 2, 2), (5, 5, 5), (5, 5, 6)]
    groups = related_groups(["a"] * 5, shapes)
    assert len(set(groups[:3])) == 1
    assert groups[3] == groups[4] != groups[0]
    apart = related_groups(["a", "b", "a", "a", "a"], shapes)
    assert apart[0] != apart[1] != apart[2]
    assert apart[0] != apart[2]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 6))
def test_folds_hold_whole_groups(numbers, n_folds):
    _, groups = np.unique(numbers, return_inverse=True)
    folds = deal_groups(groups, n_folds)
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1
    assert len(set(folds)) == min(n_folds, groups.max() + 1)


def test_a_week_without_measurements_ends_a_session():
    day = 86400.0
    times = [0.0, 6 * day, 20 * day, None, 21 * day, 1 * day]
    assert sessions(times).tolist() == [0, 0, 1, -1, 1, 0]
    assert sessions([None, None]).tolist() == [-1, -1]


@pytest.mark.parametrize("n", [1, 3])
def test_one_group_is_one_fold(n):
    assert deal_groups(np.zeros(4, dtype=np.int64), n).tolist() == [0, 0, 0, 0]
