"""Pack micro-operations into Bifrost tuples and clauses.

A backward list scheduler: a block is filled from its end, so that it is known who still reads a
result and whether it can be forwarded instead of written. Among the operations whose readers are
all placed it prefers a branch, then a message, then what fits one slot only, then the latest in
source order, which keeps register pressure where the programmer put it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from gpusim.isa.dependence import dependences
from gpusim.isa.machine import BARRIER, BRANCH, LOAD, MESSAGES, MachineKernel, MicroOp
from gpusim.isa.table import IsaTable

SLOTS = {"F": "F", "A": "A", "E": "FA", "T": "T"}
"""Unit of the table -> slots that may hold the operation; T takes both."""
_ADDRESS_WORDS = 2
_CONSTANTS_PER_WORD = 2


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

    @property
    def ops(self) -> list[MicroOp]:
        """Operations in issue order."""
        return [op for item in self.tuples for op in item.ops]


@dataclass(frozen=True, slots=True)
class TupleRules:
    """Limits of a tuple and a clause, from the table."""

    reads: int
    ports: int
    tuples: int
    clause_words: int

    @classmethod
    def of(cls, table: IsaTable) -> TupleRules:
        """Read the limits from a table."""
        return cls(
            reads=int(table.rule("register_reads_per_tuple")),
            ports=int(table.rule("register_ports_per_tuple")),
            tuples=int(table.rule("tuples_per_clause")),
            clause_words=int(table.rule("words_per_clause")),
        )


def port_reads(ops: Sequence[MicroOp], forwarded: Collection[int] = ()) -> int:
    """Return the registers that a tuple reads through ports.

    Parameters
    ----------
    ops : sequence of MicroOp
        FMA slot first; the ADD slot takes what the FMA slot makes from the pipeline.
    forwarded : collection of int
        Registers that the tuple before hands over.

    Returns
    -------
    int
        Distinct registers; the address of a message is a pair.
    """
    words: dict[int, int] = {}
    made: set[int] = set()
    for op in ops:
        size = _ADDRESS_WORDS if op.kind in MESSAGES and op.kind != BARRIER else 1
        for number in op.reads:
            if number not in made and number not in forwarded:
                words[number] = max(size, words.get(number, 0))
        made.update(op.writes)
    return sum(words.values())


def constant_words(ops: Sequence[MicroOp]) -> int | None:
    """Return the 32-bit constants of a tuple, None when it cannot encode what it reads.

    A tuple has one 64-bit word: a pair of uniforms, or two constants. The distance to a branch
    target is a constant.
    """
    uniforms = {word for op in ops for word in op.words if word.startswith("u")}
    constants = {word for op in ops for word in op.words if word.startswith("c")}
    count = len(constants) + sum(op.kind == BRANCH for op in ops)
    is_legal = len(uniforms) + -(-count // _CONSTANTS_PER_WORD) <= 1
    return count if is_legal else None


def legalise_words(kernel: MachineKernel) -> None:
    """Move uniforms and constants to registers where one operation reads too many of them.

    Parameters
    ----------
    kernel : MachineKernel
        Changed in place.
    """
    for block in kernel.blocks:
        result: list[MicroOp] = []
        for op in block.ops:
            while op.words and constant_words([op]) is None:
                number = len(kernel.register_words)
                kernel.register_words[number] = 1
                word, op.words = op.words[-1], op.words[:-1]
                op.reads = (*op.reads, number)
                result.append(
                    MicroOp(name="mov", unit="E", words=(word,), writes=(number,), line=op.line)
                )
            result.append(op)
        block.ops = result


def port_writes(ops: Sequence[MicroOp], kept: Collection[int] | None = None) -> set[int]:
    """Return the registers a tuple writes through ports; messages deliver on their own.

    Parameters
    ----------
    ops : sequence of MicroOp
        Operations of the tuple.
    kept : collection of int, optional
        Registers still needed after the next tuple; others are forwarded only.
    """
    made = {number for op in ops if op.kind not in MESSAGES for number in op.writes}
    return made if kept is None else made.intersection(kept)


def schedule_bifrost(
    ops: Sequence[MicroOp],
    table: IsaTable,
    ties: Sequence[tuple[int, int]] = (),
    live_out: Collection[int] = (),
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
    live_out : collection of int
        Registers needed after the block.

    Returns
    -------
    list of Clause
        In issue order; every operation stands in exactly one tuple.
    """
    return _Scheduler(ops, TupleRules.of(table), ties, set(live_out)).run()


