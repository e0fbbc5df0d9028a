"""Normalised IR text -> the numbers of `KernelIR`, as plain lists.

The worker needs no NumPy for that, which would take longer to load than LLVM.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from gpusim.compiler.control_flow import natural_loops
from gpusim.compiler.ir_rows import Row, read_rows
from gpusim.compiler.kernel_parts import BLOCK, CONSTANT, PARAMETER, Loop, ValueType
from gpusim.compiler.layout import (
    access_bytes,
    end_of_group,
    end_of_type,
    parse_structs,
    size_and_align,
    split_list,
    value_type,
)
from gpusim.errors import CompileError, located

_GLOBAL = re.compile(r"@[\w.$]+ = [a-z_ ]*addrspace\(([23])\) (?:global|constant) ")
MEMORY_LIMIT_BYTES = 1 << 28
"""Of the variables of a kernel in one address space; no device has as much."""


class Instruction(NamedTuple):
    """One instruction in numbers; the fields are those of `kernel_ir.INSTRUCTION`."""

    block: int
    opcode: int
    type: int
    operand_type: int
    callee: int
    predicate: int
    address_space: int
    access_bytes: int
    align_bytes: int
    line: int
    element_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCode:
    """What the reader finds out; the fields are those of `KernelIR`, lists instead of arrays."""

    opcodes: tuple[str, ...]
    types: tuple[ValueType, ...]
    callees: tuple[str, ...]
    predicates: tuple[str, ...]
    block_names: tuple[str, ...]
    instructions: list[Instruction]
    operand_start: list[int]
    operands: list[int]
    operand_text: tuple[str, ...]
    edges: list[tuple[int, int]]
    loops: tuple[Loop, ...]
    local_memory_bytes: int
    private_memory_bytes: int


def read_kernel(text: str, kernel: str, lines: list[int], *, where: str) -> KernelCode:
    """Read the code of one kernel out of its module.

    Parameters
    ----------
    text : str
        Canonical LLVM IR.
    kernel : str
        Name of the function.
    lines : list of int
        Source line of each instruction; shorter or empty = unknown.
    where : str
        Name of the program, for messages.

    Returns
    -------
    KernelCode

    Raises
    ------
    CompileError
        The kernel is not there, or contains an instruction that gpusim does not know.
    """
    structs = parse_structs(
        [line for line in text.split("\n") if line.startswith("%") and " = type " in line]
    )
    head, body = _function_lines(text, kernel, where=where)
    parameters = _parameter_names(head)
    blocks, rows = read_rows(body, len(parameters), where=where)
    return _assemble(rows, blocks, parameters, structs, lines, text, where=where)


def _function_lines(text: str, kernel: str, *, where: str) -> tuple[str, list[str]]:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("define ") and f"@{kernel}(" in line:
            end = lines.index("}", number)
            return line, lines[number + 1 : end]
    raise CompileError(located(where, f"no kernel {kernel} in the IR"))


def _parameter_names(head: str) -> list[str]:
    start = head.index("(", head.index("@"))
    parts = split_list(head[start + 1 : end_of_group(head, start) - 1])
    return [part.rpartition(" ")[2] for part in parts]


class _Interner:
    """Numbers for texts, in order of first use."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


_FIXED_SIZE = re.compile(r"\d+")


def _assemble(
    rows: list[Row],
    blocks: list[str],
    parameters: list[str],
    structs: dict[str, str],
    lines: list[int],
    text: str,
    *,
    where: str,
) -> KernelCode:
    opcodes, types, callees, predicates = _Interner(), _Interner(), _Interner(), _Interner()
    codes = {f"label %{name}": BLOCK - number for number, name in enumerate(blocks)}
    codes.update({f'label %"{name}"': BLOCK - number for number, name in enumerate(blocks)})
    codes.update({name: PARAMETER - number for number, name in enumerate(parameters)})
    codes.update({row.result: number for number, row in enumerate(rows) if row.result})
    table: list[Instruction] = []
    starts = [0]
    operands: list[int] = []
    texts: list[str] = []
    successors: list[list[int]] = [[] for _ in blocks]
    private = 0
    for number, row in enumerate(rows):
        size = access_bytes(row.memory, structs) if row.memory and row.pointer else 0
        if row.callee.startswith("llvm.mem") and _FIXED_SIZE.fullmatch(row.operands[2]):
            size = int(row.operands[2])
        table.append(
            Instruction(
                block=row.block,
                opcode=opcodes(row.opcode),
                type=types(row.type),
                operand_type=types(row.operand_type),
                callee=callees(row.callee) if row.callee else -1,
                predicate=predicates(row.predicate) if row.predicate else -1,
                address_space=value_type(row.pointer).address_space if row.pointer else -1,
                access_bytes=size,
                align_bytes=row.align,
                line=lines[number] if number < len(lines) else 0,
                element_type=types(row.element) if row.element else -1,
            )
        )
        if row.opcode == "alloca":
            private += size_and_align(row.element, structs)[0]
        for operand in row.operands:
            code = codes.get(operand, CONSTANT)
            if code == CONSTANT and operand.startswith(("%", "label ")):
                raise CompileError(located(where, "IR uses an undefined value", found=operand))
            operands.append(code)
            texts.append(operand)
            if code <= BLOCK and row.opcode in ("br", "switch"):
                target = BLOCK - code
                if target not in successors[row.block]:
                    successors[row.block].append(target)
        starts.append(len(operands))
    constant, local = _variable_bytes(text, structs)
    _check_sizes({"constant": constant, "local": local, "private": private}, where=where)
    edges = [(block, target) for block, targets in enumerate(successors) for target in targets]
    return KernelCode(
        opcodes=tuple(opcodes.numbers),
        types=tuple(value_type(name) for name in types.numbers),
        callees=tuple(callees.numbers),
        predicates=tuple(predicates.numbers),
        block_names=tuple(blocks),
        instructions=table,
        operand_start=starts,
        operands=operands,
        operand_text=tuple(texts),
        edges=edges,
        loops=natural_loops(successors),
        local_memory_bytes=local,
        private_memory_bytes=private,
    )


def _variable_bytes(text: str, structs: dict[str, str]) -> tuple[int, int]:
    """Return the sizes of the module's variables in constant and in local memory."""
    totals = {"2": 0, "3": 0}
    for line in text.split("\n"):
        match = _GLOBAL.match(line)
        if match:
            kind = line[match.end() : end_of_type(line, match.end())]
            size, align = size_and_align(kind, structs)
            totals[match[1]] = -(-totals[match[1]] // align) * align + size
    return totals["2"], totals["3"]


def _check_sizes(sizes: dict[str, int], *, where: str) -> None:
    for name, size in sizes.items():
        if size > MEMORY_LIMIT_BYTES:
            raise CompileError(
                located(
                    where,
                    f"variables in {name} memory are too large",
                    expected=f"at most {MEMORY_LIMIT_BYTES} bytes",
                    found=size,
                )
            )
