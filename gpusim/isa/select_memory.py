"""Instruction selection: loads, stores, atomics and copies become messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpusim.compiler.kernel_ir import ValueType
from gpusim.isa.builtins import Call
from gpusim.isa.emit import registers_of, words_of
from gpusim.isa.ir_view import is_operand
from gpusim.isa.machine import ATOMIC, LOAD, STORE, MicroOp
from gpusim.isa.merge import constant_offset, merged_local_loads
from gpusim.isa.reduced_addresses import ReducedAddresses
from gpusim.isa.values import Ref

if TYPE_CHECKING:
    from gpusim.isa.select_scalar import ScalarSelector

_SPACES = {0: "private", 1: "global", 2: "constant", 3: "local", 4: "generic"}
_WORD_BYTES = 4


class MemorySelector:
    """Memory accesses of one kernel."""

    def __init__(self, owner: ScalarSelector) -> None:
        self._owner = owner
        self._view = owner.view
        self._table = owner.table
        self._emitter = owner.emitter
        self._merged: dict[int, list[int]] = {}
        if owner.table.rule("merges_local_loads"):
            widest = int(owner.table.rule("message_bytes"))
            for group in merged_local_loads(owner.view, widest):
                self._merged[min(group)] = group

    def load(self, index: int) -> None:
        """Emit the messages of a load, or of its group of neighbouring loads."""
        if index in self._owner.values:
            return
        if index in self._merged:
            self._merged_load(index, self._merged[index])
            return
        kind = self._view.type_of(index)
        refs = self._owner.fresh(kind, index)
        registers = list(dict.fromkeys(refs))
        self._owner.values[index] = refs
        self._access(index, LOAD, self._owner.lanes(index, 0)[0], registers)

    def _merged_load(self, index: int, group: list[int]) -> None:
        """Emit one wide message for neighbouring loads."""
        for load in group:
            self._owner.values[load] = self._owner.fresh(self._view.type_of(load), load)
        first = group[0]
        gap = self._owner.lanes(index, 0)[0]
        distance = constant_offset(self._view, first) - constant_offset(self._view, index)
        registers = [self._owner.values[load][0] for load in group]
        self._message(
            LOAD,
            self._owner.addresses.add_constant(gap, distance),
            registers,
            _WORD_BYTES * len(group),
            "local",
        )

    def store(self, index: int) -> None:
        """Emit the messages of a store."""
        kind = self._view.operand_type(index)
        data = self._data_registers(self._owner.lanes(index, 0), kind)
        self._access(index, STORE, self._owner.lanes(index, 1)[0], data)

    def _data_registers(self, refs: list[Ref], kind: ValueType) -> list[Ref]:
        """Return the registers of a value to store; a message carries registers only."""
        result = []
        per_word = max(1, 8 * self._owner.register_bytes // kind.bits) if kind.lanes > 1 else 1
        for start in range(0, kind.lanes, per_word):
            group = [
                refs[min(lane, len(refs) - 1)]
                for lane in range(start, min(start + per_word, kind.lanes))
            ]
            for part in self._owner.gather(group):
                ref = self._owner.addresses.materialise(part)
                result.append(ref if ref.is_register else self._emitter.chain("mov", [ref]))
        return result

    def _access(self, index: int, kind: str, pointer: Ref, data: list[Ref]) -> None:
        """Emit the messages of one access, widest first."""
        total = int(self._view.kernel.instructions["access_bytes"][index])
        space = _SPACES[int(self._view.kernel.instructions["address_space"][index])]
        widest = int(self._table.rule("message_bytes"))
        if self._table.rule("aligned_accesses"):
            alignment = int(self._view.kernel.instructions["align_bytes"][index])
            widest = min(widest, max(1, alignment))
        share = self._share(kind, space, pointer, total)
        n_messages = max(1, -(-total // widest))
        per_message = -(-len(data) // n_messages)
        for part in range(n_messages):
            size = min(widest, total - part * widest)
            chunk = registers_of(data[part * per_message : (part + 1) * per_message])
            where = self._owner.addresses.for_message(
                self._owner.addresses.add_constant(pointer, part * widest) if part else pointer,
                space,
            )
            self._emitter.add(
                MicroOp(
                    name=f"{kind}.{size * 8}",
                    unit=self._table.sequence(kind)[0],
                    kind=kind,
                    reads=registers_of(where),
                    words=words_of(where),
                    writes=chunk if kind == LOAD else (),
                    staging=chunk if kind == STORE else (),
                    space=space,
                    bytes=size,
                    share=share,
                )
            )

    def _share(self, kind: str, space: str, pointer: Ref, total: int) -> float:
        """Return in which part of the executions a load is issued: a wide one serves copies."""
        addresses = self._owner.addresses
        if kind != LOAD or space != "local" or not isinstance(addresses, ReducedAddresses):
            return 1.0
        return 1.0 / addresses.served_copies(pointer, total, int(self._table.rule("message_bytes")))

    def atomicrmw(self, index: int) -> None:
        """Emit an atomic operation on one value."""
        self._atomic(index, range(1, 2))

    def cmpxchg(self, index: int) -> None:
        """Emit a compare and exchange."""
        self._atomic(index, range(1, 3))

    def _atomic(self, index: int, data: Sequence[int]) -> None:
        space = _SPACES[int(self._view.kernel.instructions["address_space"][index])]
        where = self._owner.addresses.for_message(self._owner.lanes(index, 0)[0], space)
        values = [self._owner.operand(index, position) for position in data]
        has_result = bool(self._view.users[index])
        self._owner.values[index] = [self._add_atomic([*where, *values], space, has_result)]

    def _add_atomic(self, operands: list[Ref], space: str, has_result: bool) -> Ref:
        """Emit the chain of an atomic operation; one of its steps is the message."""
        units = self._table.sequence("atomic_result" if has_result else "atomic")
        message = max(range(len(units)), key=lambda i: units[i] in ("A", "LS", "LSU"))
        current, target = operands, self._emitter.new_register()
        for position, unit in enumerate(units):
            is_message = position == message
            target = self._emitter.new_register()
            self._emitter.add(
                MicroOp(
                    name="atomic",
                    unit=unit,
                    kind=ATOMIC if is_message else "alu",
                    reads=registers_of(current)[:3],
                    words=words_of(current[:1]),
                    writes=registers_of([target]) if has_result or not is_message else (),
                    space=space,
                    bytes=4 if is_message else 0,
                )
            )
            current = [target]
        return target

    def printf(self, index: int) -> None:
        """Emit a printf: room in the driver's buffer is taken atomically, then filled."""
        place = self._add_atomic([Ref("u", "printf buffer")], "global", True)
        self._owner.values[index] = [place]
        for position, code in enumerate(self._view.operands[index]):
            if is_operand(code):
                value = self._owner.operand(index, position)
                data = value if value.is_register else self._emitter.chain("mov", [value])
                self._message(STORE, place, [data], _WORD_BYTES, "global")

    def copy(self, index: int, call: Call) -> None:
        """Emit a fixed-size copy as the widest loads and stores; an unknown size as one."""
        size = self._owner.constant(index, 2) or int(self._table.rule("message_bytes"))
        widest = int(self._table.rule("message_bytes"))
        for offset in range(0, size, widest):
            register = self._emitter.new_register()
            data = [register]
            if not call.name.startswith("llvm.memset"):
                self._message(
                    LOAD,
                    self._owner.addresses.add_constant(self._owner.lanes(index, 1)[0], offset),
                    data,
                    min(widest, size - offset),
                )
            else:
                data = [self._emitter.chain("mov", [self._owner.operand(index, 1)])]
            self._message(
                STORE,
                self._owner.addresses.add_constant(self._owner.lanes(index, 0)[0], offset),
                data,
                min(widest, size - offset),
            )

    def _message(
        self, kind: str, pointer: Ref, data: list[Ref], size: int, space: str = "private"
    ) -> None:
        where = self._owner.addresses.for_message(pointer, space)
        registers = registers_of(data)
        self._emitter.add(
            MicroOp(
                name=f"{kind}.{size * 8}",
                unit=self._table.sequence(kind)[0],
                kind=kind,
                reads=registers_of(where),
                words=words_of(where),
                writes=registers if kind == LOAD else (),
                staging=registers if kind == STORE else (),
                space=space,
                bytes=size,
            )
        )
