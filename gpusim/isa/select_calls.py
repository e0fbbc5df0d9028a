"""Instruction selection: calls of OpenCL functions and LLVM intrinsics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpusim.errors import CompileError, located
from gpusim.isa.builtins import Call, classify
from gpusim.isa.emit import registers_of
from gpusim.isa.ir_view import is_operand
from gpusim.isa.machine import BARRIER, STORE, TEXTURE, MicroOp
from gpusim.isa.values import Ref

if TYPE_CHECKING:
    from gpusim.isa.select_scalar import ScalarSelector


class CallSelector:
    """Calls of one kernel."""

    def __init__(self, owner: ScalarSelector) -> None:
        self._owner = owner
        self._view = owner.view
        self._table = owner.table
        self._emitter = owner.emitter
        self._ids: dict[str, Ref] = {}

    def call(self, index: int) -> None:
        """Emit what a call costs."""
        call = classify(self._view.callee(index))
        handler = getattr(self, f"_{call.kind}", None)
        if handler is None:
            problem = f"function {call.name or 'of unknown name'} has no cost"
            raise CompileError(located(self._view.kernel.name, problem))
        handler(index, call)

    def _free(self, index: int, call: Call) -> None:
        if self._view.users[index]:
            self._owner.values[index] = self._owner.lanes(index, 0)

    def _fence(self, index: int, call: Call) -> None:
        """Ordering costs nothing by itself."""

    def _id(self, index: int, call: Call) -> None:
        dimension = self._view.operand_texts[index][0] if self._view.operands[index] else ""
        key = f"{call.name} {dimension}"
        if key not in self._ids:
            home, self._emitter.block = self._emitter.block, 0
            name = "global_id" if "global" in call.name else "local_id"
            self._ids[key] = self._emitter.chain(name, [])
            self._emitter.block = home
        self._owner.values[index] = [self._ids[key]]

    def _size(self, index: int, call: Call) -> None:
        dimension = self._view.operand_texts[index][0] if self._view.operands[index] else ""
        self._owner.values[index] = [Ref("u", f"{call.name} {dimension}")]

    def _query_image(self, index: int, call: Call) -> None:
        self._owner.values[index] = [Ref("u", call.name)] * 16

    def _barrier(self, index: int, call: Call) -> None:
        for unit in self._table.sequence("barrier"):
            self._emitter.add(MicroOp(name="barrier", unit=unit, kind=BARRIER))

    def _classes(self, index: int, call: Call) -> None:
        view = self._view
        kind = view.type_of(index)
        n_operands = sum(1 for code in view.operands[index] if is_operand(code))
        if call.classes == ("fma",) and call.name == "dot":
            shape = view.operand_type(index)
            self._owner.values[index] = self._owner.apply(
                ["fma"] * shape.lanes,
                [self._owner.lanes(index, 0), self._owner.lanes(index, 1)],
                kind,
            )
            return
        classes: Sequence[str] = call.classes
        if kind.kind == "float" and kind.bits == 64:
            classes = ["f64"] * len(classes)
        if call.name.startswith("llvm.vector.reduce"):
            shape = view.operand_type(index)
            classes = list(call.classes) * max(1, shape.lanes - 1)
        if call.classes == ("iminmax",) and kind.bits == 64 and index not in self._owner.narrow:
            classes = ["icmp64", "select64"]
        self._owner.elementwise(index, classes, range(n_operands))

    def _convert(self, index: int, call: Call) -> None:
        self._owner.elementwise(index, ["cvt"], [0])

    def _read_image(self, index: int, call: Call) -> None:
        refs = self._owner.fresh(self._view.type_of(index), index)
        self._owner.values[index] = refs
        operands = [
            ref
            for p, code in enumerate(self._view.operands[index])
            if is_operand(code)
            for ref in self._owner.lanes(index, p)[:2]
        ]
        self._emitter.add(
            MicroOp(
                name="image_read",
                unit=self._table.sequence("image_read")[0],
                kind=TEXTURE,
                staging=registers_of(operands),
                writes=registers_of(refs),
                space="image",
                bytes=16,
            )
        )

    def _write_image(self, index: int, call: Call) -> None:
        data = [
            ref
            for p, code in enumerate(self._view.operands[index])
            if is_operand(code)
            for ref in self._owner.lanes(index, p)[:4]
        ]
        units = self._table.sequence("image_write")
        for position, unit in enumerate(units):
            is_last = position == len(units) - 1
            self._emitter.add(
                MicroOp(
                    name="image_write",
                    unit=unit,
                    kind=STORE if is_last else TEXTURE,
                    staging=registers_of(data),
                    space="image",
                    bytes=16,
                )
            )

    def _printf(self, index: int, call: Call) -> None:
        self._owner.memory.printf(index)

    def _copy(self, index: int, call: Call) -> None:
        self._owner.memory.copy(index, call)
