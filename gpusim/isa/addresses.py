"""Address arithmetic for scalar families: what is folded, shared, hoisted or issued.

A pointer is a base plus a constant that is not added yet. The shift of an index by the element
size and the add to the base are one operation each (together one SHADDX on Bifrost); each distinct
sum is made once where it dominates its uses and leaves a loop in which it does not change. A
constant is added when the pointer is used, unless the message has an immediate offset.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gpusim.isa.emit import Emitter
from gpusim.isa.table import IsaTable
from gpusim.isa.values import Ref, is_zero

_VARIABLE = re.compile(r'@"?([\w.$-]+)"?')


SUM = "s"
"""Kind of a reference to a symbolic sum."""


class Sum(NamedTuple):
    """Base plus index times stride, not emitted yet."""

    base: Ref
    scaled: Ref
    stride: int


class AddressSelector:
    """Emits address operations of one kernel."""

    shift_class = "address_shift"
    add_class = "address_add"
    sum_words = 0
    """32-bit words of a sum; 0 = those of a pointer."""

    def __init__(self, table: IsaTable, emitter: Emitter) -> None:
        self._emitter = emitter
        self._table = table
        self._variables: dict[str, int] = {}
        self._words = self.sum_words or int(table.rule("pointer_words"))
        self._has_local_base = bool(table.rule("local_base"))
        self._sums: dict[int, Sum] = {}
        self._sums_indices = bool(table.rule("sums_indices"))
        bits = table.issue.get("immediate_offset_bits")
        self._reach = 1 << (int(bits.value) - 1) if bits is not None else 0
        self._moves = int(table.rule("address_moves")) if "address_moves" in table.issue else 0

    def variable(self, text: str) -> Ref:
        """Return the address of a local or constant variable in its segment; the first is at 0."""
        match = _VARIABLE.search(text)
        name = match.group(1) if match else text
        order = self._variables.setdefault(name, len(self._variables))
        return Ref("c", "0" if order == 0 else f"address of {name}")

    def add_constant(self, base: Ref, offset: int) -> Ref:
        """Return `base` plus a number of bytes, not emitted yet."""
        return base._replace(offset=base.offset + offset)

    def add_index(self, base: Ref, index: Ref, stride: int) -> Ref:
        """Return `base` plus `index` elements of `stride` bytes, not emitted yet.

        Indices of one stride over a kernel argument are added up first: the base then costs no
        register, it is read from its uniform word.
        """
        if is_zero(index):
            return base
        bare = base._replace(offset=0)
        if base.kind == SUM:
            inner = self._sums[int(base.name)]
            if inner.stride == stride and self._sums_indices and inner.base.kind != "r":
                total = self._emitter.shared("iadd", [inner.scaled, index])
                return self._sum(inner.base, total, stride, base.offset)
            bare = self.materialise(bare)
        if stride & (stride - 1):
            index, stride = self._emitter.shared("imul", [index, Ref("c", str(stride))]), 1
        return self._sum(bare, index, stride, base.offset)

    def _sum(self, base: Ref, index: Ref, stride: int, offset: int) -> Ref:
        number = len(self._sums)
        self._sums[number] = Sum(base, index, stride)
        return Ref(SUM, number, offset)

    def materialise(self, ref: Ref) -> Ref:
        """Return a symbolic sum, or a pending constant, in a register."""
        if ref.kind == SUM:
            base, index, stride = self._sums[int(ref.name)]
            scaled = index
            if stride > 1:
                scaled = self._emitter.shared(self.shift_class, [index, Ref("c", str(stride))])
            total = scaled
            if not is_zero(base):
                total = self._emitter.shared(self.add_class, [base, scaled], self._words)
            return self.materialise(total._replace(offset=ref.offset))
        if ref.offset == 0:
            return ref
        bare = ref._replace(offset=0)
        if is_zero(bare):
            return Ref("c", str(ref.offset))
        constant = Ref("c", str(ref.offset))
        return self._emitter.shared(self.add_class, [bare, constant], self._words)

    def for_message(self, ref: Ref, space: str) -> list[Ref]:
        """Return the address operands of a load or store, its constant folded where the ISA can.

        Where local memory is no segment of its own, its base pointer is added last. Where the
        table says so, the address has to stand in a register pair of its own: a move for the high
        word, and one for the low word unless that was computed for this use alone.
        """
        has_base = self._has_local_base and space == "local"
        is_folded = -self._reach <= ref.offset < self._reach and not has_base
        place = self.materialise(ref._replace(offset=0) if is_folded else ref)
        if has_base:
            base = Ref("u", "local memory")
            place = self._emitter.shared(self.add_class, [base, place], self._words)
        if self._moves == 0:
            return [place]
        is_fresh = not is_folded and self._emitter.is_made_here(place)
        high = self._emitter.chain("mov", [Ref("c", "0")])
        return [place if is_fresh else self._emitter.chain("mov", [place]), high]
