"""What must come before what inside one basic block."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gpusim.isa.machine import (
    ATOMIC,
    BARRIER,
    BRANCH,
    MESSAGES,
    STORE,
    MachineKernel,
    MicroOp,
)

_WRITERS = frozenset({STORE, ATOMIC, BARRIER})


def dependences(
    ops: Sequence[MicroOp],
    ties: Sequence[tuple[int, int]] = (),
    *,
    order: str = "conflicts",
) -> list[set[int]]:
    """Return the predecessors of each micro-operation of a block.

    Parameters
    ----------
    ops : sequence of MicroOp
        In a legal sequential order.
    ties : sequence of (int, int)
        (phi, value) pairs that share a register: every read of the phi comes before the value.
    order : str
        Which memory accesses keep their order: ``conflicts`` (a store and another access of its
        address space), ``spaces`` (all of one address space) or ``all``.

    Returns
    -------
    list of set of int
        For each position the positions it must follow: producers of what it reads, readers of
        what it overwrites, memory accesses it must not pass, and everything for a branch.
    """
    before: list[set[int]] = [set() for _ in ops]
    writer: dict[int, int] = {}
    readers: dict[int, list[int]] = {}
    shared = {value: phi for phi, value in ties}
    all_readers: dict[int, list[int]] = {}
    for position, op in enumerate(ops):
        for number in (*op.reads, *op.staging):
            all_readers.setdefault(number, []).append(position)
    for position, op in enumerate(ops):
        for number in (*op.reads, *op.staging):
            if number in writer:
                before[position].add(writer[number])
            readers.setdefault(number, []).append(position)
        for number in op.writes:
            before[position].update(r for r in readers.get(number, ()) if r != position)
            if number in shared:
                tied = all_readers.get(shared[number], ())
                before[position].update(r for r in tied if r != position)
            writer[number] = position
            readers[number] = []
    _order_memory(ops, before, order)
    branches = [position for position, op in enumerate(ops) if op.kind == BRANCH]
    for earlier, later in pairwise(branches):
        before[later].add(earlier)
    for branch in branches[:1]:
        before[branch].update(p for p, op in enumerate(ops) if op.kind != BRANCH)
    return before


def _order_memory(ops: Sequence[MicroOp], before: list[set[int]], order: str) -> None:
    """Keep accesses of one address space in order unless both only read."""
    accesses = [p for p, op in enumerate(ops) if op.kind in MESSAGES]
    for place, later in enumerate(accesses):
        for earlier in accesses[:place]:
            first, second = ops[earlier], ops[later]
            is_conflict = first.space == second.space and (
                order == "spaces" or first.kind in _WRITERS or second.kind in _WRITERS
            )
            if order == "all" or is_conflict or BARRIER in (first.kind, second.kind):
                before[later].add(earlier)


def break_cycles(kernel: MachineKernel, mov_unit: str) -> None:
    """Turn ties that cannot all hold into moves at the end of the predecessor block.

    Two phis that exchange or mix their values (``x, y = f(x, y), g(x, y)``) cannot both be
    overwritten in place.

    Parameters
    ----------
    kernel : MachineKernel
        Changed in place.
    mov_unit : str
        Unit of a move.
    """
    home: dict[int, int] = {}
    for block, code in enumerate(kernel.blocks):
        for op in code.ops:
            home.update(dict.fromkeys(op.writes, block))
    accepted: list[tuple[int, int, int]] = []
    for tie in kernel.ties:
        phi, value, block = tie
        place = home.get(value, -1)
        trial = [(p, v) for p, v, _ in accepted if home.get(v, -1) == place]
        ops = kernel.blocks[place].ops if place >= 0 else []
        if place >= 0 and _is_cyclic(dependences(ops, [*trial, (phi, value)])):
            _append(kernel.blocks[block].ops, phi, value, mov_unit)
        else:
            accepted.append(tie)
    kernel.ties = accepted


def _append(ops: list[MicroOp], phi: int, value: int, unit: str) -> None:
    position = len(ops)
    while position and ops[position - 1].kind == BRANCH:
        position -= 1
    ops.insert(position, MicroOp(name="mov", unit=unit, reads=(value,), writes=(phi,)))


def _is_cyclic(before: list[set[int]]) -> bool:
    """Return whether no order satisfies the dependences."""
    missing = [len(items) for items in before]
    after: list[list[int]] = [[] for _ in before]
    for position, items in enumerate(before):
        for earlier in items:
            after[earlier].append(position)
    ready = [position for position, count in enumerate(missing) if count == 0]
    n_done = 0
    while ready:
        n_done += 1
        for later in after[ready.pop()]:
            missing[later] -= 1
            if missing[later] == 0:
                ready.append(later)
    return n_done < len(before)


def block_ties(kernel: MachineKernel) -> list[list[tuple[int, int]]]:
    """Return the ties of each block, by the block that makes the value."""
    home: dict[int, int] = {}
    for block, code in enumerate(kernel.blocks):
        for op in code.ops:
            home.update(dict.fromkeys(op.writes, block))
    result: list[list[tuple[int, int]]] = [[] for _ in kernel.blocks]
    for phi, value, _ in kernel.ties:
        if value in home:
            result[home[value]].append((phi, value))
    return result
