"""What a kernel's values depend on: memory, arguments, ids; and what branches depend on.

Read from the arrays of `KernelIR`, so nothing of LLVM runs here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from gpusim.compiler.control_flow import immediate_dominators
from gpusim.compiler.kernel_ir import BLOCK, CONSTANT, PARAMETER, KernelIR

MEMORY = "memory"
"""Dependence of a value on something loaded."""

_ID_FUNCTIONS = {
    "_Z13get_global_idj": "gid",
    "_Z12get_local_idj": "lid",
    "_Z12get_group_idj": "grp",
}
_LINEAR_IDS = {
    "_Z20get_global_linear_idv": ("gid0", "gid1", "gid2"),
    "_Z19get_local_linear_idv": ("lid0", "lid1", "lid2"),
}
_SIZES = (
    *("_Z15get_global_sizej", "_Z14get_local_sizej", "_Z14get_num_groupsj"),
    *("_Z17get_global_offsetj", "_Z23get_enqueued_local_sizej", "_Z12get_work_dimv"),
)
SIZES = "sizes"
"""Dependence on the NDRange's sizes or offset."""
_MAX_CHAIN = 24
"""Instructions that a question about low bits is followed through."""
_TOUCHES_MEMORY = ("load", "atomicrmw", "cmpxchg")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One row of `KernelIR.instructions`, resolved."""

    index: int
    block: int
    opcode: str
    type: str
    bits: int
    lanes: int
    callee: str
    predicate: str
    operands: tuple[int, ...]
    texts: tuple[str, ...]
    operand_type: str
    address_space: int
    access_bytes: int
    align_bytes: int
    element: str


class KernelFlow:
    """A kernel's instructions with control flow and dependences worked out on demand."""

    def __init__(self, kernel: KernelIR) -> None:
        self.kernel = kernel

    @cached_property
    def instructions(self) -> tuple[Instruction, ...]:
        """All instructions in order."""
        kernel = self.kernel
        starts = kernel.operand_start.tolist()
        codes = kernel.operands.tolist()
        found = []
        for index, row in enumerate(kernel.instructions.tolist()):
            fields = dict(zip(kernel.instructions.dtype.names or (), row, strict=True))
            kind = kernel.types[fields["type"]]
            low, high = starts[index], starts[index + 1]
            found.append(
                Instruction(
                    index=index,
                    block=fields["block"],
                    opcode=kernel.opcodes[fields["opcode"]],
                    type=kind.text,
                    bits=kind.bits if kind.kind != "pointer" else 64,
                    lanes=kind.lanes,
                    callee=kernel.callees[fields["callee"]] if fields["callee"] >= 0 else "",
                    predicate=kernel.predicates[fields["predicate"]]
                    if fields["predicate"] >= 0
                    else "",
                    operands=tuple(codes[low:high]),
                    texts=kernel.operand_text[low:high],
                    operand_type=kernel.types[fields["operand_type"]].text
                    if fields["operand_type"] >= 0
                    else "",
                    address_space=fields["address_space"],
                    access_bytes=fields["access_bytes"],
                    align_bytes=fields["align_bytes"],
                    element=kernel.types[fields["element_type"]].text
                    if fields["element_type"] >= 0
                    else "",
                )
            )
        return tuple(found)

    @cached_property
    def blocks(self) -> tuple[tuple[Instruction, ...], ...]:
        """Instructions per block."""
        rows: list[list[Instruction]] = [[] for _ in range(self.kernel.n_blocks)]
        for instruction in self.instructions:
            rows[instruction.block].append(instruction)
        return tuple(tuple(row) for row in rows)

    @cached_property
    def successors(self) -> list[list[int]]:
        """Targets of each block."""
        found: list[list[int]] = [[] for _ in range(self.kernel.n_blocks)]
        for source, target in self.kernel.edges.tolist():
            found[source].append(target)
        return found

    @cached_property
    def predecessors(self) -> list[list[int]]:
        """Sources of each block."""
        found: list[list[int]] = [[] for _ in range(self.kernel.n_blocks)]
        for source, target in self.kernel.edges.tolist():
            found[target].append(source)
        return found

    @cached_property
    def dominators(self) -> list[int]:
        """Immediate dominator of each block; -1 = unreachable."""
        return immediate_dominators(self.successors)

    def dominates(self, above: int, block: int) -> bool:
        """Whether every path to `block` passes `above`."""
        while block >= 0:
            if block == above:
                return True
            if block == 0:
                return False
            block = self.dominators[block]
        return False

    @cached_property
    def post_dominators(self) -> list[int]:
        """Immediate post-dominator of each block; the number of blocks stands for the exit."""
        n = self.kernel.n_blocks
        # The reversed graph starts at a virtual exit, which must be node 0 there.
        reverse: list[list[int]] = [[] for _ in range(n + 1)]
        for block, targets in enumerate(self.successors):
            if not targets:
                reverse[0].append(block + 1)
            for target in targets:
                reverse[target + 1].append(block + 1)
        found = immediate_dominators(reverse)
        return [found[block + 1] - 1 if found[block + 1] > 0 else n for block in range(n)]

    @cached_property
    def reverse_post_order(self) -> list[int]:
        """Reachable blocks, each before its successors but for back edges."""
        seen, order = {0}, []
        stack = [(0, iter(self.successors[0]))]
        while stack:
            block, following = stack[-1]
            target = next((t for t in following if t not in seen), None)
            if target is None:
                order.append(block)
                stack.pop()
            else:
                seen.add(target)
                stack.append((target, iter(self.successors[target])))
        return order[::-1]

    @cached_property
    def is_reducible(self) -> bool:
        """Whether every cycle is a natural loop."""
        position = {block: i for i, block in enumerate(self.reverse_post_order)}
        return all(
            self.dominates(target, block)
            for block in position
            for target in self.successors[block]
            if position[target] <= position[block]
        )

    @cached_property
    def branches(self) -> tuple[Instruction, ...]:
        """Conditional branches and switches of reachable blocks."""
        reachable = set(self.reverse_post_order)
        return tuple(
            block[-1]
            for number, block in enumerate(self.blocks)
            if number in reachable and len(self.successors[number]) > 1
        )

    @cached_property
    def dependences(self) -> list[frozenset[str]]:
        """What each value is computed from: ``memory``, ``argN``, ``gid0``.., ``sizes``.

        Data flow only; what decides which way a PHI goes shows in the branches.
        """
        found: list[frozenset[str]] = [frozenset()] * len(self.instructions)
        changed = True
        while changed:
            changed = False
            for instruction in self.instructions:
                union = self._own(instruction)
                for code in instruction.operands:
                    union |= self.dependence(code, found)
                if union != found[instruction.index]:
                    found[instruction.index] = union
                    changed = True
        return found

    def dependence(self, code: int, table: list[frozenset[str]] | None = None) -> frozenset[str]:
        """Return what an operand depends on."""
        if code >= 0:
            return (self.dependences if table is None else table)[code]
        if BLOCK < code <= PARAMETER:
            return frozenset((f"arg{PARAMETER - code}",))
        return frozenset()

    def is_multiple(self, code: int, unit: int, assumed: frozenset[int] = frozenset()) -> bool:
        """Whether a value is a multiple of a power of two, whatever else its upper bits are.

        PHIs of a loop are taken for multiples while what comes around is looked at: induction.
        """
        if code < 0 or code in assumed:
            return code >= 0
        if len(assumed) > _MAX_CHAIN:
            return False
        instruction = self.instructions[code]
        parts = list(zip(instruction.operands, instruction.texts, strict=True))

        def is_part(place: int, wanted: int = unit) -> bool:
            operand, text = parts[place]
            if operand == CONSTANT:
                return text.lstrip("-").isdigit() and int(text) % wanted == 0
            return self.is_multiple(operand, wanted, assumed | {code})

        match instruction.opcode:
            case "phi":
                return all(is_part(place) for place in range(0, len(parts), 2))
            case "add" | "sub" | "or" | "xor":
                return is_part(0) and is_part(1)
            case "mul" | "and":
                return is_part(0) or is_part(1)
            case "shl" if parts[1][1].isdigit():
                return is_part(0, max(1, unit >> int(parts[1][1])))
            case "sext" | "zext" | "trunc" | "freeze":
                return unit < 1 << int(instruction.operand_type[1:]) and is_part(0)
        return False

    @staticmethod
    def _own(instruction: Instruction) -> frozenset[str]:
        if instruction.opcode in _TOUCHES_MEMORY:
            return frozenset((MEMORY,))
        if instruction.opcode != "call":
            return frozenset()
        callee = instruction.callee
        if callee in _ID_FUNCTIONS:
            text = instruction.texts[0]
            axes = text if instruction.operands[0] == CONSTANT and text in "012" else "012"
            return frozenset(_ID_FUNCTIONS[callee] + axis for axis in axes)
        if callee in _LINEAR_IDS:
            return frozenset((*_LINEAR_IDS[callee], SIZES))
        if callee in _SIZES:
            return frozenset((SIZES,))
        if "image" in callee or callee == "printf":
            return frozenset((MEMORY,))
        return frozenset()

    def pointer_parameters(self, code: int) -> frozenset[int]:
        """Return the pointer parameters that a pointer may come from; all where it is unknown."""
        everything = frozenset(range(len(self.kernel.parameters)))
        found: set[int] = set()
        pending, seen = [code], set()
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            if BLOCK < value <= PARAMETER:
                found.add(PARAMETER - value)
            elif value >= 0:
                instruction = self.instructions[value]
                match instruction.opcode:
                    case "getelementptr" | "bitcast" | "addrspacecast" | "freeze":
                        pending.append(instruction.operands[0])
                    case "phi":
                        pending += instruction.operands[::2]
                    case "select":
                        pending += instruction.operands[1:]
                    case "alloca":
                        pass
                    case _:
                        return everything
        return frozenset(found)

    @cached_property
    def written_parameters(self) -> frozenset[int]:
        """Pointer parameters that a store or an atomic may write through."""
        found: frozenset[int] = frozenset()
        for instruction in self.instructions:
            if instruction.opcode in ("store", "atomicrmw", "cmpxchg"):
                place = 1 if instruction.opcode == "store" else 0
                found |= self.pointer_parameters(instruction.operands[place])
            elif "write_image" in instruction.callee:
                found |= self.pointer_parameters(instruction.operands[0])
        return found

    @cached_property
    def control_parameters(self) -> frozenset[int]:
        """Pointer parameters whose contents can reach a branch.

        What is read from local or private memory may have come from any buffer that is read.
        """
        pending = [branch.operands[0] for branch in self.branches]
        seen: set[int] = set()
        direct: frozenset[int] = frozenset()
        is_indirect = False
        while pending:
            code = pending.pop()
            if code < 0 or code in seen:
                continue
            seen.add(code)
            instruction = self.instructions[code]
            if "read_image" in instruction.callee:
                direct |= self.pointer_parameters(instruction.operands[0])
            elif instruction.opcode in _TOUCHES_MEMORY:
                direct |= self.pointer_parameters(instruction.operands[0])
                is_indirect |= instruction.address_space not in (1, 2)
            pending += instruction.operands
        if not is_indirect:
            return direct
        for instruction in self.instructions:
            is_read = instruction.opcode in _TOUCHES_MEMORY and instruction.address_space in (1, 2)
            if is_read or "read_image" in instruction.callee:
                direct |= self.pointer_parameters(instruction.operands[0])
        return direct

    @cached_property
    def control_dependence(self) -> frozenset[str]:
        """Everything that a branch depends on; counts are a function of these alone."""
        union: frozenset[str] = frozenset()
        for branch in self.branches:
            union |= self.dependence(branch.operands[0])
        return union
