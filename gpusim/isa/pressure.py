"""Order a block so that few registers are live, before it is packed into issue words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from gpusim.isa.dependence import dependences
from gpusim.isa.machine import MicroOp


def order_for_pressure(
    ops: Sequence[MicroOp],
    ties: Sequence[tuple[int, int]],
    live_out: Collection[int],
    register_words: Mapping[int, int],
) -> list[MicroOp]:
    """Return the operations of a block in an order that keeps fewer registers live.

    A list scheduler from the end of the block: next comes what ends most live ranges, the latest
    in source order among equals.

    Parameters
    ----------
    ops : sequence of MicroOp
        In a legal sequential order.
    ties : sequence of (int, int)
        (phi, value) pairs that share a register.
    live_out : collection of int
        Registers needed after the block.
    register_words : mapping
        32-bit words of each virtual register.

    Returns
    -------
    list of MicroOp
        The new order, or the old one where that is not better.
    """
    before = dependences(ops, ties, order="all")
    n_after = [0] * len(ops)
    for earlier in before:
        for position in earlier:
            n_after[position] += 1
    root = {value: phi for phi, value in ties}
    live = {root.get(number, number) for number in live_out}
    ready = {position for position, count in enumerate(n_after) if count == 0}
    order = []
    while ready:
        position = min(ready, key=lambda p: (_effect(ops[p], live, root, register_words), -p))
        ready.remove(position)
        order.append(position)
        _step(ops[position], live, root)
        for earlier_position in before[position]:
            n_after[earlier_position] -= 1
            if n_after[earlier_position] == 0:
                ready.add(earlier_position)
    order.reverse()
    result = [ops[position] for position in order]
    peaks = [peak_words(items, ties, live_out, register_words) for items in (ops, result)]
    return result if peaks[1] < peaks[0] else list(ops)


def peak_words(
    ops: Sequence[MicroOp],
    ties: Sequence[tuple[int, int]],
    live_out: Collection[int],
    register_words: Mapping[int, int],
) -> int:
    """Return the largest number of 32-bit words live inside a block."""
    root = {value: phi for phi, value in ties}
    live = {root.get(number, number) for number in live_out}
    worst = _size(live, register_words)
    for op in reversed(ops):
        _step(op, live, root)
        worst = max(worst, _size(live, register_words))
    return worst


def _effect(
    op: MicroOp, live: set[int], root: Mapping[int, int], register_words: Mapping[int, int]
) -> int:
    made = {root.get(number, number) for number in op.writes} & live
    needed = {root.get(number, number) for number in (*op.reads, *op.staging)} - live
    return _size(needed, register_words) - _size(made, register_words)


def _step(op: MicroOp, live: set[int], root: Mapping[int, int]) -> None:
    live.difference_update(root.get(number, number) for number in op.writes)
    live.update(root.get(number, number) for number in (*op.reads, *op.staging))


def _size(numbers: Collection[int], register_words: Mapping[int, int]) -> int:
    return sum(register_words.get(number, 1) for number in numbers)
