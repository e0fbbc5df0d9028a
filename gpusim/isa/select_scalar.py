"""Instruction selection for families that compute one 32-bit lane per operation.

Bifrost, Valhall, Maxwell, Pascal and Adreno: vectors fall apart into lanes, half and short
vectors into pairs; inserts, extracts, shuffles and sign changes are renamings. What differs
between the families is in their tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gpusim.compiler.kernel_ir import ValueType
from gpusim.errors import CompileError, located
from gpusim.isa.addresses import AddressSelector
from gpusim.isa.emit import Emitter
from gpusim.isa.fusion import Fusion
from gpusim.isa.ir_view import IRView, block_order, is_constant, is_value, parameter_index
from gpusim.isa.machine import MachineKernel
from gpusim.isa.narrow import narrow_values
from gpusim.isa.opclass import binary_class, cast_class
from gpusim.isa.reduced_addresses import ReducedAddresses
from gpusim.isa.select_calls import CallSelector
from gpusim.isa.select_control import ControlSelector
from gpusim.isa.select_memory import MemorySelector
from gpusim.isa.table import IsaTable
from gpusim.isa.unroll import Unrolling
from gpusim.isa.values import Ref, constant_lanes, shuffle_mask, uniform_words, unit_lanes

_WORD_BYTES = 4


def select_scalar(view: IRView, table: IsaTable, *, unrolls: bool = True) -> MachineKernel:
    """Select machine operations for a scalar family.

    Parameters
    ----------
    view : IRView
        The kernel.
    table : IsaTable
        Cost table of the family.
    unrolls : bool
        Whether small counted loops are unrolled, where the family's compiler does.

    Returns
    -------
    MachineKernel
        Unscheduled; blocks as in the kernel.

    Raises
    ------
    CompileError
        The kernel uses a function or instruction that no table entry covers.
    """
    return ScalarSelector(view, table, unrolls=unrolls).run()


class ScalarSelector:
    """Selects one kernel; Midgard's selector differs in how lanes share registers."""

    def __init__(self, view: IRView, table: IsaTable, *, unrolls: bool = True) -> None:
        self.view = view
        self.table = table
        self.emitter = Emitter(view, table)
        self.narrow = narrow_values(view)
        self.fusion = Fusion(view, table, self.narrow)
        self.values: dict[int, list[Ref]] = {}
        self.uniforms = uniform_words(view.kernel)
        reduces = "unroll_operations" in table.issue
        limit = int(table.rule("unroll_operations")) if reduces and unrolls else 0
        self.unrolling = Unrolling(view, limit)
        self.addresses = AddressSelector(table, self.emitter)
        if reduces:
            self.addresses = ReducedAddresses(table, self.emitter, self.unrolling)
            self.addresses.bind(self)
        self.register_bytes = _WORD_BYTES
        self.half_lanes = int(table.rule("half_lanes"))
        self.memory = MemorySelector(self)
        self.calls = CallSelector(self)
        self.control = ControlSelector(self)
        # Terminators are emitted last, after the copies for phis.
        self._handlers: dict[str, Callable[[int], None]] = {
            "load": self.memory.load,
            "store": self.memory.store,
            "atomicrmw": self.memory.atomicrmw,
            "cmpxchg": self.memory.cmpxchg,
            "call": self.calls.call,
            **dict.fromkeys(("phi", "fence", "br", "switch", "ret", "unreachable"), _nothing),
        }

    def run(self) -> MachineKernel:
        """Visit the blocks in an order in which definitions come before uses."""
        order = block_order(self.view)
        for block in order:
            for index in self.view.members[block]:
                if index in self.unrolling.known:
                    self.values[index] = [Ref("c", "known")]
                elif self.view.opcode[index] == "phi":
                    self.values[index] = self.fresh(self.view.type_of(index), index, block)
        for block in order:
            self.emitter.block = block
            for index in self.view.members[block]:
                self.emitter.line = self.view.line[index]
                self.emitter.instruction = index
                if index not in self.fusion.absorbed and index not in self.unrolling.known:
                    self._select(index)
        for block in order:
            self.emitter.block = block
            self.control.phi_copies(block)
        for block in order:
            self.emitter.block = block
            self.control.terminator(block)
        machine = self.emitter.finish()
        machine.copies = self.unrolling.copies()
        return machine

    # -- operands and results ---------------------------------------------------------------

    def lanes(self, index: int, position: int) -> list[Ref]:
        """Return the lanes of operand `position` of instruction `index`."""
        code = self.view.operands[index][position]
        if is_value(code):
            return self.values[code]
        parameter = parameter_index(code)
        if parameter >= 0:
            word = self.uniforms[parameter]
            declared = self.view.kernel.parameters[parameter]
            if declared.kind != "value":
                return [Ref("u", word)]
            n_words = max(1, declared.size_bytes // _WORD_BYTES)
            return [Ref("u", word + lane // 2) for lane in range(max(n_words, 16))]
        text = self.view.operand_texts[index][position]
        if "@" in text:
            return [self.addresses.variable(text)]
        return constant_lanes(text, 16 if "<" not in text else text.count(",") + 1)

    def operand(self, index: int, position: int, lane: int = 0) -> Ref:
        """Return one lane of an operand, ready to be read by an operation."""
        refs = self.lanes(index, position)
        return self.addresses.materialise(refs[min(lane, len(refs) - 1)])

    def _groups(self, kind: ValueType) -> list[list[int]]:
        return unit_lanes(kind, self.register_bytes, self.half_lanes)

    def _words(self, kind: ValueType, index: int) -> int:
        if kind.kind == "pointer":
            return int(self.table.rule("pointer_words"))
        if kind.kind == "float" and kind.bits == 64:
            return 2
        return 2 if kind.kind == "int" and kind.bits == 64 and index not in self.narrow else 1

    def fresh(self, kind: ValueType, index: int, block: int | None = None) -> list[Ref]:
        """Return new registers for all lanes of a value."""
        result: list[Ref] = []
        for group in self._groups(kind):
            ref = self.emitter.new_register(self._words(kind, index), block)
            result.extend([ref] * len(group))
        return result

    def gather(self, refs: Sequence[Ref]) -> list[Ref]:
        """Return one operand that holds all of `refs`, packing them where they are apart."""
        distinct = list(dict.fromkeys(refs))
        current = distinct[0]
        for ref in distinct[1:]:
            current = self.emitter.chain("mov", [current, ref])
        return [current]

    def elementwise(
        self,
        index: int,
        classes: Sequence[str],
        positions: Sequence[int],
        shape: ValueType | None = None,
    ) -> None:
        """Emit `classes` once per register of the result."""
        kind = shape or self.view.type_of(index)
        operands = [self.lanes(index, position) for position in positions]
        self.values[index] = self.apply(classes, operands, kind, self._words(kind, index))

    def apply(
        self, classes: Sequence[str], operands: Sequence[list[Ref]], kind: ValueType, words: int = 1
    ) -> list[Ref]:
        """Emit `classes` over the registers of `operands`; return the result's lanes."""
        result: list[Ref] = []
        for group in self._groups(kind):
            current = [
                self.addresses.materialise(ref)
                for lanes in operands
                for ref in self.gather([lanes[min(lane, len(lanes) - 1)] for lane in group])
            ]
            last, n_leading = current[-1:], 2
            if len(classes) > 1 and len(current) > n_leading:
                current = current[:-1]
            for name in classes:
                target = self.emitter.chain(
                    name, current, words=words, lanes=len(group), bits=kind.bits
                )
                current = [target, *last]
            result.extend([current[0]] * len(group))
        return result

    # -- instructions -----------------------------------------------------------------------

    def _select(self, index: int) -> None:
        view = self.view
        opcode = view.opcode[index]
        handler = self._handlers.get(opcode) or getattr(self, f"_do_{opcode}", None)
        if handler is not None:
            handler(index)
            return
        extended = self.fusion.extended.get(index)
        if extended is not None:
            source, further = extended
            self.values[index] = self.lanes(source, 0)
            if further:
                self.values[index] = self.apply(
                    ["shift"],
                    [self.lanes(source, 0), [Ref("c", str(further))]],
                    view.type_of(index),
                )
            return
        fused = self.fusion.fused.get(index)
        if fused is not None:
            self._do_fused(index, *fused)
            return
        kind = view.type_of(index)
        name = binary_class(view, index, self.narrow)
        if name is not None:
            self.elementwise(index, name, range(len(view.operands[index])))
            return
        name = cast_class(view, index, self.narrow)
        if name is None:
            raise CompileError(
                located(
                    view.kernel.name,
                    f"instruction {opcode} has no cost on {self.table.isa}",
                    found=view.texts[index][:60],
                )
            )
        if opcode == "bitcast":
            self._do_bitcast_value(index, kind)
        elif name:
            self.elementwise(index, name, [0])
        else:
            self.values[index] = self.lanes(index, 0)

    def _do_fused(self, index: int, name: str, inner: int, position: int) -> None:
        """Emit one operation for `inner` and the instruction that absorbs it."""
        kind = self.view.type_of(index)
        operands = [self.lanes(inner, p) for p in range(len(self.view.operands[inner]))]
        operands += [
            self.lanes(index, p) for p in range(len(self.view.operands[index])) if p != position
        ]
        self.values[index] = self.apply([name], operands, kind, self._words(kind, index))

    def _do_freeze(self, index: int) -> None:
        self.values[index] = self.lanes(index, 0)

    def _do_alloca(self, index: int) -> None:
        self.values[index] = [Ref("c", f"private{index}", 0)]

    def _do_getelementptr(self, index: int) -> None:
        base = self.lanes(index, 0)[0]
        if isinstance(self.addresses, ReducedAddresses):
            self.values[index] = [self.addresses.element(index, base)]
            return
        for position, stride in enumerate(self.view.element_bytes[index], start=1):
            code = self.view.operands[index][position]
            if is_constant(code):
                text = self.view.operand_texts[index][position].split()[-1]
                base = self.addresses.add_constant(base, int(text) * stride)
            else:
                base = self.addresses.add_index(base, self.operand(index, position), stride)
        self.values[index] = [base]

    def _do_extractelement(self, index: int) -> None:
        refs = self.lanes(index, 0)
        position = self.constant(index, 1)
        if position is None:
            self.values[index] = self.apply(
                ["select"] * max(1, len(set(refs)) - 1), [refs], self.view.type_of(index)
            )
        else:
            self.values[index] = [refs[min(position, len(refs) - 1)]]

    def _do_insertelement(self, index: int) -> None:
        lanes = self.view.type_of(index).lanes
        refs = list(self.lanes(index, 0))
        refs = (refs + refs[-1:] * lanes)[:lanes]
        position = self.constant(index, 2)
        value = self.operand(index, 1)
        if position is None:
            self.elementwise(index, ["select"], [0])
            return
        refs[min(position, lanes - 1)] = value
        self.values[index] = refs

    def _do_shufflevector(self, index: int) -> None:
        first, second = self.lanes(index, 0), self.lanes(index, 1)
        lanes = self.view.operand_type(index).lanes
        first = (first + first[-1:] * lanes)[:lanes]
        second = (second + second[-1:] * lanes)[:lanes]
        both = first + second
        self.values[index] = [
            both[lane] if 0 <= lane < len(both) else both[0]
            for lane in shuffle_mask(self.view.texts[index], self.view.type_of(index).lanes)
        ]

    def _do_extractvalue(self, index: int) -> None:
        self.values[index] = self.lanes(index, 0)

    def _do_insertvalue(self, index: int) -> None:
        self.values[index] = self.lanes(index, 1)

    def _do_select(self, index: int) -> None:
        kind = self.view.type_of(index)
        is_wide = kind.kind == "int" and kind.bits == 64 and index not in self.narrow
        name = "logic" if kind.bits == 1 else "select64" if is_wide else "select"
        self.elementwise(index, [name], [0, 1, 2])

    def _do_icmp(self, index: int) -> None:
        self.elementwise(
            index,
            binary_class(self.view, index, self.narrow) or ["icmp"],
            [0, 1],
            self.view.operand_type(index),
        )

    def _do_fcmp(self, index: int) -> None:
        shape = self.view.operand_type(index)
        self.elementwise(index, ["f64" if shape.bits == 64 else "fcmp"], [0, 1], shape)

    def _do_bitcast_value(self, index: int, kind: ValueType) -> None:
        source, refs = self.view.operand_type(index), self.lanes(index, 0)
        if source.lanes == kind.lanes:
            self.values[index] = refs
            return
        self.values[index] = [
            refs[min(lane * len(refs) // kind.lanes, len(refs) - 1)] for lane in range(kind.lanes)
        ]

    def constant(self, index: int, position: int) -> int | None:
        """Return the value of a constant integer operand, None for a variable."""
        if not is_constant(self.view.operands[index][position]):
            return None
        text = self.view.operand_texts[index][position].split()[-1]
        return int(text) if text.lstrip("-").isdecimal() else None


def _nothing(index: int) -> None:
    """Emit no code for instruction `index`."""
