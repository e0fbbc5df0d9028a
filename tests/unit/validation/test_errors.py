import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.validation.errors import summarise_errors

TIMES = st.lists(st.tuples(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3)), min_size=2, max_size=30)


def test_known_errors():
    summary = summarise_errors([1.1, 1.8, 4.0], [1.0, 2.0, 4.0], n_tried=4)
    assert summary.n == 3
    assert summary.n_tried == 4
    assert summary.mape == pytest.approx(0.2 / 3)
    assert summary.median_ape == pytest.approx(0.1)
    assert summary.max_ape == pytest.approx(0.1)
    assert summary.kendall_tau == pytest.approx(1.0)


def test_no_pairs_gives_none_not_zero():
    summary = summarise_errors([], [], n_tried=3)
    assert summary.n == 0
    assert summary.mape is None
    assert summary.kendall_tau is None


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="shapes differ"):
        summarise_errors([1.0], [1.0, 2.0])


def test_measured_times_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        summarise_errors([1.0], [0.0])


def naive_tau_b(a, b):
    """Kendall's tau-b by definition: all pairs, ties left out of the denominators."""
    concordant = ties_a = ties_b = pairs = 0
    for i in range(len(a)):
        for j in range(i):
            x, y = np.sign(a[i] - a[j]), np.sign(b[i] - b[j])
            concordant += x * y
            ties_a += x == 0
            ties_b += y == 0
            pairs += 1
    below = math.sqrt((pairs - ties_a) * (pairs - ties_b))
    return concordant / below if below else None


@given(TIMES)
def test_against_definitions(pairs):
    ours, truth = (list(column) for column in zip(*pairs, strict=True))
    summary = summarise_errors(ours, truth)
    errors = [abs(s - m) / m for s, m in pairs]
    assert summary.mape == pytest.approx(sum(errors) / len(errors))
    assert summary.max_ape == pytest.approx(max(errors))
    assert summary.median_ape <= summary.p90_ape + 1e-12 <= summary.max_ape + 2e-12
    tau = naive_tau_b(ours, truth)
    if tau is None:
        assert summary.kendall_tau is None
    else:
        assert summary.kendall_tau == pytest.approx(tau)
