"""Normalised IR text -> the arrays of `KernelIR`.

LLVM prints one instruction a line in one canonical form, so a small reader of the opcodes that the
pipeline leaves is enough; anything else is an error, never skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gpusim.compiler.control_flow import natural_loops
from gpusim.compiler.kernel_ir import BLOCK, CONSTANT, INSTRUCTION, PARAMETER, Loop, ValueType
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

_BINARY_NAMES = """
add sub mul udiv sdiv urem srem shl lshr ashr and or xor fadd fsub fmul fdiv frem
"""
_BINARY = frozenset(_BINARY_NAMES.split())
_CASTS_NAMES = """
trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint inttoptr ptrtoaddr bitcast
addrspacecast
"""
_CASTS = frozenset(_CASTS_NAMES.split())
_FLAGS_NAMES = """
nuw nsw nusw exact disjoint nneg samesign inbounds fast nnan ninf nsz arcp contract afn reassoc
volatile atomic inrange
"""
_FLAGS = frozenset(_FLAGS_NAMES.split())
_ALIGN = re.compile(r", align (\d+)")
_WORD = re.compile(r"[a-z_]+")
_RESULT = re.compile(r"(%[\w.$-]+|%\"[^\"]*\") = ")
_LABEL = re.compile(r"([\w.$-]+|\"[^\"]*\"):")
_CALLEE = re.compile(r"@([\w.$]+)\(")
_GLOBAL = re.compile(r"@[\w.$]+ = [a-z_ ]*addrspace\(([23])\) (?:global|constant) ")
MEMORY_LIMIT_BYTES = 1 << 28
"""Of the variables of a kernel in one address space; no device has as much."""


@dataclass(slots=True)
class _Row:
    """One instruction before values have numbers."""

    block: int
    opcode: str
    result: str = ""
    type: str = "void"
    operand_type: str = ""
    callee: str = ""
    predicate: str = ""
    element: str = ""
    """What a getelementptr steps over, what an alloca holds."""
    memory: str = ""
    """Type that a memory access moves."""
    pointer: str = ""
    align: int = 0
    operands: list[str] = field(default_factory=list)
    """Text of operands; branch targets as ``label %name``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelArrays:
    """What the reader finds out; the fields are those of `KernelIR`."""

    opcodes: tuple[str, ...]
    types: tuple[ValueType, ...]
    callees: tuple[str, ...]
    predicates: tuple[str, ...]
    block_names: tuple[str, ...]
    instructions: npt.NDArray[np.void]
    operand_start: npt.NDArray[np.int64]
    operands: npt.NDArray[np.int32]
    operand_text: tuple[str, ...]
    edges: npt.NDArray[np.int32]
    loops: tuple[Loop, ...]
    local_memory_bytes: int
    private_memory_bytes: int


class _Cursor:
    """A position in one instruction's text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def word(self) -> str:
        match = _WORD.match(self.text, self.position)
        if match is None:
            raise ValueError(self.text)
        self.position = match.end()
        self.blank()
        return match[0]

    def flags(self) -> None:
        """Skip keywords that do not change what is executed."""
        while True:
            match = _WORD.match(self.text, self.position)
            if match is None or match[0] not in _FLAGS:
                return
            self.position = match.end()
            if self.text[self.position : self.position + 1] == "(":
                self.position = end_of_group(self.text, self.position)
            self.blank()

    def blank(self) -> None:
        while self.text[self.position : self.position + 1] == " ":
            self.position += 1

    def type(self) -> str:
        end = end_of_type(self.text, self.position)
        text = self.text[self.position : end]
        self.position = end
        self.blank()
        return text

    def value(self) -> str:
        """Read up to the next comma (or keyword) outside of brackets."""
        start = self.position
        text = self.text
        position = start
        while position < len(text):
            character = text[position]
            if character in "([{<":
                position = end_of_group(text, position)
                continue
            if character == '"':
                position = text.index('"', position + 1)
            elif character == "," or (
                character == " " and text[position + 1 : position + 2] not in ("(", "<", "[", "{")
            ):
                # A constant expression has a blank before its bracket only.
                break
            position += 1
        self.position = position
        return text[start:position].strip()

    def comma(self) -> bool:
        self.blank()
        if self.text[self.position : self.position + 1] == ",":
            self.position += 1
            self.blank()
            return True
        return False

    def typed(self) -> tuple[str, str]:
        kind = self.type()
        return kind, self.value()

    @property
    def rest(self) -> str:
        return self.text[self.position :]


def read_kernel(text: str, kernel: str, lines: list[int], *, where: str) -> KernelArrays:
    """Read the arrays of one kernel out of its module.

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
    KernelArrays

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
    blocks, rows = _read_rows(body, len(parameters), where=where)
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


