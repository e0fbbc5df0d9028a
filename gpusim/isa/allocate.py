"""Register allocation over scheduled code: colours, and spills where they do not suffice.

Registers are 32-bit words; on Midgard four of them make one 128-bit register that a vector must
not straddle. Values tied to a phi share its register. A value that does not fit is stored once
after each definition and loaded before each use.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gpusim.isa.ir_view import IRView
from gpusim.isa.machine import LOAD, STORE, MachineKernel, MicroOp
from gpusim.isa.registers import aliases, live_out_sets

_LOOP_WEIGHT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Where the values of a kernel live."""

    words: int
    """32-bit registers used."""
    places: dict[int, int]
    """First word of each value (of the representative of tied ones)."""
    n_unplaced: int
    """Values that did not fit."""
    candidates: tuple[int, ...]
    """Values whose spilling would make room, the cheapest first."""


def allocate(
    kernel: MachineKernel,
    view: IRView,
    orders: Sequence[Sequence[MicroOp]],
    limit_words: int,
    row_words: int,
    forwarded: Collection[int] = (),
) -> Allocation:
    """Colour the values of scheduled code.

    Parameters
    ----------
    kernel, view
        The code and its control flow.
    orders : sequence of sequence of MicroOp
        Operations of each block in issue order.
    limit_words : int
        32-bit words a work-item may use.
    row_words : int
        Words of one architectural register that a value must not straddle (4 on Midgard, else
        1: scalars).
    forwarded : collection of int
        Values that need no register.

    Returns
    -------
    Allocation
    """
    alias = aliases(kernel)
    conflicts = _interference(kernel, view, orders, alias)
    weights = _spill_weights(view, orders, alias)
    places: dict[int, int] = {}
    unplaced: list[int] = []
    free = {alias[number] for number in forwarded}
    top = 0
    for group in _definition_groups(orders, alias):
        todo = [value for value in group if value not in free and value not in unplaced]
        start = _first_fit(todo, kernel, conflicts, places, limit_words, row_words)
        for value in todo:
            size = kernel.register_words[value]
            place = start
            if start >= 0:
                start += size
            else:
                place = _first_fit([value], kernel, conflicts, places, limit_words, row_words)
            if place < 0:
                unplaced.append(value)
            else:
                places[value] = place
                top = max(top, place + size)
    candidates: set[int] = set()
    for value in unplaced:
        candidates |= conflicts[value] | {value}
    ranked = sorted(candidates, key=lambda v: (weights.get(v, 0.0), v)) if unplaced else []
    return Allocation(words=top, places=places, n_unplaced=len(unplaced), candidates=tuple(ranked))


def _interference(
    kernel: MachineKernel,
    view: IRView,
    orders: Sequence[Sequence[MicroOp]],
    alias: dict[int, int],
) -> dict[int, set[int]]:
    """Return the values that are live together with each value."""
    conflicts: dict[int, set[int]] = {number: set() for number in set(alias.values())}
    for ops, out in zip(orders, live_out_sets(kernel, view, orders), strict=True):
        live = set(out)
        for op in reversed(ops):
            made = {alias[number] for number in op.writes}
            for value in made:
                conflicts[value] |= (live | made) - {value}
                for other in (live | made) - {value}:
                    conflicts[other].add(value)
            live -= made
            live |= {alias[number] for number in (*op.reads, *op.staging)}
    return conflicts


def _definition_groups(
    orders: Sequence[Sequence[MicroOp]], alias: dict[int, int]
) -> list[list[int]]:
    """Return the values in order of definition; those one message delivers stand together."""
    seen: set[int] = set()
    groups = []
    for ops in orders:
        for op in ops:
            group = [alias[n] for n in op.writes if alias[n] not in seen]
            seen.update(group)
            if group:
                groups.append(list(dict.fromkeys(group)))
    return groups


def _first_fit(
    values: Sequence[int],
    kernel: MachineKernel,
    conflicts: dict[int, set[int]],
    places: dict[int, int],
    limit_words: int,
    row_words: int,
) -> int:
    """Return the lowest start where `values` fit one behind the other, -1 = nowhere."""
    size = sum(kernel.register_words[value] for value in values)
    if not values:
        return -1
    taken: set[int] = set()
    for value in values:
        for other in conflicts[value]:
            if other in places:
                first = places[other]
                taken.update(range(first, first + kernel.register_words[other]))
    for start in range(limit_words - size + 1):
        is_split = row_words > 1 and size <= row_words and start % row_words + size > row_words
        if not is_split and taken.isdisjoint(range(start, start + size)):
            return start
    return -1


def _spill_weights(
    view: IRView, orders: Sequence[Sequence[MicroOp]], alias: dict[int, int]
) -> dict[int, float]:
    """Return the expected accesses that spilling each value costs."""
    weights: dict[int, float] = {}
    for block, ops in enumerate(orders):
        loop = view.innermost_loop[block]
        depth = view.kernel.loops[loop].depth if loop >= 0 else 0
        for op in ops:
            for number in (*op.reads, *op.staging, *op.writes):
                value = alias[number]
                weights[value] = weights.get(value, 0.0) + float(_LOOP_WEIGHT**depth)
            if op.name.startswith("spill"):
                # What was spilled once stays spilled.
                for number in (*op.staging, *op.writes):
                    weights[alias[number]] = float("inf")
    return weights


def insert_spill(kernel: MachineKernel, value: int, unit: str) -> int:
    """Store a value after each definition and load it before each use.

    Parameters
    ----------
    kernel : MachineKernel
        Changed in place.
    value : int
        Representative of the value.
    unit : str
        Unit of a load or store.

    Returns
    -------
    int
        Loads and stores inserted.
    """
    alias = aliases(kernel)
    members = {number for number, root in alias.items() if root == value}
    words = kernel.register_words[value]
    count = 0
    for block in kernel.blocks:
        result: list[MicroOp] = []
        for op in block.ops:
            if members.intersection((*op.reads, *op.staging)):
                fresh = _fresh(kernel, words)
                result.append(_access(LOAD, fresh, words, unit, op.line))
                op.reads = tuple(fresh if n in members else n for n in op.reads)
                op.staging = tuple(fresh if n in members else n for n in op.staging)
                count += 1
            result.append(op)
            if members.intersection(op.writes):
                fresh = _fresh(kernel, words)
                op.writes = tuple(fresh if n in members else n for n in op.writes)
                result.append(_access(STORE, fresh, words, unit, op.line))
                count += 1
        block.ops = result
    kernel.ties = [tie for tie in kernel.ties if not members.intersection(tie[:2])]
    return count


def _fresh(kernel: MachineKernel, words: int) -> int:
    number = len(kernel.register_words)
    kernel.register_words[number] = words
    return number


def _access(kind: str, number: int, words: int, unit: str, line: int) -> MicroOp:
    return MicroOp(
        name=f"spill.{kind}",
        unit=unit,
        kind=kind,
        writes=(number,) if kind == LOAD else (),
        staging=(number,) if kind == STORE else (),
        space="spill",
        bytes=4 * words,
        line=line,
    )
