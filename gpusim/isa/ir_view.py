"""Reading aid over `KernelIR`: names instead of indices, uses, dominance, texts.

The arrays of :class:`gpusim.compiler.kernel_ir.KernelIR` carry what every stage needs; the
fast-math flags and the element type of an address computation are read from the normalised text,
where each instruction stands on its own line in the same order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from gpusim.compiler.kernel_ir import BLOCK, CONSTANT, PARAMETER, KernelIR, ValueType
from gpusim.errors import CompileError, located

_SCALAR_BYTES = {"half": 2, "bfloat": 2, "float": 4, "double": 8, "ptr": 8}
_INTEGER_TYPE = re.compile(r"i(\d+)\Z")


@dataclass(frozen=True)
class IRView:
    """A kernel with the look-ups that instruction selection needs."""

    kernel: KernelIR
    texts: tuple[str, ...] = field(init=False)
    """One line of LLVM IR per instruction."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", _instruction_texts(self.kernel))

    @property
    def n_instructions(self) -> int:
        """Number of instructions."""
        return len(self.kernel.instructions)

    @cached_property
    def opcode(self) -> list[str]:
        """LLVM opcode of each instruction."""
        names = self.kernel.opcodes
        return [names[index] for index in self.kernel.instructions["opcode"]]

    @cached_property
    def operands(self) -> list[list[int]]:
        """Operand codes of each instruction."""
        start = self.kernel.operand_start.tolist()
        codes = self.kernel.operands.tolist()
        return [codes[start[i] : start[i + 1]] for i in range(self.n_instructions)]

    @cached_property
    def operand_texts(self) -> list[tuple[str, ...]]:
        """Operand texts of each instruction."""
        start = self.kernel.operand_start.tolist()
        texts = self.kernel.operand_text
        return [tuple(texts[start[i] : start[i + 1]]) for i in range(self.n_instructions)]

    @cached_property
    def block_of(self) -> list[int]:
        """Block of each instruction."""
        blocks: list[int] = self.kernel.instructions["block"].tolist()
        return blocks

    @cached_property
    def line(self) -> list[int]:
        """Source line of each instruction; one without takes that of a neighbour in its block."""
        lines: list[int] = self.kernel.instructions["line"].tolist()
        for members in self.members:
            for order in (members, members[::-1]):
                last = 0
                for index in order:
                    last = lines[index] or last
                    lines[index] = last
        return lines

    @cached_property
    def users(self) -> list[list[int]]:
        """Instructions that use each instruction's value."""
        result: list[list[int]] = [[] for _ in range(self.n_instructions)]
        for index, codes in enumerate(self.operands):
            for code in codes:
                if code >= 0:
                    result[code].append(index)
        return result

    @cached_property
    def members(self) -> list[list[int]]:
        """Instructions of each block, in order."""
        result: list[list[int]] = [[] for _ in range(self.kernel.n_blocks)]
        for index, block in enumerate(self.block_of):
            result[block].append(index)
        return result

    @cached_property
    def predecessors(self) -> list[list[int]]:
        """Predecessors of each block."""
        result: list[list[int]] = [[] for _ in range(self.kernel.n_blocks)]
        for source, target in self.kernel.edges.tolist():
            if source not in result[target]:
                result[target].append(source)
        return result

    @cached_property
    def successors(self) -> list[list[int]]:
        """Successors of each block."""
        result: list[list[int]] = [[] for _ in range(self.kernel.n_blocks)]
        for source, target in self.kernel.edges.tolist():
            if target not in result[source]:
                result[source].append(target)
        return result

    @cached_property
    def innermost_loop(self) -> list[int]:
        """Index of the innermost loop of each block, -1 = none."""
        result = [-1] * self.kernel.n_blocks
        for index, loop in sorted(enumerate(self.kernel.loops), key=lambda item: item[1].depth):
            for block in loop.blocks:
                result[block] = index
        return result

    @cached_property
    def preheader(self) -> list[int]:
        """Block in front of each loop that everything entering it passes, -1 = none."""
        result = []
        for loop in self.kernel.loops:
            outside = [p for p in self.predecessors[loop.header] if p not in loop.blocks]
            result.append(outside[0] if len(outside) == 1 else -1)
        return result

    @cached_property
    def dominators(self) -> list[set[int]]:
        """Blocks that dominate each block, itself included."""
        everything = set(range(self.kernel.n_blocks))
        result = [everything.copy() for _ in everything]
        result[0] = {0}
        has_changed = True
        while has_changed:
            has_changed = False
            for block in range(1, self.kernel.n_blocks):
                sets = [result[p] for p in self.predecessors[block]]
                new = set.intersection(*sets) if sets else set()
                new = new | {block}
                if new != result[block]:
                    result[block] = new
                    has_changed = True
        return result

    def type_of(self, index: int) -> ValueType:
        """Return the result type of instruction `index`."""
        kind: ValueType = self.kernel.types[self.kernel.instructions["type"][index]]
        return kind

    def operand_type(self, index: int) -> ValueType:
        """Return the type of the first operand of instruction `index`."""
        kind: ValueType = self.kernel.types[self.kernel.instructions["operand_type"][index]]
        return kind

    def callee(self, index: int) -> str:
        """Return the name that a call calls, empty when it is not a call."""
        code = int(self.kernel.instructions["callee"][index])
        return self.kernel.callees[code] if code >= 0 else ""

    def predicate(self, index: int) -> str:
        """Return the predicate of a comparison."""
        code = int(self.kernel.instructions["predicate"][index])
        return self.kernel.predicates[code] if code >= 0 else ""

    def has_flag(self, index: int, flag: str) -> bool:
        """Return whether the instruction carries a fast-math flag (``fast`` implies all)."""
        words = self.texts[index].split()
        return flag in words or "fast" in words

    @cached_property
    def element_bytes(self) -> dict[int, tuple[int, ...]]:
        """Byte stride of each index operand of each address computation."""
        structs = _struct_types(self.kernel.text)
        return {
            index: _strides(text, len(self.operands[index]) - 1, structs)
            for index, text in enumerate(self.texts)
            if self.opcode[index] == "getelementptr"
        }


