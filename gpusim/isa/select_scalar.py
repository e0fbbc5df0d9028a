"""Instruction selection for families that compute one 32-bit lane per operation.

Bifrost, Valhall, Maxwell, Pascal and Adreno: vectors fall apart into lanes, half and short
vectors into pairs; inserts, extracts, shuffles and sign changes are renamings. What differs
between the families is in their tables.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpusim.compiler.kernel_ir import BLOCK, ValueType
from gpusim.errors import CompileError, located
from gpusim.isa.addresses import AddressSelector
from gpusim.isa.builtins import Call, classify
from gpusim.isa.emit import Emitter, registers_of, words_of
from gpusim.isa.fusion import Fusion
from gpusim.isa.ir_view import IRView, is_constant, is_value, parameter_index
from gpusim.isa.machine import (
    ATOMIC,
    BARRIER,
    BRANCH,
    LOAD,
    STORE,
    TEXTURE,
    MachineKernel,
    MicroOp,
)
from gpusim.isa.merge import constant_offset, merged_local_loads
from gpusim.isa.narrow import narrow_values
from gpusim.isa.opclass import binary_class, cast_class
from gpusim.isa.phis import copy_is_needed
from gpusim.isa.table import IsaTable
from gpusim.isa.values import Ref, constant_lanes, is_zero, uniform_words, unit_lanes

_SPACES = {0: "private", 1: "global", 2: "constant", 3: "local", 4: "generic"}
_WORD_BYTES = 4


def select_scalar(view: IRView, table: IsaTable) -> MachineKernel:
    """Select machine operations for a scalar family.

    Parameters
    ----------
    view : IRView
        The kernel.
    table : IsaTable
        Cost table of the family.

    Returns
    -------
    MachineKernel
        Unscheduled; blocks as in the kernel.

    Raises
    ------
    CompileError
        The kernel uses a function or instruction that no table entry covers.
    """
    return ScalarSelector(view, table).run()


class ScalarSelector:
    """Selects one kernel; Midgard's selector differs in how lanes share registers."""

    def __init__(self, view: IRView, table: IsaTable) -> None:
        self.view = view
        self.table = table
        self.emitter = Emitter(view, table)
        self.narrow = narrow_values(view)
        self.fusion = Fusion(view, table, self.narrow)
        self.values: dict[int, list[Ref]] = {}
        self.merged: dict[int, list[int]] = {}
        if table.rule("merges_local_loads"):
            for group in merged_local_loads(view, int(table.rule("message_bytes"))):
                self.merged[min(group)] = group
        self.ids: dict[str, Ref] = {}
        self.edge_copies: dict[int, set[int]] = {}
        self.uniforms = uniform_words(view.kernel)
        self.addresses = AddressSelector(table, self.emitter)
        self.register_bytes = _WORD_BYTES
        self.half_lanes = int(table.rule("half_lanes"))

    def run(self) -> MachineKernel:
        """Visit the blocks in an order in which definitions come before uses."""
        order = block_order(self.view)
        for block in order:
            for index in self.view.members[block]:
                if self.view.opcode[index] == "phi":
                    self.values[index] = self._fresh(self.view.type_of(index), index, block)
        for block in order:
            self.emitter.block = block
            for index in self.view.members[block]:
                self.emitter.line = self.view.line[index]
                self.emitter.instruction = index
                if index not in self.fusion.absorbed:
                    self._select(index)
        for block in order:
            self.emitter.block = block
            self._phi_copies(block)
        for block in order:
            self.emitter.block = block
            self._terminator(block)
        return self.emitter.finish()

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
        if kind.kind == "float" and kind.bits == 64:
            return 2
        return 2 if kind.kind == "int" and kind.bits == 64 and index not in self.narrow else 1

    def _fresh(self, kind: ValueType, index: int, block: int | None = None) -> list[Ref]:
        """Return new registers for all lanes of a value."""
        result: list[Ref] = []
        for group in self._groups(kind):
            ref = self.emitter.new_register(self._words(kind, index), block)
            result.extend([ref] * len(group))
        return result

    def _gather(self, refs: Sequence[Ref]) -> list[Ref]:
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
                for ref in self._gather([lanes[min(lane, len(lanes) - 1)] for lane in group])
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
        handler = getattr(self, f"_do_{opcode}", None)
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
        name = cast_class(view, index, self.narrow, self.fusion)
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

    def _do_phi(self, index: int) -> None:
        """Do nothing: registers exist already; copies are made at the end of the predecessors."""

    def _do_freeze(self, index: int) -> None:
        self.values[index] = self.lanes(index, 0)

    def _do_alloca(self, index: int) -> None:
        self.values[index] = [Ref("c", f"private{index}", 0)]

    def _do_getelementptr(self, index: int) -> None:
        base = self.lanes(index, 0)[0]
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
        position = self._constant(index, 1)
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
        position = self._constant(index, 2)
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

    # -- memory -----------------------------------------------------------------------------

    def _do_load(self, index: int) -> None:
        if index in self.values:
            return
        if index in self.merged:
            self._merged_load(index, self.merged[index])
            return
        kind = self.view.type_of(index)
        refs = self._fresh(kind, index)
        registers = list(dict.fromkeys(refs))
        self.values[index] = refs
        self._access(index, LOAD, self.lanes(index, 0)[0], registers)

    def _merged_load(self, index: int, group: list[int]) -> None:
        """Emit one wide message for neighbouring loads."""
        for load in group:
            self.values[load] = self._fresh(self.view.type_of(load), load)
        first = group[0]
        gap = self.lanes(index, 0)[0]
        distance = constant_offset(self.view, first) - constant_offset(self.view, index)
        registers = [self.values[load][0] for load in group]
        self._message(
            LOAD,
            self.addresses.add_constant(gap, distance),
            registers,
            _WORD_BYTES * len(group),
            "local",
        )

    def _do_store(self, index: int) -> None:
        kind = self.view.operand_type(index)
        data = self._data_registers(self.lanes(index, 0), kind)
        self._access(index, STORE, self.lanes(index, 1)[0], data)

    def _data_registers(self, refs: list[Ref], kind: ValueType) -> list[Ref]:
        """Return the registers of a value to store; a message carries registers only."""
        result = []
        per_word = max(1, 8 * self.register_bytes // kind.bits) if kind.lanes > 1 else 1
        for start in range(0, kind.lanes, per_word):
            group = [
                refs[min(lane, len(refs) - 1)]
                for lane in range(start, min(start + per_word, kind.lanes))
            ]
            for part in self._gather(group):
                ref = self.addresses.materialise(part)
                result.append(ref if ref.is_register else self.emitter.chain("mov", [ref]))
        return result

    def _access(self, index: int, kind: str, pointer: Ref, data: list[Ref]) -> None:
        """Emit the messages of one access, widest first."""
        total = int(self.view.kernel.instructions["access_bytes"][index])
        space = _SPACES[int(self.view.kernel.instructions["address_space"][index])]
        widest = int(self.table.rule("message_bytes"))
        n_messages = max(1, -(-total // widest))
        per_message = -(-len(data) // n_messages)
        for part in range(n_messages):
            size = min(widest, total - part * widest)
            chunk = registers_of(data[part * per_message : (part + 1) * per_message])
            where = self.addresses.for_message(
                self.addresses.add_constant(pointer, part * widest) if part else pointer, space
            )
            self.emitter.add(
                MicroOp(
                    name=f"{kind}.{size * 8}",
                    unit=self.table.sequence(kind)[0],
                    kind=kind,
                    reads=registers_of(where),
                    words=words_of(where),
                    writes=chunk if kind == LOAD else (),
                    staging=chunk if kind == STORE else (),
                    space=space,
                    bytes=size,
                )
            )

    def _do_atomicrmw(self, index: int) -> None:
        self._atomic(index, range(1, 2))

    def _do_cmpxchg(self, index: int) -> None:
        self._atomic(index, range(1, 3))

    def _atomic(self, index: int, data: Sequence[int]) -> None:
        space = _SPACES[int(self.view.kernel.instructions["address_space"][index])]
        where = self.addresses.for_message(self.lanes(index, 0)[0], space)
        values = [self.operand(index, position) for position in data]
        has_result = bool(self.view.users[index])
        units = self.table.sequence("atomic_result" if has_result else "atomic")
        result = self.emitter.new_register()
        self.values[index] = [result]
        message = max(range(len(units)), key=lambda i: units[i] in ("A", "LS", "LSU"))
        current = [*where, *values]
        for position, unit in enumerate(units):
            is_message = position == message
            target = result if position == len(units) - 1 else self.emitter.new_register()
            self.emitter.add(
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

    def _do_fence(self, index: int) -> None:
        """Ordering costs nothing by itself; barriers do."""

    # -- calls ------------------------------------------------------------------------------

    def _do_call(self, index: int) -> None:
        call = classify(self.view.callee(index))
        handler = getattr(self, f"_call_{call.kind}", None)
        if handler is None:
            problem = f"function {call.name or 'of unknown name'} has no cost"
            raise CompileError(located(self.view.kernel.name, problem))
        handler(index, call)

    def _call_free(self, index: int, call: Call) -> None:
        if self.view.users[index]:
            self.values[index] = self.lanes(index, 0)

    def _call_fence(self, index: int, call: Call) -> None:
        """Ordering costs nothing by itself."""

    def _call_id(self, index: int, call: Call) -> None:
        dimension = self.view.operand_texts[index][0] if self.view.operands[index] else ""
        key = f"{call.name} {dimension}"
        if key not in self.ids:
            home, self.emitter.block = self.emitter.block, 0
            name = "global_id" if "global" in call.name else "local_id"
            self.ids[key] = self.emitter.chain(name, [])
            self.emitter.block = home
        self.values[index] = [self.ids[key]]

    def _call_size(self, index: int, call: Call) -> None:
        dimension = self.view.operand_texts[index][0] if self.view.operands[index] else ""
        self.values[index] = [Ref("u", f"{call.name} {dimension}")]

    def _call_query_image(self, index: int, call: Call) -> None:
        self.values[index] = [Ref("u", call.name)] * 16

    def _call_barrier(self, index: int, call: Call) -> None:
        for unit in self.table.sequence("barrier"):
            self.emitter.add(MicroOp(name="barrier", unit=unit, kind=BARRIER))

    def _call_classes(self, index: int, call: Call) -> None:
        view = self.view
        kind = view.type_of(index)
        n_operands = sum(1 for code in view.operands[index] if is_operand(code))
        if call.classes == ("fma",) and call.name == "dot":
            shape = view.operand_type(index)
            self.values[index] = self.apply(
                ["fma"] * shape.lanes, [self.lanes(index, 0), self.lanes(index, 1)], kind
            )
            return
        classes: Sequence[str] = call.classes
        if kind.kind == "float" and kind.bits == 64:
            classes = ["f64"] * len(classes)
        if call.name.startswith("llvm.vector.reduce"):
            shape = view.operand_type(index)
            classes = list(call.classes) * max(1, shape.lanes - 1)
        if call.classes == ("iminmax",) and kind.bits == 64 and index not in self.narrow:
            classes = ["icmp64", "select64"]
        self.elementwise(index, classes, range(n_operands))

    def _call_convert(self, index: int, call: Call) -> None:
        self.elementwise(index, ["cvt"], [0])

    def _call_read_image(self, index: int, call: Call) -> None:
        refs = self._fresh(self.view.type_of(index), index)
        self.values[index] = refs
        operands = [
            ref
            for p, code in enumerate(self.view.operands[index])
            if is_operand(code)
            for ref in self.lanes(index, p)[:2]
        ]
        self.emitter.add(
            MicroOp(
                name="image_read",
                unit=self.table.sequence("image_read")[0],
                kind=TEXTURE,
                staging=registers_of(operands),
                writes=registers_of(refs),
                space="image",
                bytes=16,
            )
        )

    def _call_write_image(self, index: int, call: Call) -> None:
        data = [
            ref
            for p, code in enumerate(self.view.operands[index])
            if is_operand(code)
            for ref in self.lanes(index, p)[:4]
        ]
        units = self.table.sequence("image_write")
        for position, unit in enumerate(units):
            is_last = position == len(units) - 1
            self.emitter.add(
                MicroOp(
                    name="image_write",
                    unit=unit,
                    kind=STORE if is_last else TEXTURE,
                    staging=registers_of(data),
                    space="image",
                    bytes=16,
                )
            )

    def _call_copy(self, index: int, call: Call) -> None:
        """Emit a fixed-size copy as the widest loads and stores; an unknown size as one."""
        size = self._constant(index, 2) or int(self.table.rule("message_bytes"))
        widest = int(self.table.rule("message_bytes"))
        for offset in range(0, size, widest):
            register = self.emitter.new_register()
            data = [register]
            if not call.name.startswith("llvm.memset"):
                self._message(
                    LOAD,
                    self.addresses.add_constant(self.lanes(index, 1)[0], offset),
                    data,
                    min(widest, size - offset),
                )
            else:
                data = [self.emitter.chain("mov", [self.operand(index, 1)])]
            self._message(
                STORE,
                self.addresses.add_constant(self.lanes(index, 0)[0], offset),
                data,
                min(widest, size - offset),
            )

    def _message(
        self, kind: str, pointer: Ref, data: list[Ref], size: int, space: str = "private"
    ) -> None:
        where = self.addresses.for_message(pointer, space)
        registers = registers_of(data)
        self.emitter.add(
            MicroOp(
                name=f"{kind}.{size * 8}",
                unit=self.table.sequence(kind)[0],
                kind=kind,
                reads=registers_of(where),
                words=words_of(where),
                writes=registers if kind == LOAD else (),
                staging=registers if kind == STORE else (),
                space=space,
                bytes=size,
            )
        )

    def _constant(self, index: int, position: int) -> int | None:
        if not is_constant(self.view.operands[index][position]):
            return None
        text = self.view.operand_texts[index][position].split()[-1]
        return int(text) if text.lstrip("-").isdecimal() else None

    # -- control flow -----------------------------------------------------------------------

    def _do_br(self, index: int) -> None:
        """Wait: terminators are emitted last, after the copies for phis."""

    _do_switch = _do_ret = _do_unreachable = _do_br

    def _phi_copies(self, block: int) -> None:
        for successor in self.view.successors[block]:
            taken: set[int] = set()
            for phi in self.view.members[successor]:
                if self.view.opcode[phi] == "phi":
                    self._copy_into(phi, block, successor, taken)

    def _copy_into(self, phi: int, block: int, successor: int, taken: set[int]) -> None:
        position = incoming_position(self.view, phi, block)
        sources, targets = self.lanes(phi, position), self.values[phi]
        is_needed = copy_is_needed(self.view, phi, self.view.operands[phi][position], successor)
        self.emitter.line = self.view.line[phi]
        done: set[Ref] = set()
        for lane, target in enumerate(targets):
            if target in done:
                continue
            done.add(target)
            group = [i for i, other in enumerate(targets) if other == target]
            parts = self._gather([sources[min(i, len(sources) - 1)] for i in group])
            source = self.addresses.materialise(parts[0])
            if source == target or is_undefined(source):
                continue
            number = int(source.name) if source.is_register else -1
            if not source.is_register or is_needed or number in taken:
                self.edge_copies.setdefault(block, set()).add(successor)
                units = self.table.sequence("mov")
                self.emitter.add(
                    MicroOp(
                        name="mov",
                        unit=units[0],
                        reads=registers_of([source]),
                        words=words_of([source]),
                        writes=registers_of([target]),
                    ),
                    is_tail=True,
                )
            else:
                self.emitter.ties.append((int(target.name), number, block))
            taken.add(number)
            del lane

    def _terminator(self, block: int) -> None:
        view = self.view
        index = view.members[block][-1]
        self.emitter.line = view.line[index]
        opcode = view.opcode[index]
        targets = [BLOCK - code for code in view.operands[index] if code <= BLOCK]
        loop = view.innermost_loop[block]
        is_latch = loop >= 0 and view.kernel.loops[loop].header in targets
        if opcode == "br" and len(targets) == 1:
            if is_latch or targets[0] != block + 1 or self._has_split_edge(targets[0], block):
                self._branch("jump", [])
        elif opcode == "br":
            fused = self.fusion.branches.get(index)
            if fused is None:
                self._branch("branch", [self.operand(index, 0)])
            else:
                self._branch("branch", [self.operand(fused, 0), self.operand(fused, 1)])
            if is_latch:
                for _ in range(int(self.table.rule("back_edge_jumps"))):
                    self._branch("jump", [])
            elif block + 1 not in targets:
                self._branch("jump", [])
        elif opcode == "switch":
            for _ in range(max(1, len(targets) - 1)):
                flag = self.emitter.chain("icmp", [self.operand(index, 0), Ref("c", "case")])
                self._branch("branch", [flag])

    def _has_split_edge(self, target: int, block: int) -> bool:
        """Return whether copies on a conditional edge stand between `block` and `target`.

        Copies for a phi on an edge from a conditional branch need a place of their own, in front
        of the target: whoever fell through to it must jump over them.
        """
        return any(
            other != block and len(self.view.successors[other]) > 1 and other in self.edge_copies
            for other in self.view.predecessors[target]
            if target in self.edge_copies.get(other, ())
        )

    def _branch(self, name: str, operands: list[Ref]) -> None:
        for unit in self.table.sequence(name):
            self.emitter.add(
                MicroOp(
                    name=name,
                    unit=unit,
                    kind=BRANCH,
                    reads=registers_of(operands),
                    words=words_of(operands),
                    n_jumps=int(name == "jump"),
                ),
                is_tail=True,
            )


def block_order(view: IRView) -> list[int]:
    """Return the blocks in reverse post-order; unreachable ones last."""
    seen: set[int] = set()
    order: list[int] = []
    stack: list[tuple[int, int]] = [(0, 0)]
    seen.add(0)
    while stack:
        block, position = stack.pop()
        following = view.successors[block]
        if position < len(following):
            stack.append((block, position + 1))
            if following[position] not in seen:
                seen.add(following[position])
                stack.append((following[position], 0))
        else:
            order.append(block)
    order.reverse()
    return order + [b for b in range(view.kernel.n_blocks) if b not in seen]


def incoming_position(view: IRView, phi: int, block: int) -> int:
    """Return the operand of `phi` that arrives from `block`."""
    codes = view.operands[phi]
    blocks = [BLOCK - code for code in codes if code <= BLOCK]
    values = [position for position, code in enumerate(codes) if code > BLOCK]
    return values[blocks.index(block)]


def is_operand(code: int) -> bool:
    """Return whether an operand code is a value rather than a block."""
    return code > BLOCK


def is_undefined(ref: Ref) -> bool:
    """Return whether a lane has no defined content."""
    return ref.kind == "c" and str(ref.name) in ("undef", "poison") and not is_zero_number(ref)


def is_zero_number(ref: Ref) -> bool:
    """Return whether a lane is the number zero."""
    return is_zero(ref) and str(ref.name) not in ("undef", "poison")


def shuffle_mask(text: str, lanes: int) -> list[int]:
    """Return the lane numbers of a shuffle, -1 where any will do."""
    mask = text[text.rindex(", <") + 2 :] if ", <" in text[-200:] else text
    if "zeroinitializer" in text.rsplit(",", 1)[-1]:
        return [0] * lanes
    body = mask[mask.index(">") + 1 :] if mask.count("<") > 1 else mask
    inner = body[body.rindex("<") + 1 : body.rindex(">")] if "<" in body else ""
    result = []
    for part in inner.split(","):
        number = part.split()[-1] if part.split() else "-1"
        result.append(int(number) if number.lstrip("-").isdecimal() else -1)
    return result if len(result) == lanes else [0] * lanes
