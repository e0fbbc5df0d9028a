import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.report.numbers import duration, log_ticks, nice_step, percent, quantity, ticks


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0 ps"), (999, "999 ps"), (1500, "1.50 ns"), (12_300_000, "12.3 µs"), (10**12, "1.00 s")],
)
def test_durations(value, words):
    assert duration(value) == words


def test_quantities():
    assert quantity(17.94e9, "B/s") == "17.9 GB/s"
    assert quantity(608, "B") == "608 B"
    assert quantity(0, "B") == "0 B"


def test_shares():
    assert percent(1, 0) == "–"
    assert percent(1, 3) == "33 %"
    assert percent(1, 30) == "3.3 %"


@given(st.floats(1e-6, 1e15), st.integers(1, 20))
def test_ticks_are_round_and_few(end, n):
    found = ticks(end, n)
    assert found[0] == 0
    assert found[-1] <= end * (1 + 1e-6)
    assert len(found) <= n + 1
    mantissa = nice_step(end, n) / 10 ** math.floor(math.log10(nice_step(end, n)) + 1e-9)
    assert min(abs(mantissa - m) for m in (1, 2, 5, 10)) < 1e-6


@given(st.floats(1e-6, 1e6), st.floats(1.5, 1e9))
def test_log_ticks_lie_on_the_axis(low, ratio):
    found = log_ticks(low, low * ratio)
    assert found == sorted(found)
    assert all(low <= at <= low * ratio for at in found)
    if ratio >= 10:
        assert found
