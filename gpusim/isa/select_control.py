"""Instruction selection: copies for phis, branches and jumps at the end of a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpusim.compiler.kernel_ir import BLOCK
from gpusim.isa.emit import registers_of, words_of
from gpusim.isa.ir_view import IRView
from gpusim.isa.machine import BRANCH, MicroOp
from gpusim.isa.phis import copy_is_needed
from gpusim.isa.values import Ref, is_undefined

if TYPE_CHECKING:
    from gpusim.isa.select_scalar import ScalarSelector


class ControlSelector:
    """Control flow of one kernel."""

    def __init__(self, owner: ScalarSelector) -> None:
        self._owner = owner
        self._view = owner.view
        self._table = owner.table
        self._emitter = owner.emitter
        self._edge_copies: dict[int, set[int]] = {}

    def phi_copies(self, block: int) -> None:
        """Emit the moves, or note the ties, for phis that `block` feeds."""
        for successor in self._view.successors[block]:
            taken: set[int] = set()
            for phi in self._view.members[successor]:
                if self._view.opcode[phi] == "phi" and phi not in self._owner.unrolling.known:
                    self._copy_into(phi, block, successor, taken)

    def _copy_into(self, phi: int, block: int, successor: int, taken: set[int]) -> None:
        position = incoming_position(self._view, phi, block)
        sources, targets = self._owner.lanes(phi, position), self._owner.values[phi]
        is_needed = copy_is_needed(self._view, phi, self._view.operands[phi][position], successor)
        self._emitter.line = self._view.line[phi]
        done: set[Ref] = set()
        for target in targets:
            if target in done:
                continue
            done.add(target)
            group = [i for i, other in enumerate(targets) if other == target]
            parts = self._owner.gather([sources[min(i, len(sources) - 1)] for i in group])
            source = self._owner.addresses.materialise(parts[0])
            if source == target or is_undefined(source):
                continue
            number = int(source.name) if source.is_register else -1
            if source.is_register and self._is_stepped_pointer(phi, successor, block):
                for _ in range(int(self._table.rule("pointer_copies"))):
                    source = self._emitter.chain("mov", [source], words=2)
                number = int(source.name)
            if not source.is_register or is_needed or number in taken:
                self._edge_copies.setdefault(block, set()).add(successor)
                units = self._table.sequence("mov")
                self._emitter.add(
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
                self._emitter.ties.append((int(target.name), number, block))
            taken.add(number)

    def _is_stepped_pointer(self, phi: int, header: int, block: int) -> bool:
        """Return whether a PHI is a 64-bit pointer that a loop advances, where copies cost."""
        view = self._view
        if "pointer_copies" not in self._table.issue or view.type_of(phi).kind != "pointer":
            return False
        loop = view.innermost_loop[block]
        is_latch = loop >= 0 and view.kernel.loops[loop].header == header
        return is_latch and "addrspace(3)" not in view.texts[phi]

    def terminator(self, block: int) -> None:
        """Emit the branches and jumps that end `block`."""
        view = self._view
        index = view.members[block][-1]
        self._emitter.line = view.line[index]
        opcode = view.opcode[index]
        if self._owner.unrolling.is_unrolled_branch(block):
            return
        targets = [BLOCK - code for code in view.operands[index] if code <= BLOCK]
        loop = view.innermost_loop[block]
        is_latch = loop >= 0 and view.kernel.loops[loop].header in targets
        if opcode == "br" and len(targets) == 1:
            if is_latch or targets[0] != block + 1 or self._has_split_edge(targets[0], block):
                self._branch("jump", [])
        elif opcode == "br":
            fused = self._owner.fusion.branches.get(index)
            if fused is None:
                self._branch("branch", [self._owner.operand(index, 0)])
            else:
                self._branch(
                    "branch", [self._owner.operand(fused, 0), self._owner.operand(fused, 1)]
                )
            if is_latch:
                for _ in range(int(self._table.rule("back_edge_jumps"))):
                    self._branch("jump", [])
            elif block + 1 not in targets:
                self._branch("jump", [])
        elif opcode == "switch":
            for _ in range(max(1, len(targets) - 1)):
                flag = self._emitter.chain(
                    "icmp", [self._owner.operand(index, 0), Ref("c", "case")]
                )
                self._branch("branch", [flag])

    def _has_split_edge(self, target: int, block: int) -> bool:
        """Return whether copies on a conditional edge stand between `block` and `target`.

        Copies for a phi on an edge from a conditional branch need a place of their own, in front
        of the target: whoever fell through to it must jump over them.
        """
        return any(
            other != block and len(self._view.successors[other]) > 1 and other in self._edge_copies
            for other in self._view.predecessors[target]
            if target in self._edge_copies.get(other, ())
        )

    def _branch(self, name: str, operands: list[Ref]) -> None:
        for unit in self._table.sequence(name):
            self._emitter.add(
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


def incoming_position(view: IRView, phi: int, block: int) -> int:
    """Return the operand of `phi` that arrives from `block`."""
    codes = view.operands[phi]
    blocks = [BLOCK - code for code in codes if code <= BLOCK]
    values = [position for position, code in enumerate(codes) if code > BLOCK]
    return values[blocks.index(block)]