def is_value(code: int) -> bool:
    """Return whether an operand code names an instruction's value."""
    return code >= 0


def parameter_index(code: int) -> int:
    """Return the kernel parameter an operand code names, -1 = none."""
    return PARAMETER - code if BLOCK < code <= PARAMETER else -1


def is_constant(code: int) -> bool:
    """Return whether an operand code is an immediate."""
    return code == CONSTANT


def is_operand(code: int) -> bool:
    """Return whether an operand code is a value rather than a block."""
    return code > BLOCK


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


def _instruction_texts(kernel: KernelIR) -> tuple[str, ...]:
    """Return the line of every instruction of the kernel's function."""
    header = re.search(rf"^define [^\n]*@\"?{re.escape(kernel.name)}\"?\(", kernel.text, re.M)
    texts: list[str] = []
    if header is not None:
        is_continued = False
        for line in kernel.text[header.end() :].split("\n")[1:]:
            text = line.strip()
            if line.startswith("}"):
                break
            if is_continued:
                is_continued = not text.startswith("]")
            elif line.startswith("  ") and text and not text.startswith((";", "#dbg")):
                texts.append(text)
                is_continued = text.startswith("switch ") and text.endswith("[")
    if len(texts) != len(kernel.instructions):
        problem = "text and instruction table of the kernel disagree"
        raise CompileError(
            located(kernel.name, problem, expected=str(len(kernel.instructions)), found=len(texts))
        )
    return tuple(texts)


def _struct_types(text: str) -> dict[str, str]:
    """Return the body of each named struct type of a module."""
    return dict(re.findall(r"^(%\S+) = type (.+)$", text, re.M))


def _strides(text: str, n_indices: int, structs: dict[str, str]) -> tuple[int, ...]:
    """Return the byte stride of each index of a getelementptr."""
    match = re.search(r"getelementptr (?:inbounds |nuw |nusw |inrange\([^)]*\) )*", text)
    if match is None:
        raise CompileError(located(text, "not an address computation"))
    current = _split_types(text[match.end() :])[0]
    strides = []
    for _ in range(n_indices):
        strides.append(_size(current, structs))
        current = _element(current, structs)
    return tuple(strides)


def _element(text: str, structs: dict[str, str]) -> str:
    """Return the type one index deeper; of a struct the first field, sizes being an estimate."""
    text = structs.get(text, text).strip("<>") if text.startswith("%") else text
    if text.startswith("[") or re.match(r"<\d+ x ", text):
        return text[1:-1].split(" x ", 1)[1]
    if text.startswith(("{", "<{")):
        return _split_types(text.strip("<>")[1:-1])[0]
    return text


def _size(text: str, structs: dict[str, str]) -> int:
    """Return the size of a type in bytes, without padding between fields."""
    text = text.strip()
    if text.startswith("%"):
        return _size(structs.get(text, "i8"), structs)
    if text.startswith("[") or re.match(r"<\d+ x ", text):
        count, element = text[1:-1].split(" x ", 1)
        n_elements = int(count)
        # A vector of three occupies four elements.
        if text.startswith("<") and n_elements == 3:
            n_elements = 4
        return n_elements * _size(element, structs)
    if text.startswith(("{", "<{")):
        return sum(_size(part, structs) for part in _split_types(text.strip("<>")[1:-1]))
    integer = _INTEGER_TYPE.match(text)
    if integer is not None:
        return max(1, int(integer.group(1)) // 8)
    return _SCALAR_BYTES.get(text.split()[0], 8)


def _split_types(text: str) -> list[str]:
    """Split a comma-separated list at the top level of brackets."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += letter in "[{<("
        depth -= letter in "]}>)"
        if letter == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    parts.append(text[start:].strip())
    return parts
