"""Where diverged lanes of a warp meet again: block order, post-dominators, and which ISA does what.

Vendors document neither rule. `POST_DOMINATOR` is the stack of the pre-Volta literature (Fung et
al., MICRO 2007): lanes that part at a branch wait at its immediate post-dominator. `LOWEST_PC`
has no stack: the lanes at the lowest address run, the others wait until they are the lowest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

POST_DOMINATOR = "post-dominator"
LOWEST_PC = "lowest-pc"
POLICIES = (POST_DOMINATOR, LOWEST_PC)

POLICY_OF_ISA = {
    "maxwell": POST_DOMINATOR,
    "pascal": POST_DOMINATOR,
    "adreno": POST_DOMINATOR,
    "bifrost": LOWEST_PC,
    "valhall": LOWEST_PC,
    "midgard": LOWEST_PC,
}
"""Assumed. Midgard has no warps: of single lanes every rule is the same."""

_MALI_WIDTHS = (4, 8, 16)

Graph = Mapping[str, Sequence[str]]
"""Block -> blocks it branches to."""


def policy_of_width(warp_width: int) -> str:
    """Return the policy of the known devices with this warp width, for counts without a device."""
    return LOWEST_PC if warp_width in _MALI_WIDTHS else POST_DOMINATOR


def _components(graph: Graph, entry: str, members: frozenset[str], header: str) -> list[list[str]]:
    """Return the strongly connected parts reachable from `entry`, each before its successors.

    Edges to `header` are left out, so the body of a loop falls apart into its inner loops. The
    first block of each part is the one it is entered by. (Tarjan's algorithm, without recursion.)
    """

    def inner(name: str) -> list[str]:
        return [t for t in reversed(graph[name]) if t in members and t != header]

    number = {entry: 0}
    low = {entry: 0}
    path, on_path = [entry], {entry}
    stack = [(entry, iter(inner(entry)))]
    found: list[list[str]] = []
    while stack:
        name, following = stack[-1]
        for target in following:
            if target not in number:
                number[target] = low[target] = len(number)
                path.append(target)
                on_path.add(target)
                stack.append((target, iter(inner(target))))
                break
            if target in on_path:
                low[name] = min(low[name], number[target])
        else:
            stack.pop()
            if stack:
                low[stack[-1][0]] = min(low[stack[-1][0]], low[name])
            if low[name] == number[name]:
                part = [path.pop()]
                while part[-1] != name:
                    part.append(path.pop())
                on_path.difference_update(part)
                found.append(part[::-1])
    return found[::-1]


def block_order(graph: Graph, entry: str) -> list[str]:
    """Return the reachable blocks as a compiler would lay them out.

    A block comes before its successors but for back edges, the first successor of a branch before
    the second, and the blocks of a loop stand together: what follows a loop comes behind it, even
    when a ``break`` leads there.

    Parameters
    ----------
    graph : mapping
        Block -> successors.
    entry : str
        First block.
    """
    order: list[str] = []
    pending = [(entry, frozenset(graph), "")]
    while pending:
        first, members, header = pending.pop()
        if len(members) == 1:
            order.append(first)
            continue
        parts = _components(graph, first, members, header)
        pending += [(part[0], frozenset(part), part[0]) for part in reversed(parts)]
    return order


def immediate_post_dominators(graph: Graph, exits: Sequence[str]) -> dict[str, str | None]:
    """Return, per block, the first block that every way to an exit passes; None = the end.

    Parameters
    ----------
    graph : mapping
        Block -> successors.
    exits : sequence of str
        Blocks that return. Blocks without a way to them have no post-dominator; edges to those
        are never taken by a work-item that ends, and are left out.

    Notes
    -----
    Cooper, Harvey and Kennedy, "A simple, fast dominance algorithm", on the reversed graph.
    """
    before: dict[str, list[str]] = {name: [] for name in graph}
    for name, successors in graph.items():
        for successor in successors:
            before[successor].append(name)
    order = _post_order_to(before, exits)
    position = {name: i for i, name in enumerate(order)}
    end = len(order)
    above = [-1] * end + [end]
    is_exit = set(exits)
    changed = True
    while changed:
        changed = False
        for i in range(end - 1, -1, -1):
            name = order[i]
            ways = [position[t] for t in graph[name] if t in position]
            ways = [way for way in ways if above[way] >= 0]
            now = end if name in is_exit else ways[0]
            for way in ways:
                now = _meet(above, now, way)
            if above[i] != now:
                above[i] = now
                changed = True
    return {
        name: order[above[position[name]]]
        if name in position and above[position[name]] < end
        else None
        for name in graph
    }


def _meet(above: list[int], a: int, b: int) -> int:
    while a != b:
        while a < b:
            a = above[a]
        while b < a:
            b = above[b]
    return a


def _post_order_to(before: Graph, exits: Sequence[str]) -> list[str]:
    """Return the blocks that reach an exit, in post-order of the reversed graph from the end."""
    seen: set[str] = set()
    order: list[str] = []
    for exit_name in exits:
        if exit_name in seen:
            continue
        seen.add(exit_name)
        stack = [(exit_name, iter(before[exit_name]))]
        while stack:
            name, following = stack[-1]
            target = next((t for t in following if t not in seen), None)
            if target is None:
                order.append(name)
                stack.pop()
            else:
                seen.add(target)
                stack.append((target, iter(before[target])))
    return order
