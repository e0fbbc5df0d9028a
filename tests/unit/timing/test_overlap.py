"""Threads that queue at the pipes of a core, against the textbook's iteration and its limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.timing.overlap import unit_ps

SERVICE = st.floats(1.0, 1e6)


def iterated(pipes, latency, n_units):
    """Oracle: Schweitzer's iteration on the queue lengths, until it stands still."""
    away = max(0.0, latency - sum(pipes))
    queues = [n_units / len(pipes)] * len(pipes)
    for _ in range(20000):
        stays = [p * (1 + q * (n_units - 1) / n_units) for p, q in zip(pipes, queues, strict=True)]
        rate = n_units / (away + sum(stays))
        queues = [rate * stay for stay in stays]
    return 1 / rate


def of(pipes, latency, n_units):
    return float(unit_ps(np.array(pipes, dtype=float), np.array(latency), np.array(float(n_units))))


@pytest.mark.parametrize("n_units", [1, 2, 17, 64, 128, 256])
@pytest.mark.parametrize("pipes", [(100.0, 0.0), (100.0, 70.0), (30.0, 90.0), (50.0, 50.0, 49.0)])
@pytest.mark.parametrize("latency", [0.0, 400.0, 6000.0])
def test_it_is_the_fixed_point_of_the_iteration(pipes, latency, n_units):
    expected = max(iterated(pipes, latency, n_units), latency / n_units)
    assert of(pipes, latency, n_units) == pytest.approx(expected, rel=1e-3)


@given(a=SERVICE, b=SERVICE, latency=st.floats(0, 1e8), n_units=st.integers(1, 256))
def test_no_faster_than_the_busiest_pipe_or_the_latency(a, b, latency, n_units):
    took = of([a, b], latency, n_units)
    assert took >= max(a, b, latency / n_units) * (1 - 1e-9)
    assert took <= (max(latency, a + b) + (n_units - 1) * (a + b)) * (1 + 1e-9)


@given(a=SERVICE, b=SERVICE, latency=st.floats(0, 1e8), n_units=st.integers(1, 255))
def test_more_work_never_takes_less_and_more_threads_never_more(a, b, latency, n_units):
    took = of([a, b], latency, n_units)
    assert of([a, b * 1.1], latency, n_units) >= took * (1 - 1e-9)
    assert of([a, b], latency * 1.1, n_units) >= took * (1 - 1e-9)
    assert of([a, b], latency, n_units) * n_units <= of([a, b], latency, n_units + 1) * (
        n_units + 1
    ) * (1 + 1e-9)


def test_one_thread_takes_its_latency_and_many_the_busiest_pipe():
    assert of([100, 70], 5000, 1) == pytest.approx(5000)
    assert of([100, 10], 500, 256) == pytest.approx(100, rel=0.01)


def test_threads_that_use_no_pipe_share_their_latency():
    assert of([0, 0], 640, 64) == pytest.approx(10)
