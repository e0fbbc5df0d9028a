"""Dominators and natural loops of a control-flow graph."""

from __future__ import annotations

from collections.abc import Sequence

from gpusim.compiler.kernel_parts import Loop


def reverse_post_order(successors: Sequence[Sequence[int]]) -> list[int]:
    """Return the reachable blocks so that each comes after those that dominate it."""
    seen = {0}
    order: list[int] = []
    stack = [(0, iter(successors[0]))]
    while stack:
        block, following = stack[-1]
        for target in following:
            if target not in seen:
                seen.add(target)
                stack.append((target, iter(successors[target])))
                break
        else:
            order.append(block)
            stack.pop()
    return order[::-1]


def immediate_dominators(successors: Sequence[Sequence[int]]) -> list[int]:
    """Return the immediate dominator of every block (of the entry: itself; unreachable: -1).

    Parameters
    ----------
    successors : sequence of sequences of int
        Targets of each block; block 0 is the entry.

    Notes
    -----
    Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001).
    """
    order = reverse_post_order(successors)
    rank = {block: position for position, block in enumerate(order)}
    predecessors: dict[int, list[int]] = {block: [] for block in order}
    for block in order:
        for target in successors[block]:
            predecessors[target].append(block)
    dominators = [-1] * len(successors)
    dominators[0] = 0
    changed = True
    while changed:
        changed = False
        for block in order[1:]:
            new = -1
            for before in predecessors[block]:
                if dominators[before] < 0:
                    continue
                new = before if new < 0 else _meet(before, new, dominators, rank)
            if dominators[block] != new:
                dominators[block] = new
                changed = True
    return dominators


def _meet(a: int, b: int, dominators: list[int], rank: dict[int, int]) -> int:
    while a != b:
        while rank[a] > rank[b]:
            a = dominators[a]
        while rank[b] > rank[a]:
            b = dominators[b]
    return a


def natural_loops(successors: Sequence[Sequence[int]]) -> tuple[Loop, ...]:
    """Return the natural loops, outer before inner, in the order of their headers.

    Parameters
    ----------
    successors : sequence of sequences of int
        Targets of each block; block 0 is the entry.

    Notes
    -----
    Back edges to one header form one loop. A cycle that is not entered through one block alone is
    no natural loop and is not reported.
    """
    dominators = immediate_dominators(successors)
    latches: dict[int, list[int]] = {}
    for block, targets in enumerate(successors):
        if dominators[block] < 0:
            continue
        for target in targets:
            if _dominates(target, block, dominators) and block not in latches.setdefault(
                target, []
            ):
                latches[target].append(block)
    latches = {header: blocks for header, blocks in latches.items() if blocks}
    predecessors: list[list[int]] = [[] for _ in successors]
    for block, targets in enumerate(successors):
        if dominators[block] >= 0:
            for target in targets:
                predecessors[target].append(block)
    bodies = {header: _body(header, blocks, predecessors) for header, blocks in latches.items()}
    # A loop that contains another's header has more blocks; sorting by size puts it first.
    order = sorted(bodies, key=lambda header: (-len(bodies[header]), header))
    nest: dict[int, tuple[int, int]] = {}
    for position, header in enumerate(order):
        parent = -1
        for candidate in order[:position]:
            if header in bodies[candidate] and candidate != header:
                parent = candidate
        nest[header] = (parent, 1 if parent < 0 else nest[parent][1] + 1)
    final = sorted(bodies, key=lambda header: (header, nest[header][1]))
    index = {header: position for position, header in enumerate(final)}
    return tuple(
        Loop(
            header=header,
            parent=index.get(nest[header][0], -1),
            depth=nest[header][1],
            blocks=tuple(sorted(bodies[header])),
            latches=tuple(sorted(latches[header])),
        )
        for header in final
    )


def _dominates(above: int, block: int, dominators: list[int]) -> bool:
    while True:
        if block == above:
            return True
        if block == 0:
            return False
        block = dominators[block]


def _body(header: int, latches: list[int], predecessors: list[list[int]]) -> set[int]:
    body = {header}
    pending = list(latches)
    while pending:
        block = pending.pop()
        if block not in body:
            body.add(block)
            pending.extend(predecessors[block])
    return body
