"""The lines of a printed function -> one row an instruction.

LLVM prints one instruction a line in one canonical form, so a small reader of the opcodes that the
pipeline leaves is enough; anything else is an error, never skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gpusim.compiler.ir_cursor import Cursor
from gpusim.compiler.layout import end_of_group, split_list, value_type
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
_ALIGN = re.compile(r", align (\d+)")
_RESULT = re.compile(r"(%[\w.$-]+|%\"[^\"]*\") = ")
_LABEL = re.compile(r"([\w.$-]+|\"[^\"]*\"):")
_CALLEE = re.compile(r"@([\w.$]+)\(")


@dataclass(slots=True)
class Row:
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


def read_rows(body: list[str], n_parameters: int, *, where: str) -> tuple[list[str], list[Row]]:
    """Read the lines of a function's body.

    Parameters
    ----------
    body : list of str
        Lines between the head and the closing bracket.
    n_parameters : int
        The entry block has no label; LLVM counts it after the parameters.
    where : str
        Name of the program, for messages.

    Returns
    -------
    blocks : list of str
        Names of the basic blocks.
    rows : list of Row

    Raises
    ------
    CompileError
        A line is no instruction that gpusim knows.
    """
    blocks: list[str] = []
    rows: list[Row] = []
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


def _read(text: str, block: int) -> Row:
    match = _RESULT.match(text)
    result = ""
    if match:
        result, text = match[1], text[match.end() :]
    cursor = Cursor(text)
    opcode = cursor.word()
    if opcode in ("tail", "musttail", "notail"):
        opcode = cursor.word()
    row = Row(block, opcode, result)
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


def _read_binary(row: Row, cursor: Cursor) -> None:
    row.type, first = cursor.typed()
    cursor.comma()
    row.operands = [first, cursor.value()]


def _read_unary(row: Row, cursor: Cursor) -> None:
    row.type, first = cursor.typed()
    row.operands = [first]


def _read_cast(row: Row, cursor: Cursor) -> None:
    row.operand_type, first = cursor.typed()
    row.operands = [first]
    cursor.blank()
    cursor.word()  # "to"
    row.type = cursor.type()


def _read_compare(row: Row, cursor: Cursor) -> None:
    row.predicate = cursor.word()
    row.operand_type, first = cursor.typed()
    cursor.comma()
    row.operands = [first, cursor.value()]
    lanes = value_type(row.operand_type).lanes
    row.type = "i1" if lanes == 1 else f"<{lanes} x i1>"


def _read_select(row: Row, cursor: Cursor) -> None:
    row.operand_type, condition = cursor.typed()
    cursor.comma()
    row.type, yes = cursor.typed()
    cursor.comma()
    _, no = cursor.typed()
    row.operands = [condition, yes, no]


def _align_of(text: str) -> int:
    match = _ALIGN.search(text)
    return int(match[1]) if match else 0


def _read_load(row: Row, cursor: Cursor) -> None:
    row.type = cursor.type()
    cursor.comma()
    row.pointer, place = cursor.typed()
    row.operands, row.operand_type = [place], row.pointer
    row.memory, row.align = row.type, _align_of(cursor.rest)


def _read_store(row: Row, cursor: Cursor) -> None:
    row.operand_type, value = cursor.typed()
    cursor.comma()
    row.pointer, place = cursor.typed()
    row.operands = [value, place]
    row.memory, row.align = row.operand_type, _align_of(cursor.rest)


def _read_gep(row: Row, cursor: Cursor) -> None:
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


def _read_phi(row: Row, cursor: Cursor) -> None:
    row.type = cursor.type()
    for pair in split_list(cursor.rest):
        value, label = split_list(pair[1:-1])
        row.operands += [value, f"label {label}"]


def _read_branch(row: Row, cursor: Cursor) -> None:
    row.operand_type = "void"
    for part in split_list(cursor.rest):
        kind, _, value = part.partition(" ")
        if kind == "label":
            row.operands.append(part)
        else:
            row.operand_type = kind
            row.operands.append(value)


def _read_switch(row: Row, cursor: Cursor) -> None:
    row.operand_type, value = cursor.typed()
    cursor.comma()
    head, _, cases = cursor.rest.partition("[")
    row.operands = [value, head.strip()]
    for case in re.finditer(r"\S+ (-?\w+), (label %\S+)", cases):
        row.operands += [case[1], case[2]]


def _read_return(row: Row, cursor: Cursor) -> None:
    row.operand_type = cursor.type()
    if row.operand_type != "void":
        row.operands = [cursor.value()]


def _read_call(row: Row, cursor: Cursor) -> None:
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
        inner = Cursor(part)
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


def _read_extract_element(row: Row, cursor: Cursor) -> None:
    row.operand_type, vector = cursor.typed()
    cursor.comma()
    _, index = cursor.typed()
    row.operands = [vector, index]
    row.type = row.operand_type[1:-1].split(" x ", 1)[1]


def _read_insert_element(row: Row, cursor: Cursor) -> None:
    row.type, vector = cursor.typed()
    cursor.comma()
    _, item = cursor.typed()
    cursor.comma()
    _, index = cursor.typed()
    row.operands = [vector, item, index]


def _read_shuffle(row: Row, cursor: Cursor) -> None:
    row.operand_type, first = cursor.typed()
    cursor.comma()
    _, second = cursor.typed()
    cursor.comma()
    mask_type, mask = cursor.typed()
    row.operands = [first, second, mask]
    element = row.operand_type[1:-1].split(" x ", 1)[1]
    row.type = f"<{value_type(mask_type).lanes} x {element}>"


def _read_extract_value(row: Row, cursor: Cursor) -> None:
    row.operand_type, pair = cursor.typed()
    cursor.comma()
    index = cursor.rest
    row.operands = [pair, index]
    row.type = split_list(row.operand_type.strip("<>")[1:-1])[int(index)]


def _read_insert_value(row: Row, cursor: Cursor) -> None:
    row.type, pair = cursor.typed()
    cursor.comma()
    _, item = cursor.typed()
    cursor.comma()
    row.operands = [pair, item, cursor.rest]


def _read_alloca(row: Row, cursor: Cursor) -> None:
    row.element = cursor.type()
    row.operand_type = row.element
    row.type = "ptr"
    row.align = _align_of(cursor.text)
    if re.search(r"^, (?!align|addrspace)", cursor.rest):
        raise ValueError("variable-size array")


def _read_atomic(row: Row, cursor: Cursor) -> None:
    row.predicate = cursor.word()
    row.pointer, place = cursor.typed()
    cursor.comma()
    row.type, value = cursor.typed()
    row.operands, row.operand_type = [place, value], row.pointer
    row.memory, row.align = row.type, _align_of(cursor.rest)


def _read_exchange(row: Row, cursor: Cursor) -> None:
    row.pointer, place = cursor.typed()
    cursor.comma()
    kind, expected = cursor.typed()
    cursor.comma()
    _, wanted = cursor.typed()
    row.operands, row.operand_type = [place, expected, wanted], row.pointer
    row.type = f"{{ {kind}, i1 }}"
    row.memory, row.align = kind, _align_of(cursor.rest)


def _read_nothing(row: Row, cursor: Cursor) -> None:
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
