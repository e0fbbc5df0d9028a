"""Control flow of a kernel: order, loops, what a loop costs per iteration."""

from __future__ import annotations

from gpusim.count.ir_text import Block


def reverse_post_order(blocks: list[Block]) -> list[str]:
    """Return reachable block names, every block before its successors but for back edges."""
    by_name = {block.name: block for block in blocks}
    seen = {blocks[0].name}
    order: list[str] = []
    stack = [(blocks[0].name, iter(by_name[blocks[0].name].successors))]
    while stack:
        name, successors = stack[-1]
        following = next((s for s in successors if s not in seen), None)
        if following is None:
            order.append(name)
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, iter(by_name[following].successors)))
    return order[::-1]


def back_edges(blocks: list[Block]) -> list[tuple[str, str]]:
    """Return the edges that go backwards in reverse post-order; every cycle has one."""
    position = {name: i for i, name in enumerate(reverse_post_order(blocks))}
    return [
        (block.name, successor)
        for block in blocks
        if block.name in position
        for successor in block.successors
        if position[successor] <= position[block.name]
    ]


def predecessors(blocks: list[Block]) -> dict[str, list[str]]:
    """Return the blocks that branch to each block."""
    found: dict[str, list[str]] = {block.name: [] for block in blocks}
    for block in blocks:
        for successor in block.successors:
            found[successor].append(block.name)
    return found


def natural_loops(blocks: list[Block]) -> dict[str, set[str]]:
    """Return, per loop header, the blocks of its loop, inner loops included.

    For an irreducible cycle the set holds what reaches the back edge without the header; it may
    then reach up to the entry, which is harmless for its use as a cost.
    """
    before = predecessors(blocks)
    loops: dict[str, set[str]] = {}
    for latch, header in back_edges(blocks):
        body = loops.setdefault(header, {header})
        stack = [latch]
        while stack:
            name = stack.pop()
            if name not in body:
                body.add(name)
                stack.extend(before[name])
    return loops


def loop_costs(blocks: list[Block]) -> dict[str, int]:
    """Return instructions per iteration of each loop header: its own blocks, inner loops not."""
    loops = natural_loops(blocks)
    size = {block.name: len(block.instructions) for block in blocks}
    costs = {}
    for header, body in loops.items():
        own = set(body)
        for other, inner in loops.items():
            if other != header and other in body and header not in inner:
                own -= inner
        costs[header] = max(1, sum(size[name] for name in own | {header}))
    return costs
