import math

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from gpusim.timing.dram_share import DramShare, fair_shares

amounts = st.lists(st.tuples(st.floats(0, 1e3), st.floats(0.1, 1e3)), min_size=1, max_size=8)


def shares_by_filling(demands, weights, capacity, steps=200_000):
    """Oracle: pour a little to everyone who still wants some, in proportion to the weights."""
    got = [0.0] * len(demands)
    for _ in range(steps):
        wanting = [i for i in range(len(demands)) if demands[i] - got[i] > 1e-12]
        left = capacity - sum(got)
        if not wanting or left < 1e-9:
            break
        total = sum(weights[i] for i in wanting)
        level = min(left / total, min((demands[i] - got[i]) / weights[i] for i in wanting))
        for i in wanting:
            got[i] += level * weights[i]
    return got


@given(amounts, st.floats(0.5, 2e3))
def test_shares_equal_those_of_pouring_slowly(flows, capacity):
    demands, weights = zip(*flows, strict=True)
    fast = fair_shares(demands, weights, capacity)
    slow = shares_by_filling(demands, weights, capacity)
    assert fast == pytest.approx(slow, rel=1e-6, abs=1e-6)
    assert sum(fast) <= capacity * (1 + 1e-9)
    assert all(share <= demand for share, demand in zip(fast, demands, strict=True))


def ends(flows, ps_per_byte):
    """Run (start, duration, bytes, weight) flows; return when each ended."""
    env = simpy.Environment()
    dram = DramShare(env, ps_per_byte)
    result = [0] * len(flows)

    def one(position, start, duration, n_bytes, weight):
        yield env.timeout(start)
        yield dram.run(duration, n_bytes, weight)
        result[position] = env.now

    for position, flow in enumerate(flows):
        env.process(one(position, *flow))
    env.run()
    return result


def test_a_flow_alone_takes_the_longer_of_work_and_traffic():
    assert ends([(0, 1000, 10, 1)], ps_per_byte=50) == [1000]
    assert ends([(0, 1000, 100, 1)], ps_per_byte=50) == [5000]


def test_two_flows_share_and_the_survivor_speeds_up():
    # Both want 1 byte/ps of 1: half speed until the short one ends at 2000, then full speed.
    assert ends([(0, 1000, 1000, 1), (0, 3000, 3000, 1)], ps_per_byte=1) == [2000, 4000]


def test_weights_make_flows_end_together():
    done = ends([(0, 100, 500, 500), (0, 100, 400, 400), (0, 100, 400, 400)], ps_per_byte=1)
    assert max(done) - min(done) <= 2
    assert done[0] == pytest.approx(1300, abs=2)


@given(
    st.lists(
        st.tuples(st.integers(0, 5000), st.floats(1, 5000), st.floats(0, 5000), st.floats(1, 100)),
        min_size=1,
        max_size=6,
    ),
    st.floats(0.1, 10),
)
def test_no_flow_beats_its_work_and_memory_is_never_overcommitted(flows, ps_per_byte):
    done = ends(flows, ps_per_byte)
    for (start, duration, n_bytes, _), end in zip(flows, done, strict=True):
        assert end >= start + max(duration, n_bytes * ps_per_byte) - 2
    first = min(start for start, *_ in flows)
    total = sum(n_bytes for _, _, n_bytes, _ in flows)
    assert max(done) - first >= total * ps_per_byte - 2 * len(flows)
    # Serving them one after the other is the slowest a work-conserving memory can be.
    serial = sum(max(d, b * ps_per_byte) for _, d, b, _ in flows)
    assert max(done) <= max(start for start, *_ in flows) + math.ceil(serial) + 2 * len(flows)
