"""Pack micro-operations into Midgard words: arithmetic bundles, load/store words, texture words.

An arithmetic bundle has two stages. Stage 1 is VMUL (a vector) and SADD (one component); stage 2
is VADD, SMUL and LUT, and may use what stage 1 made; a branch closes the bundle. A select or a
branch needs its condition from its own bundle: the comparison itself when nobody else reads it,
else a move. One bundle serves one condition.

The scheduler fills a block backwards and prefers what shortens live ranges, because the number of
registers decides how many work-items a core can hold.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gpusim.isa.dependence import dependences
from gpusim.isa.machine import ALU, BARRIER, BRANCH, LOAD, STORE, TEXTURE, MicroOp
from gpusim.isa.table import IsaTable

STAGE = {"VMUL": 1, "SADD": 1, "VADD": 2, "SMUL": 2, "LUT": 2, "BR": 3}
"""Stage of a bundle in which each slot works."""
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
"""Slots that each unit set of the table allows."""
SCALAR_SLOTS = frozenset({"SADD", "SMUL"})
_SCALAR_BITS = 32
_CONSTANT_BYTES = 4


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
    return tuple(slot for slot in UNIT_SETS[op.unit] if is_scalar or slot not in SCALAR_SLOTS) or (
        "VADD",
    )


def constant_bytes(ops: Sequence[MicroOp]) -> int:
    """Return the bytes of embedded constants that a bundle needs."""
    sizes: dict[str, int] = {}
    for op in ops:
        size = min(_CONSTANT_BYTES, op.bits // 8) or 1
        for word in op.words:
            if word.startswith("c"):
                sizes[word] = max(size, sizes.get(word, 0))
    return sum(sizes.values())


def takes_condition(op: MicroOp) -> bool:
    """Return whether `op` reads a condition that its own bundle has to make."""
    return op.unit == "SEL" or (op.kind == BRANCH and op.name == "branch")


def access_cycles(op: MicroOp) -> float:
    """Return the load/store pipe cycles of one access: two share a word up to 64 bits."""
    narrow_bytes = 8
    if op.kind not in (LOAD, STORE):
        return 1.0
    return 0.5 if op.bytes <= narrow_bytes else 1.0


def schedule_midgard(
    ops: Sequence[MicroOp],
    table: IsaTable,
    ties: Sequence[tuple[int, int]] = (),
    live_out: Collection[int] = (),
    register_words: Mapping[int, int] | None = None,
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
    live_out : collection of int
        Registers needed after the block.
    register_words : mapping, optional
        32-bit words of each virtual register; 1 where not given.

    Returns
    -------
    list of Word
        In issue order. Every operation stands in exactly one word; moves of conditions are added.
    """
    return _Scheduler(ops, table, ties, set(live_out), register_words or {}).run()


