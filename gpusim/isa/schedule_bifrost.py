"""Pack micro-operations into Bifrost tuples and clauses.

A list scheduler in source order, which keeps register pressure where the programmer put it. Each
step fills one tuple: the first ready operation, then a partner for the other slot that respects
the register ports and the one 64-bit word of uniforms or constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gpusim.isa.dependence import dependences
from gpusim.isa.machine import BARRIER, BRANCH, MESSAGES, MicroOp
from gpusim.isa.table import IsaTable

_SLOTS = {"F": ("F",), "A": ("A",), "E": ("F", "A"), "T": ("T",)}
_WIDE_ADDRESS_READS = 2


@dataclass(slots=True)
class Tuple:
    """One issue: an operation for each slot; `fma` alone holds one that takes both."""

    fma: MicroOp | None = None
    add: MicroOp | None = None

    @property
    def ops(self) -> list[MicroOp]:
        """Operations of the tuple, FMA slot first."""
        return [op for op in (self.fma, self.add) if op is not None]

    @property
    def is_whole(self) -> bool:
        """Whether one operation takes both slots."""
        return self.fma is not None and self.fma.unit == "T"


@dataclass(slots=True)
class Clause:
    """Tuples that a warp executes without interruption."""

    tuples: list[Tuple] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TupleRules:
    """Limits of a tuple and a clause, from the table."""

    reads: int
    ports: int
    words: int
    tuples: int
    clause_words: int

    @classmethod
    def of(cls, table: IsaTable) -> TupleRules:
        """Read the limits from a table."""
        return cls(
            reads=int(table.rule("register_reads_per_tuple")),
            ports=int(table.rule("register_ports_per_tuple")),
            words=int(table.rule("uniform_words_per_tuple")),
            tuples=int(table.rule("tuples_per_clause")),
            clause_words=int(table.rule("words_per_clause")),
        )


def read_ports(op: MicroOp) -> int:
    """Return how many 32-bit registers `op` reads through ports when nothing is forwarded."""
    is_address = op.kind in MESSAGES and op.kind != BARRIER
    return len(op.reads) * (_WIDE_ADDRESS_READS if is_address else 1)


def tuple_reads(ops: Sequence[MicroOp], forwarded: set[int]) -> int:
    """Return the register reads of a tuple.

    Parameters
    ----------
    ops : sequence of MicroOp
        FMA slot first.
    forwarded : set of int
        Registers written by the tuple before in the same clause.
    """
    if len(ops) == 1:
        fresh = [number for number in ops[0].reads if number not in forwarded]
        scale = read_ports(ops[0]) // max(1, len(ops[0].reads))
        return len(fresh) * scale
    inside = forwarded | set(ops[0].writes)
    first = {number for number in ops[0].reads if number not in forwarded}
    second = {number for number in ops[1].reads if number not in inside}
    scale = read_ports(ops[1]) // max(1, len(ops[1].reads))
    return len(first | second) + len(second) * (scale - 1)


def tuple_words(ops: Sequence[MicroOp]) -> int:
    """Return the 64-bit words of uniforms and constants that a tuple reads."""
    uniforms = {word for op in ops for word in op.words if word.startswith("u")}
    constants = {word for op in ops for word in op.words if word.startswith("c")}
    return len(uniforms) + -(-len(constants) // 2)


def tuple_writes(ops: Sequence[MicroOp]) -> int:
    """Return the registers a tuple writes through ports; messages write on their own."""
    return len({number for op in ops if op.kind not in MESSAGES for number in op.writes})


def schedule_bifrost(
    ops: Sequence[MicroOp], table: IsaTable, ties: Sequence[tuple[int, int]] = ()
) -> list[Clause]:
    """Schedule one basic block.

    Parameters
    ----------
    ops : sequence of MicroOp
        In a legal sequential order.
    table : IsaTable
        Rules of the family.
    ties : sequence of (int, int)
        (phi, value) pairs that share a register.

    Returns
    -------
    list of Clause
        In issue order; every operation stands in exactly one tuple.
    """
    return _Scheduler(ops, TupleRules.of(table), ties).run()


class _Scheduler:
    def __init__(
        self, ops: Sequence[MicroOp], rules: TupleRules, ties: Sequence[tuple[int, int]]
    ) -> None:
        self.ops = ops
        self.rules = rules
        self.before = dependences(ops, ties)
        self.done: set[int] = set()
        self.remaining = list(range(len(ops)))
        self.clauses: list[Clause] = []
        self.clause = Clause()
        self.clause_constants = 0

    def run(self) -> list[Clause]:
        while self.remaining:
            self._issue(self._next_tuple())
        if self.clause.tuples:
            self.clauses.append(self.clause)
        return self.clauses

    def _forwarded(self) -> set[int]:
        if not self.clause.tuples:
            return set()
        return {
            number
            for op in self.clause.tuples[-1].ops
            if op.kind not in MESSAGES
            for number in op.writes
        }

    def _writes_before(self) -> int:
        return tuple_writes(self.clause.tuples[-1].ops) if self.clause.tuples else 0

    def _ready(self, extra: Sequence[int] = ()) -> list[int]:
        done = self.done | set(extra)
        return [position for position in self.remaining if self.before[position] <= done]

    def _next_tuple(self) -> list[tuple[int, str]]:
        """Choose the operations of the next tuple as (position, slot)."""
        first = self._ready()[0]
        op = self.ops[first]
        if op.unit == "T":
            return [(first, "T")]
        best: list[tuple[int, str]] = []
        for slot in _SLOTS[op.unit]:
            choice = self._with_partner(first, slot)
            if len(choice) > len(best):
                best = choice
        return best

    def _with_partner(self, first: int, slot: str) -> list[tuple[int, str]]:
        other = "A" if slot == "F" else "F"
        # What the FMA slot makes may be read by the ADD slot of the same tuple, not vice versa.
        extra = [first] if slot == "F" else []
        for candidate in self._ready(extra):
            partner = self.ops[candidate]
            if candidate == first or other not in _SLOTS[partner.unit]:
                continue
            if first in self.before[candidate] and not self._may_forward(first, candidate):
                continue
            pair = [(first, slot), (candidate, other)]
            pair.sort(key=lambda item: item[1] == "A")
            if self._fits([self.ops[position] for position, _ in pair]):
                return pair
        return [(first, slot)]

    def _may_forward(self, first: int, candidate: int) -> bool:
        """Return whether the ADD slot may follow the FMA slot inside one tuple."""
        return self.ops[first].kind not in MESSAGES and self.ops[candidate].kind != BARRIER

    def _fits(self, ops: list[MicroOp]) -> bool:
        reads = tuple_reads(ops, self._forwarded())
        return (
            reads <= self.rules.reads
            and reads + self._writes_before() <= self.rules.ports
            and tuple_words(ops) <= self.rules.words
        )

    def _issue(self, choice: list[tuple[int, str]]) -> None:
        issued = Tuple()
        for position, slot in choice:
            if slot == "A":
                issued.add = self.ops[position]
            else:
                issued.fma = self.ops[position]
            self.done.add(position)
            self.remaining.remove(position)
        constants = sum(word.startswith("c") for op in issued.ops for word in op.words)
        n_words = -(-constants // 2)
        is_full = len(self.clause.tuples) >= self.rules.tuples or (
            len(self.clause.tuples) + 1 + self.clause_constants + n_words > self.rules.clause_words
        )
        if is_full:
            self._close()
        self.clause.tuples.append(issued)
        self.clause_constants += n_words
        if any(op.kind in MESSAGES or op.kind == BRANCH for op in issued.ops):
            self._close()

    def _close(self) -> None:
        if self.clause.tuples:
            self.clauses.append(self.clause)
        self.clause = Clause()
        self.clause_constants = 0
