"""Address arithmetic of families whose compiler reduces strength: NVIDIA.

An address is a base plus elements of some strides. What of an index does not change in the loop
around an access is added in front of the loop, its constant part is the offset of the message, and
a part that only the loop's counter moves is a pointer that advances once per iteration, or nothing
at all where the loop is unrolled. What is left is added in place. Local memory is a segment of its
own: its addresses have 32 bits and a variable's place in it is part of the offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpusim.isa.addresses import AddressSelector
from gpusim.isa.emit import Emitter
from gpusim.isa.ir_view import IRView, is_constant, is_value
from gpusim.isa.table import IsaTable
from gpusim.isa.unroll import Unrolling
from gpusim.isa.values import Ref, is_zero

if TYPE_CHECKING:
    from gpusim.isa.select_scalar import ScalarSelector

ELEMENTS = "e"
"""Kind of a reference to a base with elements that are not added yet."""

Term = tuple[int, int]
"""IR value and the bytes that one of it stands for."""


class Elements(NamedTuple):
    """A base and what is still to be added to it."""

    base: Ref
    terms: tuple[Term, ...]
    is_local: bool


class ReducedAddresses(AddressSelector):
    """Emits the address operations of one kernel."""

    def __init__(self, table: IsaTable, emitter: Emitter, unrolling: Unrolling) -> None:
        super().__init__(table, emitter)
        self._unrolling = unrolling
        self._view = emitter.view
        self._elements: list[Elements] = []
        self._owner: ScalarSelector | None = None
        self._copies = int(table.rule("pointer_copies"))

    def bind(self, owner: ScalarSelector) -> None:
        """Say who knows where the values of instructions are."""
        self._owner = owner

    def variable(self, text: str) -> Ref:
        """Return the address of a variable: its place in the segment is part of the offset."""
        return Ref("c", "0")

    def element(self, index: int, base: Ref) -> Ref:
        """Return the result of a getelementptr on `base`, nothing emitted yet."""
        view = self._view
        before = self._elements[int(base.name)] if base.kind == ELEMENTS else None
        terms = list(before.terms) if before else []
        offset = base.offset
        for position, stride in enumerate(view.element_bytes[index], start=1):
            code = view.operands[index][position]
            text = view.operand_texts[index][position]
            if is_value(code):
                inner, constant = _without_constant(view, code)
                terms.append((inner, stride))
                offset += constant * stride
            elif is_constant(code):
                offset += int(text.split()[-1]) * stride
            else:
                return super().add_index(
                    self.materialise(base), self._value(index, position), stride
                )
        root = before.base if before else base._replace(offset=0)
        is_local = "addrspace(3)" in view.texts[index]
        self._elements.append(Elements(root, tuple(terms), is_local))
        return Ref(ELEMENTS, len(self._elements) - 1, offset)

    def _value(self, index: int, position: int) -> Ref:
        assert self._owner is not None
        return self._owner.operand(index, position)

    def add_index(self, base: Ref, index: Ref, stride: int) -> Ref:
        """Return `base` plus `index` elements of `stride` bytes, not emitted yet."""
        return super().add_index(
            self.materialise(base) if base.kind == ELEMENTS else base, index, stride
        )

    def materialise(self, ref: Ref) -> Ref:
        """Return a pending address in a register."""
        if ref.kind != ELEMENTS:
            return super().materialise(ref)
        place, offset = self._place(ref)
        return super().materialise(place._replace(offset=place.offset + offset))

    def for_message(self, ref: Ref, space: str) -> list[Ref]:
        """Return the address operands of a load or store, constants folded into its offset."""
        if ref.kind == ELEMENTS:
            place, offset = self._place(ref)
            ref = place._replace(offset=place.offset + offset)
        return super().for_message(ref, space)

    def served_copies(self, ref: Ref, access_bytes: int, widest: int) -> int:
        """Return how many copies of the unrolled loop around it one load at `ref` can serve.

        The copies must read neighbouring words, and the first of them from an aligned place.
        """
        block = self._emitter.block
        loop = self._view.innermost_loop[block]
        if ref.kind != ELEMENTS or loop not in self._unrolling.trips:
            return 1
        factors: dict[int, int] = {}
        for value, stride in self._elements[int(ref.name)].terms:
            for leaf, factor in self._parts(value, stride, through_known=True)[0]:
                factors[leaf] = factors.get(leaf, 0) + factor
        counters = [leaf for leaf in factors if self._unrolling.counters.get(leaf) == loop]
        if len(counters) != 1 or factors.pop(counters[0]) != access_bytes:
            return 1
        for copies in (4, 2):
            size = copies * access_bytes
            fits = size <= widest and self._unrolling.trips[loop] % copies == 0
            if fits and not any(factor % size for factor in (*factors.values(), ref.offset)):
                return copies
        return 1

    def _place(self, ref: Ref) -> tuple[Ref, int]:
        """Return the variable part of an address in a register, and the constant bytes."""
        pending = self._elements[int(ref.name)]
        place, offset = self._sum_up(pending, pending.terms, self._emitter.block)
        return place, offset + ref.offset

    def _sum_up(self, pending: Elements, terms: tuple[Term, ...], block: int) -> tuple[Ref, int]:
        """Return base and terms added up where they are needed in `block`, and constant bytes."""
        view = self._view
        loop = view.innermost_loop[block]
        fixed: list[Term] = []
        moved: list[Term] = []
        stepped: list[Term] = []
        other: list[Term] = []
        offset = 0
        if (
            loop >= 0
            and view.preheader[loop] >= 0
            and not self._emitter.is_made_in(pending.base, loop)
        ):
            blocks = view.kernel.loops[loop].blocks
            for value, stride in terms:
                if value in self._unrolling.known:
                    continue
                if view.block_of[value] not in blocks:
                    fixed.append((value, stride))
                    continue
                parts, constant = self._parts(value, 1)
                inside = {v: self._counter(v, loop) for v, _ in parts if view.block_of[v] in blocks}
                if None in inside.values():
                    other.append((value, stride))
                    continue
                offset += constant * stride
                for part, factor in parts:
                    counter = inside.get(part)
                    if counter is None:
                        fixed.append((part, factor * stride))
                    elif counter == part or pending.is_local:
                        moved.append((counter, factor * stride))
                    else:
                        # By a step that is known at run time only: an index that advances.
                        stepped.append((counter, factor * stride))
            home, self._emitter.block = self._emitter.block, view.preheader[loop]
            base, more = self._sum_up(pending, tuple(fixed), view.preheader[loop])
            self._emitter.block = home
            offset += more
        else:
            base = pending.base
            other = [term for term in terms if term[0] not in self._unrolling.known]
        for value, stride in other:
            base = self._add(base, value, stride, pending.is_local)
        if moved:
            base = self._advance(base, moved, pending.is_local)
        for value, stride in stepped:
            place = self._reference(value)
            index = self._emitter.shared("iadd", [place, Ref("c", f"run-time step {stride}")])
            base = self._scaled(base, index, stride)
        return base, offset

    def _add(self, base: Ref, value: int, stride: int, is_local: bool) -> Ref:
        index = self._reference(value)
        if is_zero(index):
            return base
        if abs(stride) & (abs(stride) - 1):
            index, stride = self._emitter.shared("imul", [index, Ref("c", str(stride))]), 1
        if is_local:
            # One instruction shifts and adds; the base of the segment is zero.
            operands = [ref for ref in (base, index) if not is_zero(ref)]
            if stride == 1 and len(operands) == 1:
                return index
            return self._emitter.shared("iadd", [*operands, Ref("c", f"shift {stride}")])
        return self._scaled(base, index, stride)

    def _scaled(self, base: Ref, index: Ref, stride: int) -> Ref:
        """Return `base` plus a 32-bit index that is extended and scaled on the way."""
        if stride != 1:
            index = self._emitter.shared(self.shift_class, [index, Ref("c", str(stride))])
        if is_zero(base):
            return index
        return self._emitter.shared(self.add_class, [base, index], self._words)

    def _reference(self, value: int) -> Ref:
        """Return the register of an integer; one that another operation absorbed is computed."""
        assert self._owner is not None
        if value in self._owner.values:
            return self.materialise(self._owner.values[value][0])
        operands = [
            self._reference(code) if is_value(code) else self._owner.operand(value, position)
            for position, code in enumerate(self._view.operands[value])
        ]
        name = {"mul": "imul", "shl": "shift"}.get(self._view.opcode[value], "iadd")
        return self._emitter.shared(name, operands)

    def _advance(self, base: Ref, terms: list[Term], is_local: bool) -> Ref:
        """Return a pointer that moves with the counters of `terms`: one addition an iteration."""
        counters = [self._reference(value) for value, _ in terms]
        step = Ref("c", " ".join(f"step {stride}" for _, stride in terms))
        if is_local:
            return self._emitter.shared("iadd", [base, *counters, step])
        operands = [base, *counters, step]
        pointer = self._emitter.shared(self.add_class, operands, self._words)
        for copy in range(self._copies):
            # The pointer of the next iteration is made beside the one in use.
            pointer = self._emitter.shared("mov", [pointer, Ref("c", str(copy))], self._words)
        return pointer

    def _counter(self, value: int, loop: int) -> int | None:
        """Return the counter of `loop` that `value` is linear in, None = it is not."""
        view = self._view
        if self._unrolling.counters.get(value) == loop:
            return value
        opcode, codes = view.opcode[value], view.operands[value]
        if opcode not in ("add", "sub", "mul", "shl", "sext", "zext"):
            return None
        blocks = view.kernel.loops[loop].blocks
        inside = [code for code in codes if is_value(code) and view.block_of[code] in blocks]
        found = [self._counter(code, loop) for code in inside]
        if None in found or (
            opcode in ("mul", "shl") and (len(inside) > 1 or codes[0] != inside[0])
        ):
            return None
        return found[0] if found else None

    def _parts(
        self, value: int, factor: int, *, through_known: bool = False
    ) -> tuple[list[Term], int]:
        """Return an integer as a sum of values times constants, and a constant.

        What is known in each copy of an unrolled loop counts as nothing, unless asked for.
        """
        view = self._view
        opcode, codes = view.opcode[value], view.operands[value]
        if value in self._unrolling.known and not through_known:
            return [], 0
        if opcode in ("sext", "zext", "freeze") and is_value(codes[0]):
            return self._parts(codes[0], factor, through_known=through_known)
        is_sum = opcode in ("add", "sub") or (opcode == "or" and "disjoint" in view.texts[value])
        if is_sum and all(is_value(code) or is_constant(code) for code in codes):
            sign = -1 if opcode == "sub" else 1
            terms: list[Term] = []
            constant = 0
            for position, code in enumerate(codes):
                scale = factor * (sign if position else 1)
                if is_constant(code):
                    constant += scale * _constant(view, value, position)
                else:
                    more, shift = self._parts(code, scale, through_known=through_known)
                    terms += more
                    constant += shift
            return terms, constant
        if opcode in ("mul", "shl") and is_value(codes[0]) and is_constant(codes[1]):
            times = _constant(view, value, 1)
            times = times if opcode == "mul" else 1 << times
            return self._parts(codes[0], factor * times, through_known=through_known)
        return [(value, factor)], 0


def _constant(view: IRView, index: int, position: int) -> int:
    return int(view.operand_texts[index][position].split()[-1])


def _without_constant(view: IRView, code: int) -> tuple[int, int]:
    """Return an index without the constant that is added to it last, and that constant."""
    total = 0
    while is_value(code):
        opcode, codes = view.opcode[code], view.operands[code]
        if opcode in ("sext", "zext") and is_value(codes[0]):
            inner, constant = _without_constant(view, codes[0])
            return (inner, total + constant) if constant else (code, total)
        is_sum = opcode == "add" or (opcode == "or" and "disjoint" in view.texts[code])
        if not (is_sum and is_value(codes[0]) and is_constant(codes[1])):
            break
        total += _constant(view, code, 1)
        code = codes[0]
    return code, total
