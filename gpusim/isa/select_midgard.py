"""Instruction selection for Midgard: vectors up to 128 bits stay together.

A load/store word adds base, shifted index and constant by itself, from two address registers; an
operation of the look-up unit makes one element. Scalars that are joined into a vector are
computed in place.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpusim.compiler.kernel_ir import ValueType
from gpusim.isa.addresses import AddressSelector
from gpusim.isa.emit import Emitter
from gpusim.isa.ir_view import IRView
from gpusim.isa.machine import MachineKernel
from gpusim.isa.select_scalar import ScalarSelector
from gpusim.isa.table import IsaTable
from gpusim.isa.values import Ref, is_zero


def select_midgard(view: IRView, table: IsaTable) -> MachineKernel:
    """Select machine operations for Midgard.

    Parameters
    ----------
    view : IRView
        The kernel.
    table : IsaTable
        Cost table of the family.

    Returns
    -------
    MachineKernel
        Unscheduled; a virtual register holds up to 128 bits.

    Raises
    ------
    CompileError
        The kernel uses a function or instruction that no table entry covers.
    """
    return _MidgardSelector(view, table).run()


class _MidgardAddresses(AddressSelector):
    """Pointers stay symbolic sums until a message folds them."""

    def __init__(self, table: IsaTable, emitter: Emitter) -> None:
        super().__init__(table, emitter)
        self._sums: dict[int, tuple[Ref, Ref, int]] = {}

    def add_index(self, base: Ref, index: Ref, stride: int) -> Ref:
        """Return base plus index times stride, folded by the message that uses it."""
        if is_zero(index):
            return base
        bare = self.materialise(base._replace(offset=0))
        if stride & (stride - 1):
            index, stride = self._emitter.shared("imul", [index, Ref("c", str(stride))]), 1
        number = len(self._sums)
        self._sums[number] = (bare, index, stride)
        return Ref("s", number, base.offset)

    def materialise(self, ref: Ref) -> Ref:
        """Return a symbolic sum, or a pending constant, in a register."""
        if ref.kind == "s":
            base, index, stride = self._sums[int(ref.name)]
            scaled = index
            if stride > 1:
                scaled = self._emitter.shared("shift", [index, Ref("c", str(stride))])
            total = scaled if is_zero(base) else self._emitter.shared("iadd", [base, scaled])
            return self.materialise(total._replace(offset=ref.offset))
        if ref.offset == 0:
            return ref
        bare = ref._replace(offset=0)
        if is_zero(bare):
            return Ref("c", str(ref.offset))
        return self._emitter.shared("iadd", [bare, Ref("c", str(ref.offset))])

    def for_message(self, ref: Ref) -> list[Ref]:
        """Return what the word reads: each address register is filled by a move."""
        if ref.kind == "s":
            base, index, _ = self._sums[int(ref.name)]
            parts = [part for part in (base, index) if not is_zero(part)]
        else:
            bare = ref._replace(offset=0)
            parts = [] if is_zero(bare) else [bare]
        return [self._emitter.chain("address_add", [part]) for part in parts]


class _MidgardSelector(ScalarSelector):
    def __init__(self, view: IRView, table: IsaTable) -> None:
        super().__init__(view, table)
        self.addresses = _MidgardAddresses(table, self.emitter)
        self.register_bytes = int(table.rule("vector_bytes"))

    def _words(self, kind: ValueType, index: int) -> int:
        """Return the 32-bit words of one register of the value."""
        lanes = min(kind.lanes, len(self._groups(kind)[0]))
        lane_bytes = 8 if kind.bits == 64 and index not in self.narrow else min(4, kind.bits // 8)
        return max(1, -(-lanes * lane_bytes // 4))

    def _gather(self, refs: Sequence[Ref]) -> list[Ref]:
        """Return the registers of an operand: scalars are computed where the vector stands."""
        distinct = list(dict.fromkeys(refs))
        sizes = [
            self.emitter.register_words[int(ref.name)] if ref.is_register else 1 for ref in distinct
        ]
        if max(sizes) == 1:
            return distinct
        return super()._gather(refs)

    def apply(
        self,
        classes: Sequence[str],
        operands: Sequence[list[Ref]],
        kind: ValueType,
        words: int = 1,
    ) -> list[Ref]:
        """Emit `classes`; the look-up unit makes one element at a time."""
        if not any("LUT" in self.table.sequence(name) for name in classes):
            return super().apply(classes, operands, kind, words)
        result = []
        scalar = ValueType(kind=kind.kind, bits=kind.bits)
        for lane in range(kind.lanes):
            lanes = [[refs[min(lane, len(refs) - 1)]] for refs in operands]
            result += super().apply(classes, lanes, scalar)
        return result
