"""Instruction selection for Midgard: vectors up to 128 bits stay together.

A load/store word adds base, shifted index and constant by itself, from two address registers; an
operation of the look-up unit makes one element. Scalars that are joined into a vector are
computed in place.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpusim.compiler.kernel_ir import ValueType
from gpusim.isa.addresses import AddressSelector
from gpusim.isa.ir_view import IRView
from gpusim.isa.machine import MachineKernel
from gpusim.isa.pack_midgard import fill_address_registers, pack_scalars
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
    machine = _MidgardSelector(view, table).run()
    pack_scalars(machine)
    fill_address_registers(machine)
    return machine


class _MidgardAddresses(AddressSelector):
    """Sums stay symbolic until a load/store word folds them."""

    shift_class = "shift"
    add_class = "iadd"
    # A sum is a 32-bit offset in an address register; pointers that live on have 64 bits.
    sum_words = 1

    def for_message(self, ref: Ref, space: str) -> list[Ref]:
        """Return the sum that the word reads; the word adds a constant by itself."""
        del space
        bare = ref._replace(offset=0)
        return [] if is_zero(bare) else [self.materialise(bare)]


class _MidgardSelector(ScalarSelector):
    def __init__(self, view: IRView, table: IsaTable) -> None:
        super().__init__(view, table)
        self.addresses = _MidgardAddresses(table, self.emitter)
        self.register_bytes = int(table.rule("vector_bytes"))

    def _words(self, kind: ValueType, index: int) -> int:
        """Return the 32-bit words of one register of the value."""
        if kind.kind == "pointer":
            return int(self.table.rule("pointer_words"))
        lanes = min(kind.lanes, len(self._groups(kind)[0]))
        lane_bytes = 8 if kind.bits == 64 and index not in self.narrow else min(4, kind.bits // 8)
        return max(1, -(-lanes * lane_bytes // 4))

    def gather(self, refs: Sequence[Ref]) -> list[Ref]:
        """Return the registers of an operand: scalars are computed where the vector stands."""
        distinct = list(dict.fromkeys(refs))
        sizes = [
            self.emitter.register_words[int(ref.name)] if ref.is_register else 1 for ref in distinct
        ]
        if max(sizes) == 1:
            return distinct
        return super().gather(refs)

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