def _read_rows(body: list[str], n_parameters: int, *, where: str) -> tuple[list[str], list[_Row]]:
    # The entry block has no label; LLVM counts it after the parameters.
    blocks: list[str] = []
    rows: list[_Row] = []
    position = 0
    if body and not _LABEL.match(body[0]):
        blocks.append(str(n_parameters))
    while position < len(body):
        line = body[position]
        position += 1
        if not line:
            continue
        if not line.startswith(" "):
            match = _LABEL.match(line)
            if match is None:
                raise CompileError(located(where, "unreadable IR line", found=line[:80]))
            blocks.append(match[1].strip('"'))
            continue
        instruction = line.strip()
        if instruction.endswith("["):
            while not body[position].strip().startswith("]"):
                instruction += " " + body[position].strip()
                position += 1
            position += 1
            instruction += " ]"
        try:
            rows.append(_read(instruction, len(blocks) - 1))
        except (ValueError, IndexError) as error:
            raise CompileError(
                located(where, "not supported: this IR instruction", found=instruction[:100])
            ) from error
    return blocks, rows


def _read(text: str, block: int) -> _Row:
    match = _RESULT.match(text)
    result = ""
    if match:
        result, text = match[1], text[match.end() :]
    cursor = _Cursor(text)
    opcode = cursor.word()
    if opcode in ("tail", "musttail", "notail"):
        opcode = cursor.word()
    row = _Row(block, opcode, result)
    reader = _READERS.get(opcode)
    if opcode in _BINARY:
        reader = _read_binary
    elif opcode in _CASTS:
        reader = _read_cast
    if reader is None:
        raise ValueError(opcode)
    cursor.flags()
    reader(row, cursor)
    if not row.operand_type:
        row.operand_type = row.type
    return row


def _read_binary(row: _Row, cursor: _Cursor) -> None:
    row.type, first = cursor.typed()
    cursor.comma()
    row.operands = [first, cursor.value()]


def _read_unary(row: _Row, cursor: _Cursor) -> None:
    row.type, first = cursor.typed()
    row.operands = [first]


def _read_cast(row: _Row, cursor: _Cursor) -> None:
    row.operand_type, first = cursor.typed()
    row.operands = [first]
    cursor.blank()
    cursor.word()  # "to"
    row.type = cursor.type()


def _read_compare(row: _Row, cursor: _Cursor) -> None:
    row.predicate = cursor.word()
    row.operand_type, first = cursor.typed()
    cursor.comma()
    row.operands = [first, cursor.value()]
    lanes = value_type(row.operand_type).lanes
    row.type = "i1" if lanes == 1 else f"<{lanes} x i1>"


def _read_select(row: _Row, cursor: _Cursor) -> None:
    row.operand_type, condition = cursor.typed()
    cursor.comma()
    row.type, yes = cursor.typed()
    cursor.comma()
    _, no = cursor.typed()
    row.operands = [condition, yes, no]


def _align_of(text: str) -> int:
    match = _ALIGN.search(text)
    return int(match[1]) if match else 0


def _read_load(row: _Row, cursor: _Cursor) -> None:
    row.type = cursor.type()
    cursor.comma()
    row.pointer, place = cursor.typed()
    row.operands, row.operand_type = [place], row.pointer
    row.memory, row.align = row.type, _align_of(cursor.rest)


def _read_store(row: _Row, cursor: _Cursor) -> None:
    row.operand_type, value = cursor.typed()
    cursor.comma()
    row.pointer, place = cursor.typed()
    row.operands = [value, place]
    row.memory, row.align = row.operand_type, _align_of(cursor.rest)


