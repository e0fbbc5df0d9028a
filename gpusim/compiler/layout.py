"""LLVM types as text: where one ends, how large it is, what kind of value it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from gpusim.compiler.kernel_parts import ValueType

_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_INTEGER = re.compile(r"i(\d+)$")
_SEQUENCE = re.compile(r"(\d+) x (.+)$", re.DOTALL)
_SPACE = re.compile(r"ptr(?: addrspace\((\d+)\))?$")
_FLOAT_BITS = {"half": 16, "bfloat": 16, "float": 32, "double": 64}


def end_of_group(text: str, start: int) -> int:
    """Return the position after the bracket that closes the one at `start`."""
    depth = 0
    position = start
    while position < len(text):
        character = text[position]
        if character == '"':
            position = text.index('"', position + 1)
        elif character in "([{<":
            depth += 1
        elif character in ")]}>":
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    raise ValueError(f"unbalanced brackets: {text[start : start + 60]}")


def split_list(text: str) -> list[str]:
    """Split at the commas that are outside of brackets and strings."""
    parts: list[str] = []
    start = position = 0
    while position < len(text):
        character = text[position]
        if character in "([{<":
            position = end_of_group(text, position)
            continue
        if character == '"':
            position = text.index('"', position + 1)
        elif character == ",":
            parts.append(text[start:position].strip())
            start = position + 1
        position += 1
    tail = text[start:].strip()
    return [*parts, tail] if tail else parts


def end_of_type(text: str, start: int) -> int:
    """Return the position after the type that begins at `start`."""
    character = text[start]
    if character in "[{<":
        return end_of_group(text, start)
    if text.startswith("ptr addrspace(", start):
        return text.index(")", start) + 1
    position = start
    if text.startswith('%"', start):
        return text.index('"', start + 2) + 1
    while position < len(text) and (text[position].isalnum() or text[position] in "%._$-"):
        position += 1
    return position


def parse_structs(lines: list[str]) -> dict[str, str]:
    """Return the bodies of the named structure types of a module by their names."""
    structs = {}
    for line in lines:
        name, _, body = line.partition(" = type ")
        structs[name] = body
    return structs


@lru_cache(maxsize=4096)
def value_type(text: str) -> ValueType:
    """Return what kind of value an LLVM type holds."""
    match = _INTEGER.match(text)
    if match:
        return ValueType(kind="int", bits=int(match[1]), text=text)
    if text in _FLOAT_BITS:
        return ValueType(kind="float", bits=_FLOAT_BITS[text], text=text)
    match = _SPACE.match(text)
    if match:
        space = int(match[1] or 0)
        return ValueType(kind="pointer", bits=64, address_space=space, text=text)
    if text in ("void", "label"):
        return ValueType(kind=text, bits=0, text=text)
    if text.startswith("<") and not text.startswith("<{"):
        sequence = _SEQUENCE.match(text[1:-1])
        if sequence:
            lane = value_type(sequence[2])
            return ValueType(
                kind=lane.kind,
                bits=lane.bits,
                lanes=int(sequence[1]),
                address_space=lane.address_space,
                text=text,
            )
    return ValueType(kind="aggregate", bits=0, text=text)


def _round_up(size: int, align: int) -> int:
    return -(-size // align) * align


def size_and_align(text: str, structs: Mapping[str, str]) -> tuple[int, int]:
    """Return store size and alignment of a type in bytes, as OpenCL lays it out.

    Parameters
    ----------
    text : str
        LLVM type.
    structs : mapping of str to str
        Bodies of the named structure types.

    Returns
    -------
    size_bytes, align_bytes : int
        Of a variable of this type: a vector of three occupies as much as one of four.
    """
    if text in structs:
        return size_and_align(structs[text], structs)
    kind = value_type(text)
    if kind.kind in ("int", "float", "pointer"):
        lanes = 4 if kind.lanes == 3 else kind.lanes
        lane_bytes = max(1, 1 << (max(1, -(-kind.bits // 8)) - 1).bit_length())
        return lanes * lane_bytes, lanes * lane_bytes
    if text.startswith("["):
        sequence = _SEQUENCE.match(text[1:-1])
        if sequence:
            size, align = size_and_align(sequence[2], structs)
            return int(sequence[1]) * _round_up(size, align), align
    is_packed = text.startswith("<{")
    if is_packed or text.startswith("{"):
        inner = text[2:-2] if is_packed else text[1:-1]
        offset = 0
        largest = 1
        for part in split_list(inner):
            size, align = size_and_align(part, structs)
            align = 1 if is_packed else align
            offset = _round_up(offset, align) + size
            largest = max(largest, align)
        return _round_up(offset, largest), largest
    return 0, 1


def access_bytes(text: str, structs: Mapping[str, str]) -> int:
    """Return how many bytes a load or store of a type moves (12 for a vector of 3 floats)."""
    kind = value_type(text)
    if kind.kind in ("int", "float", "pointer"):
        return -(-kind.bits * kind.lanes // 8)
    return size_and_align(text, structs)[0]


def stride_bytes(text: str, structs: Mapping[str, str]) -> int:
    """Return the distance of neighbours in an array of a type."""
    size, align = size_and_align(text, structs)
    return _round_up(size, align)


def member_offset(text: str, index: int, structs: Mapping[str, str]) -> tuple[str, int]:
    """Return type and offset in bytes of a member of a structure type."""
    body = structs.get(text, text)
    is_packed = body.startswith("<{")
    parts = split_list(body[2:-2] if is_packed else body[1:-1])
    offset = 0
    for number, part in enumerate(parts):
        size, align = size_and_align(part, structs)
        offset = offset if is_packed else _round_up(offset, align)
        if number == index:
            return part, offset
        offset += size
    raise IndexError(index)
