"""Lock-step under both policies on random control flow and random lane paths, against an oracle."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gpusim.compiler import compile_kernel
from gpusim.count.reconvergence import block_order, immediate_post_dominators
from tests.property.divergent_kernels import divergent_kernels
from tests.unit.count.lockstep_run import check
from tests.unit.count.run_case import make_job
from tests.unit.count.warp_oracle import meeting_points


@settings(max_examples=15, deadline=None)
@given(
    source=divergent_kernels(), seed=st.integers(0, 2**32 - 1), width=st.sampled_from([4, 7, 16])
)
def test_random_kernels_run_as_the_oracle_does(source: str, seed: int, width: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 1 << 32, 64, dtype=np.uint32)
    job, memory = make_job("k", (32,), (16,), [bits, np.zeros(128, np.int32)])
    check(compile_kernel(source, "k"), job, memory, [0, 1], width)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Draw any control-flow graph, irreducible ones too; block ``0`` is the entry."""
    names = [str(i) for i in range(draw(st.integers(1, 9)))]
    ways = st.lists(st.sampled_from(names), max_size=3, unique=True)
    return {name: draw(ways) for name in names}


@settings(max_examples=300, deadline=None)
@given(graph=graphs())
def test_post_dominators_are_what_cuts_a_block_off_from_the_exits(
    graph: dict[str, list[str]],
) -> None:
    exits = [name for name, ways in graph.items() if not ways]
    assert immediate_post_dominators(graph, exits) == meeting_points(graph, exits)


def _reached(graph: dict[str, list[str]], start: str, without: str = "") -> set[str]:
    seen, waiting = set(), [start]
    while waiting:
        now = waiting.pop()
        if now != without and now not in seen:
            seen.add(now)
            waiting += graph[now]
    return seen


@settings(max_examples=300, deadline=None)
@given(graph=graphs())
def test_block_order_keeps_loops_together(graph: dict[str, list[str]]) -> None:
    order = block_order(graph, "0")
    place = {name: i for i, name in enumerate(order)}
    assert set(order) == _reached(graph, "0")
    assert order[0] == "0"
    # What lies on a common cycle stands together, whatever else there is.
    for name in order:
        cycle = {b for b in _reached(graph, name) if name in _reached(graph, b)}
        places = sorted(place[b] for b in cycle)
        assert places == list(range(places[0], places[0] + len(places)))
    # An edge leads forward unless its blocks are on a common cycle.
    for name in order:
        for target in graph[name]:
            assert place[name] < place[target] or name in _reached(graph, target)