class _Scheduler:
    def __init__(
        self,
        ops: Sequence[MicroOp],
        table: IsaTable,
        ties: Sequence[tuple[int, int]],
        live: set[int],
        register_words: Mapping[int, int],
    ) -> None:
        self.ops = ops
        self.before = dependences(ops, ties, order="spaces")
        self.n_after = [0] * len(ops)
        for earlier in self.before:
            for position in earlier:
                self.n_after[position] += 1
        self.ready = {p for p, count in enumerate(self.n_after) if count == 0}
        self.max_constants = int(table.rule("constant_bytes_per_bundle"))
        self.per_word = int(table.rule("operations_per_load_store_word"))
        self.register_words = register_words
        # The last eighth is left for vectors, which must not straddle registers.
        row_words = int(table.rule("vector_bytes")) // _CONSTANT_BYTES
        self.crowded_words = 7 * int(table.rule("registers")) * row_words // 8
        self.first = -1
        self.phi_of = {value: phi for phi, value in ties}
        self.live = {self._root(number) for number in live}
        self.n_readers: dict[int, int] = {}
        for op in ops:
            for number in set(op.reads):
                self.n_readers[number] = self.n_readers.get(number, 0) + 1
        self.is_needed_later = set(live)

    def run(self) -> list[Word]:
        words = []
        while self.ready:
            words.append(self._next_word())
        words.reverse()
        return words

    def _next_word(self) -> Word:
        self.first = self._best(self.ready)
        best = self.ops[self.first]
        if best.kind in (ALU, BRANCH):
            return self._bundle()
        is_texture = best.kind in (TEXTURE, BARRIER)
        word = Word("tex" if is_texture else "ls")
        limit = 1 if is_texture else self.per_word
        candidates = {
            p
            for p in self.ready
            if self.ops[p].kind not in (ALU, BRANCH)
            and (self.ops[p].kind in (TEXTURE, BARRIER)) == is_texture
        }
        chosen: list[int] = []
        while candidates and len(chosen) < limit:
            position = self._best(candidates)
            candidates.remove(position)
            chosen.append(position)
            self._touch(self.ops[position])
        for position in chosen:
            self._release(position)
        word.accesses = [self.ops[position] for position in sorted(chosen)]
        return word

    # -- arithmetic bundles -----------------------------------------------------------------

    def _bundle(self) -> Word:
        word = Word("alu")
        branch = self._choose("BR", word)
        self._settle([branch])
        second: list[int | None] = []
        if branch is not None and takes_condition(self.ops[branch]):
            second.append(self._condition(self.ops[branch], "SMUL", word))
        second.append(self._choose("SMUL", word))
        for is_move in (False, True):
            second += [self._choose(slot, word, is_move) for slot in ("LUT", "VADD")]
        # Operations of one stage cannot read each other: release them together.
        self._settle(second)
        first: list[int | None] = []
        for slot in ("VADD", "SMUL"):
            op = word.slots.get(slot)
            if op is not None and takes_condition(op):
                first.append(self._condition(op, "VMUL" if op.lanes > 1 else "SADD", word))
        first += [self._choose(slot, word) for slot in ("SADD", "VMUL")]
        self._settle(first)
        return word

    def _choose(self, slot: str, word: Word, is_move: bool | None = None) -> int | None:
        """Put the best operation into a free slot; it is released with its stage."""
        if slot in word.slots:
            return None
        has_condition = any(takes_condition(op) for op in word.slots.values())
        candidates = {
            position
            for position in self.ready
            if self._may_take(self.ops[position], slot, word, has_condition)
            and (is_move is None or is_move == (self.ops[position].unit == "ANY"))
            and self._is_affordable(position)
        }
        if not candidates:
            return None
        chained = {p for p in candidates if slot == "VADD" and self._has_product(p)}
        position = self._best(chained or candidates)
        self.ready.remove(position)
        word.slots[slot] = self.ops[position]
        self._touch(self.ops[position])
        return position

    def _is_affordable(self, position: int) -> bool:
        """Return whether a free slot may be filled: not if registers are about to run out."""
        return (
            position == self.first
            or self._size(self.live) < self.crowded_words
            or self._live_effect(self.ops[position]) <= 0
        )

    def _has_product(self, position: int) -> bool:
        """Return whether a multiply can move into stage 1 once the operation is placed."""
        return any(
            self.n_after[earlier] == 1
            and "VMUL" in allowed_slots(self.ops[earlier])
            and self.ops[earlier].unit in ("MUL", "FMUL", "VMUL")
            for earlier in self.before[position]
            if self.ops[earlier].kind == ALU
        )

    def _may_take(self, op: MicroOp, slot: str, word: Word, has_condition: bool) -> bool:
        return (
            op.kind in (ALU, BRANCH)
            and slot in allowed_slots(op)
            and not (has_condition and takes_condition(op))
            and constant_bytes([*word.ops, op]) <= self.max_constants
        )

    def _condition(self, user: MicroOp, slot: str, word: Word) -> int | None:
        """Make the condition of `user` in `slot`: its comparison, or a move (None)."""
        number = user.reads[0] if user.reads else -1
        maker = next((p for p in self.ready if number in self.ops[p].writes), -1)
        is_private = self.n_readers.get(number) == 1 and number not in self.is_needed_later
        if maker >= 0 and is_private and self._may_make(self.ops[maker], slot, word):
            self.ready.remove(maker)
            word.slots[slot] = self.ops[maker]
            self._touch(self.ops[maker])
            return maker
        word.slots[slot] = MicroOp(
            name="mov", unit="ANY", reads=user.reads[:1], writes=(), line=user.line
        )
        return None

    def _may_make(self, op: MicroOp, slot: str, word: Word) -> bool:
        """Return whether a comparison fits `slot`; a select would need a condition itself."""
        return (
            op.kind == ALU
            and not takes_condition(op)
            and slot in allowed_slots(op)
            and constant_bytes([*word.ops, op]) <= self.max_constants
        )

    def _settle(self, positions: Sequence[int | None]) -> None:
        for position in positions:
            if position is not None:
                self._release(position)

    # -- readiness and live ranges ----------------------------------------------------------

    def _release(self, position: int) -> None:
        self.ready.discard(position)
        for earlier in self.before[position]:
            self.n_after[earlier] -= 1
            if self.n_after[earlier] == 0:
                self.ready.add(earlier)

    def _root(self, number: int) -> int:
        return self.phi_of.get(number, number)

    def _touch(self, op: MicroOp) -> None:
        self.live.difference_update(self._root(number) for number in op.writes)
        self.live.update(self._root(number) for number in (*op.reads, *op.staging))

    def _live_effect(self, op: MicroOp) -> int:
        """Return the words that become live less those that end, going backwards."""
        made = {self._root(number) for number in op.writes} & self.live
        needed = {self._root(number) for number in (*op.reads, *op.staging)} - self.live
        return self._size(needed) - self._size(made)

    def _size(self, numbers: Collection[int]) -> int:
        return sum(self.register_words.get(number, 1) for number in numbers)

    def _best(self, candidates: Collection[int]) -> int:
        return min(
            candidates,
            key=lambda p: (self._live_effect(self.ops[p]), self.ops[p].kind in (ALU, BRANCH), -p),
        )
