"""Dominators and natural loops against slow, obvious definitions and hand-made graphs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gpusim.compiler.control_flow import immediate_dominators, natural_loops


def reachable(successors: list[list[int]], removed: int = -1) -> set[int]:
    """Return the blocks that the entry reaches without passing `removed`."""
    seen: set[int] = set()
    pending = [0]
    while pending:
        block = pending.pop()
        if block not in seen and block != removed:
            seen.add(block)
            pending.extend(successors[block])
    return seen


def dominators(successors: list[list[int]]) -> list[set[int]]:
    """Return who dominates whom by removing each block in turn."""
    everything = reachable(successors)
    return [
        {above for above in everything if block not in reachable(successors, above)}
        for block in range(len(successors))
    ]


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    size = draw(st.integers(1, 9))
    targets = st.lists(st.integers(0, size - 1), max_size=3, unique=True)
    successors = [draw(targets) for _ in range(size)]
    # LLVM's entry block has no predecessors.
    return [[target for target in row if target != 0] for row in successors]


@given(graphs())
def test_immediate_dominators(successors: list[list[int]]) -> None:
    slow = dominators(successors)
    fast = immediate_dominators(successors)
    for block in range(len(successors)):
        if block not in reachable(successors):
            assert fast[block] == -1
        elif block:
            strict = slow[block] - {block}
            assert fast[block] in strict
            assert slow[fast[block]] == strict


@given(graphs())
def test_natural_loops(successors: list[list[int]]) -> None:
    slow = dominators(successors)
    live = reachable(successors)
    expected: dict[int, set[int]] = {}
    for latch in live:
        for header in successors[latch]:
            if header in slow[latch]:
                body = {header}
                pending = [latch]
                while pending:
                    block = pending.pop()
                    if block not in body:
                        body.add(block)
                        pending += [p for p in live if block in successors[p]]
                expected.setdefault(header, set()).update(body)
    loops = natural_loops(successors)
    assert {loop.header: set(loop.blocks) for loop in loops} == expected
    for number, loop in enumerate(loops):
        around = [
            (len(other.blocks), index)
            for index, other in enumerate(loops)
            if index != number
            and set(loop.blocks) < set(other.blocks)
            and loop.header in other.blocks
        ]
        assert loop.depth == len(around) + 1
        assert loop.parent == (min(around)[1] if around else -1)


def test_a_nest_by_hand() -> None:
    # 0 -> 1; loop 1..6 with inner loops 2 (alone) and 4-5; 1 leaves to 7.
    successors = [[1], [2, 7], [2, 3], [4], [5], [4, 6], [1], []]
    loops = natural_loops(successors)
    seen = [(loop.header, loop.parent, loop.depth, loop.blocks, loop.latches) for loop in loops]
    assert seen == [
        (1, -1, 1, (1, 2, 3, 4, 5, 6), (6,)),
        (2, 0, 2, (2,), (2,)),
        (4, 0, 2, (4, 5), (5,)),
    ]


def test_a_cycle_with_two_entries_is_no_natural_loop() -> None:
    assert natural_loops([[1, 2], [2], [1]]) == ()


def test_two_latches_make_one_loop() -> None:
    loops = natural_loops([[1], [2, 3], [1], [1, 4], []])
    assert [(loop.header, loop.latches, loop.blocks) for loop in loops] == [(1, (2, 3), (1, 2, 3))]


def test_a_long_chain_needs_no_recursion() -> None:
    size = 20_000
    assert immediate_dominators([[n + 1] for n in range(size)] + [[]])[size] == size - 1