def _read_gep(row: _Row, cursor: _Cursor) -> None:
    element = cursor.type()
    cursor.comma()
    row.operand_type, base = cursor.typed()
    row.operands = [base]
    lanes = value_type(row.operand_type).lanes
    while cursor.comma():
        kind, index = cursor.typed()
        lanes = max(lanes, value_type(kind).lanes)
        row.operands.append(index)
    pointer = value_type(row.operand_type)
    plain = f"ptr addrspace({pointer.address_space})" if pointer.address_space else "ptr"
    row.type = plain if lanes == 1 else f"<{lanes} x {plain}>"
    row.element = element


def _read_phi(row: _Row, cursor: _Cursor) -> None:
    row.type = cursor.type()
    for pair in split_list(cursor.rest):
        value, label = split_list(pair[1:-1])
        row.operands += [value, f"label {label}"]


def _read_branch(row: _Row, cursor: _Cursor) -> None:
    row.operand_type = "void"
    for part in split_list(cursor.rest):
        kind, _, value = part.partition(" ")
        if kind == "label":
            row.operands.append(part)
        else:
            row.operand_type = kind
            row.operands.append(value)


def _read_switch(row: _Row, cursor: _Cursor) -> None:
    row.operand_type, value = cursor.typed()
    cursor.comma()
    head, _, cases = cursor.rest.partition("[")
    row.operands = [value, head.strip()]
    for case in re.finditer(r"\S+ (-?\w+), (label %\S+)", cases):
        row.operands += [case[1], case[2]]


def _read_return(row: _Row, cursor: _Cursor) -> None:
    row.operand_type = cursor.type()
    if row.operand_type != "void":
        row.operands = [cursor.value()]


def _read_call(row: _Row, cursor: _Cursor) -> None:
    row.type = cursor.type()
    if cursor.rest.startswith("("):
        cursor.position = end_of_group(cursor.text, cursor.position)
        cursor.blank()
    match = _CALLEE.match(cursor.text, cursor.position)
    if match is None:
        raise ValueError(cursor.text)
    row.callee = match[1]
    end = end_of_group(cursor.text, match.end() - 1)
    for part in split_list(cursor.text[match.end() : end - 1]):
        inner = _Cursor(part)
        kind = inner.type()
        match = re.search(r"(?:^|.*? )align (\d+) (.*)", inner.rest)
        value = match[2] if match else inner.rest
        if not row.operands:
            row.operand_type = kind
        if not row.pointer and kind.startswith("ptr"):
            row.pointer, row.align = kind, int(match[1]) if match else 0
        row.operands.append(value)
    if not row.operands:
        row.operand_type = "void"
    if not row.callee.startswith(("llvm.memcpy", "llvm.memmove", "llvm.memset")):
        row.pointer, row.align = "", 0


def _read_extract_element(row: _Row, cursor: _Cursor) -> None:
    row.operand_type, vector = cursor.typed()
    cursor.comma()
    _, index = cursor.typed()
    row.operands = [vector, index]
    row.type = row.operand_type[1:-1].split(" x ", 1)[1]


def _read_insert_element(row: _Row, cursor: _Cursor) -> None:
    row.type, vector = cursor.typed()
    cursor.comma()
    _, item = cursor.typed()
    cursor.comma()
    _, index = cursor.typed()
    row.operands = [vector, item, index]


def _read_shuffle(row: _Row, cursor: _Cursor) -> None:
    row.operand_type, first = cursor.typed()
    cursor.comma()
    _, second = cursor.typed()
    cursor.comma()
    mask_type, mask = cursor.typed()
    row.operands = [first, second, mask]
    element = row.operand_type[1:-1].split(" x ", 1)[1]
    row.type = f"<{value_type(mask_type).lanes} x {element}>"


def _read_extract_value(row: _Row, cursor: _Cursor) -> None:
    row.operand_type, pair = cursor.typed()
    cursor.comma()
    index = cursor.rest
    row.operands = [pair, index]
    row.type = split_list(row.operand_type.strip("<>")[1:-1])[int(index)]


def _read_insert_value(row: _Row, cursor: _Cursor) -> None:
    row.type, pair = cursor.typed()
    cursor.comma()
    _, item = cursor.typed()
    cursor.comma()
    row.operands = [pair, item, cursor.rest]