@dataclass(slots=True)
class _ClauseState:
    """A clause under construction, tuples in reverse order."""

    tuples: list[Tuple] = field(default_factory=list)
    has_message: bool = False
    touched: set[int] = field(default_factory=set)
    constants: int = 0


class _Scheduler:
    def __init__(
        self,
        ops: Sequence[MicroOp],
        rules: TupleRules,
        ties: Sequence[tuple[int, int]],
        live: set[int],
    ) -> None:
        self.ops = ops
        self.rules = rules
        self.before = dependences(ops, ties, order="all")
        self.n_after = [0] * len(ops)
        for earlier in self.before:
            for position in earlier:
                self.n_after[position] += 1
        self.ready = {p for p, count in enumerate(self.n_after) if count == 0}
        self.live = live

    def run(self) -> list[Clause]:
        clauses = []
        while self.ready:
            clauses.append(self._clause())
        clauses.reverse()
        return clauses

    def _clause(self) -> Clause:
        state = _ClauseState()
        kept, kept_next = set(self.live), set(self.live)
        while len(state.tuples) < self.rules.tuples:
            item = Tuple()
            item.add = self._take("A", item, state, kept)
            if item.add is not None and item.add.unit == "T":
                item.fma, item.add = item.add, None
            else:
                item.fma = self._take("F", item, state, kept)
            if not item.ops:
                break
            self._account(item, state)
            # What is needed after the *next* tuple decides whether a result must be written.
            kept, kept_next = kept_next, set(self.live)
        state.tuples.reverse()
        return Clause(state.tuples)

    def _take(self, slot: str, item: Tuple, state: _ClauseState, kept: set[int]) -> MicroOp | None:
        best, best_cost = -1, (0, 0)
        for position in self.ready:
            op = self.ops[position]
            if not self._fits(op, slot, item, state, kept):
                continue
            cost = (_cost(op), -position)
            if best < 0 or cost < best_cost:
                best, best_cost = position, cost
        if best < 0:
            return None
        self.ready.remove(best)
        for position in self.before[best]:
            self.n_after[position] -= 1
            if self.n_after[position] == 0:
                self.ready.add(position)
        return self.ops[best]

    def _fits(
        self, op: MicroOp, slot: str, item: Tuple, state: _ClauseState, kept: set[int]
    ) -> bool:
        slots = SLOTS[op.unit]
        is_last = not state.tuples
        if slot not in slots and not (slots == "T" and slot == "A"):
            return False
        if op.kind == BRANCH and not is_last:
            return False
        if op.kind in MESSAGES:
            fragile = op.writes if op.kind == LOAD else (*op.writes, *op.staging)
            if state.has_message or state.touched.intersection(fragile):
                return False
        together = [op, *item.ops] if slot == "F" else [op]
        count = constant_words(together)
        if count is None or not self._has_room(state, count):
            return False
        writes = port_writes(together, kept)
        if is_last and len(writes) > 1:
            return False
        if port_reads(together) > self.rules.reads and len(together) > 1:
            return False
        following = state.tuples[-1].ops if state.tuples else []
        made = {number for each in together for number in each.writes}
        return len(writes) <= max(0, self.rules.ports - port_reads(following, made))

    def _has_room(self, state: _ClauseState, count: int) -> bool:
        """Return whether the clause can encode one more tuple with `count` constants."""
        total = -(-(state.constants + count) // _CONSTANTS_PER_WORD)
        return len(state.tuples) + 1 + total <= self.rules.clause_words

    def _account(self, item: Tuple, state: _ClauseState) -> None:
        state.tuples.append(item)
        state.constants += constant_words(item.ops) or 0
        for op in reversed(item.ops):
            self.live.difference_update(op.writes)
            self.live.update(op.reads)
            self.live.update(op.staging)
            state.has_message |= op.kind in MESSAGES
            state.touched.update((*op.reads, *op.writes, *op.staging))


def _cost(op: MicroOp) -> int:
    """Return how gladly an operation is placed; less is earlier."""
    if op.kind == BRANCH:
        return -2
    if op.kind in MESSAGES:
        return -1
    return 1 if op.unit == "E" else 0
