"""Pack micro-operations into Midgard words: arithmetic bundles, load/store words, texture words.

An arithmetic bundle has two stages. Stage 1 is VMUL (a vector) and SADD (one component); stage 2
is VADD, SMUL and LUT, and may use what stage 1 made; a branch closes the bundle. A select needs
its condition, and a branch its, from stage 1 of its own bundle: the comparison itself when it is
used once, else a move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gpusim.isa.dependence import dependences
from gpusim.isa.machine import ALU, BARRIER, BRANCH, LOAD, STORE, TEXTURE, MicroOp
from gpusim.isa.table import IsaTable

STAGE = {"VMUL": 1, "SADD": 1, "VADD": 2, "SMUL": 2, "LUT": 2, "BR": 3}
UNIT_SETS = {
    "ADD": ("SADD", "VADD"),
    "MUL": ("SMUL", "VMUL"),
    "FMUL": ("SMUL", "VMUL", "LUT"),
    "MOST": ("SADD", "SMUL", "VMUL", "VADD"),
    "SEL": ("SMUL", "VADD"),
    "ANY": ("SADD", "SMUL", "LUT", "VADD", "VMUL"),
    "LUT": ("LUT",),
    "VMUL": ("VMUL",),
    "VADD": ("VADD",),
    "BR": ("BR",),
}
"""Slots that each unit set of the table allows, cheapest first."""
_SCALAR_SLOTS = frozenset({"SADD", "SMUL"})
_SCALAR_BITS = 32


@dataclass(slots=True)
class Word:
    """One issue word of a thread."""

    kind: str
    """``alu``, ``ls`` or ``tex``."""
    slots: dict[str, MicroOp] = field(default_factory=dict)
    """Arithmetic: slot name -> operation."""
    accesses: list[MicroOp] = field(default_factory=list)
    """Load/store or texture operations."""

    @property
    def ops(self) -> list[MicroOp]:
        """All operations of the word, in stage order."""
        ordered = sorted(self.slots, key=lambda name: STAGE[name])
        return [self.slots[name] for name in ordered] + self.accesses


def allowed_slots(op: MicroOp) -> tuple[str, ...]:
    """Return the slots that may execute `op`: scalar units take one component of 32 bits."""
    is_scalar = op.lanes == 1 and op.bits <= _SCALAR_BITS
    return tuple(slot for slot in UNIT_SETS[op.unit] if is_scalar or slot not in _SCALAR_SLOTS) or (
        "VADD",
    )


def constant_bytes(ops: Sequence[MicroOp]) -> int:
    """Return the bytes of embedded constants that a bundle needs."""
    constants = {word for op in ops for word in op.words if word.startswith("c")}
    return 4 * len(constants)


def schedule_midgard(
    ops: Sequence[MicroOp], table: IsaTable, ties: Sequence[tuple[int, int]] = ()
) -> list[Word]:
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
    list of Word
        In issue order; every operation stands in exactly one word.
    """
    return _Scheduler(ops, table, ties).run()


class _Scheduler:
    def __init__(
        self, ops: Sequence[MicroOp], table: IsaTable, ties: Sequence[tuple[int, int]]
    ) -> None:
        self.ops = ops
        self.before = dependences(ops, ties)
        self.max_constants = int(table.rule("constant_bytes_per_bundle"))
        self.per_word = int(table.rule("operations_per_load_store_word"))
        self.done: set[int] = set()
        self.remaining = list(range(len(ops)))

    def run(self) -> list[Word]:
        words = []
        while self.remaining:
            words.append(self._next_word())
        return words

    def _ready(self, extra: set[int]) -> list[int]:
        done = self.done | extra
        return [p for p in self.remaining if p not in extra and self.before[p] <= done]

    def _next_word(self) -> Word:
        first = self.ops[self._ready(set())[0]]
        if first.kind in (ALU, BRANCH):
            return self._bundle()
        kind = "tex" if first.kind in (TEXTURE, BARRIER) else "ls"
        limit = 1 if kind == "tex" else self.per_word
        word = Word(kind)
        for position in self._ready(set()):
            op = self.ops[position]
            is_same = (op.kind in (TEXTURE, BARRIER)) == (kind == "tex")
            if op.kind in (ALU, BRANCH) or not is_same or len(word.accesses) == limit:
                continue
            word.accesses.append(op)
            self._finish(position)
        return word

    def _bundle(self) -> Word:
        word = Word("alu")
        taken: dict[int, int] = {}
        has_grown = True
        while has_grown:
            has_grown = False
            for position in self._ready(set(taken)):
                op = self.ops[position]
                slot = self._slot(op, position, word, taken) if op.kind in (ALU, BRANCH) else None
                if slot is not None:
                    word.slots[slot] = op
                    taken[position] = STAGE[slot]
                    has_grown = True
        for position in list(taken):
            self._finish(position)
        return word

    def _slot(self, op: MicroOp, position: int, word: Word, taken: dict[int, int]) -> str | None:
        """Return a free slot whose stage comes after everything `op` needs."""
        earliest = 1 + max((taken[p] for p in self.before[position] if p in taken), default=0)
        if constant_bytes([*word.ops, op]) > self.max_constants:
            return None
        for slot in allowed_slots(op):
            if slot not in word.slots and STAGE[slot] >= earliest:
                return slot
        return None

    def _finish(self, position: int) -> None:
        self.done.add(position)
        self.remaining.remove(position)


def access_cycles(op: MicroOp) -> float:
    """Return the load/store pipe cycles of one access: two share a word up to 64 bits."""
    narrow_bytes = 8
    if op.kind not in (LOAD, STORE):
        return 1.0
    return 0.5 if op.bytes <= narrow_bytes else 1.0