def _read_alloca(row: _Row, cursor: _Cursor) -> None:
    row.element = cursor.type()
    row.operand_type = row.element
    row.type = "ptr"
    row.align = _align_of(cursor.text)
    if re.search(r"^, (?!align|addrspace)", cursor.rest):
        raise ValueError("variable-size array")


def _read_atomic(row: _Row, cursor: _Cursor) -> None:
    row.predicate = cursor.word()
    row.pointer, place = cursor.typed()
    cursor.comma()
    row.type, value = cursor.typed()
    row.operands, row.operand_type = [place, value], row.pointer
    row.memory, row.align = row.type, _align_of(cursor.rest)


def _read_exchange(row: _Row, cursor: _Cursor) -> None:
    row.pointer, place = cursor.typed()
    cursor.comma()
    kind, expected = cursor.typed()
    cursor.comma()
    _, wanted = cursor.typed()
    row.operands, row.operand_type = [place, expected, wanted], row.pointer
    row.type = f"{{ {kind}, i1 }}"
    row.memory, row.align = kind, _align_of(cursor.rest)


def _read_nothing(row: _Row, cursor: _Cursor) -> None:
    row.operand_type = "void"


_READERS = {
    "fneg": _read_unary,
    "freeze": _read_unary,
    "icmp": _read_compare,
    "fcmp": _read_compare,
    "select": _read_select,
    "load": _read_load,
    "store": _read_store,
    "getelementptr": _read_gep,
    "phi": _read_phi,
    "br": _read_branch,
    "switch": _read_switch,
    "ret": _read_return,
    "call": _read_call,
    "extractelement": _read_extract_element,
    "insertelement": _read_insert_element,
    "shufflevector": _read_shuffle,
    "extractvalue": _read_extract_value,
    "insertvalue": _read_insert_value,
    "alloca": _read_alloca,
    "atomicrmw": _read_atomic,
    "cmpxchg": _read_exchange,
    "fence": _read_nothing,
    "unreachable": _read_nothing,
}


class _Interner:
    """Numbers for texts, in order of first use."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


_FIXED_SIZE = re.compile(r"\d+")


def _assemble(
    rows: list[_Row],
    blocks: list[str],
    parameters: list[str],
    structs: dict[str, str],
    lines: list[int],
    text: str,
    *,
    where: str,
) -> KernelArrays:
    opcodes, types, callees, predicates = _Interner(), _Interner(), _Interner(), _Interner()
    codes = {f"label %{name}": BLOCK - number for number, name in enumerate(blocks)}
    codes.update({f'label %"{name}"': BLOCK - number for number, name in enumerate(blocks)})
    codes.update({name: PARAMETER - number for number, name in enumerate(parameters)})
    codes.update({row.result: number for number, row in enumerate(rows) if row.result})
    table = np.zeros(len(rows), INSTRUCTION)
    starts = [0]
    operands: list[int] = []
    texts: list[str] = []
    successors: list[list[int]] = [[] for _ in blocks]
    private = 0
    for number, row in enumerate(rows):
        size = access_bytes(row.memory, structs) if row.memory and row.pointer else 0
        if row.callee.startswith("llvm.mem") and _FIXED_SIZE.fullmatch(row.operands[2]):
            size = int(row.operands[2])
        table[number] = (
            row.block,
            opcodes(row.opcode),
            types(row.type),
            types(row.operand_type),
            callees(row.callee) if row.callee else -1,
            predicates(row.predicate) if row.predicate else -1,
            value_type(row.pointer).address_space if row.pointer else -1,
            size,
            row.align,
            lines[number] if number < len(lines) else 0,
            types(row.element) if row.element else -1,
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
    return KernelArrays(
        opcodes=tuple(opcodes.numbers),
        types=tuple(value_type(name) for name in types.numbers),
        callees=tuple(callees.numbers),
        predicates=tuple(predicates.numbers),
        block_names=tuple(blocks),
        instructions=table,
        operand_start=np.array(starts, np.int64),
        operands=np.array(operands, np.int32),
        operand_text=tuple(texts),
        edges=np.array(edges, np.int32).reshape(-1, 2),
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
