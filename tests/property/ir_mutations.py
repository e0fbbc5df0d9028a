"""Ways to break LLVM IR: as text, line by line, and as bitcode, byte by byte."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

_NUMBERS = (
    *("0", "1", "-1", "2", "3", "7", "8", "31", "32", "33", "64", "255", "4096", "1000000"),
    *("2147483647", "-2147483648", "4294967295", "9223372036854775807", "-9223372036854775808"),
)
_BINARY = ("add", "sub", "mul", "sdiv", "udiv", "srem", "urem", "shl", "lshr", "ashr")
_LOGIC = ("and", "or", "xor")
_PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
_INTEGERS = ("i1", "i8", "i16", "i32", "i64", "i128")
_FLOATS = ("fadd", "fsub", "fmul", "fdiv", "frem")
_VALUE = re.compile(r"%[\w.]+")
_CALLS = (
    *("_Z13get_global_idj", "_Z12get_local_idj", "_Z12get_group_idj", "_Z14get_local_sizej"),
    *("_Z15get_global_sizej", "_Z14get_num_groupsj", "_Z7barrierj", "_Z4sqrtf", "nonsense"),
)

Lines = list[str]


def _body(lines: Lines) -> list[int]:
    """Return the numbers of the lines within functions."""
    found, is_inside = [], False
    for number, line in enumerate(lines):
        if line.startswith("define"):
            is_inside = True
        elif line.startswith("}"):
            is_inside = False
        elif is_inside and line.strip():
            found.append(number)
    return found


def _with(lines: Lines, random: Random, pattern: str) -> tuple[int, re.Match[str]] | None:
    """Return a line that matches, and one match in it."""
    places = [
        (number, match) for number in _body(lines) for match in re.finditer(pattern, lines[number])
    ]
    return random.choice(places) if places else None


def _replace(lines: Lines, random: Random, pattern: str, choices: tuple[str, ...]) -> None:
    found = _with(lines, random, pattern)
    if found is not None:
        number, match = found
        line = lines[number]
        lines[number] = line[: match.start()] + random.choice(choices) + line[match.end() :]


def change_number(lines: Lines, random: Random) -> None:
    """Put another constant in place of one."""
    _replace(lines, random, r"(?<=[ ,])-?\d+(?=[,\s)\]]|$)", _NUMBERS)


def change_operation(lines: Lines, random: Random) -> None:
    """Put another operation in place of one, its flags dropped or not."""
    pattern, choices = random.choice(
        (
            (rf"\b(?:{'|'.join(_BINARY)})\b(?: nuw| nsw| exact)*", _BINARY),
            (rf"\b(?:{'|'.join(_BINARY)})\b", _BINARY),
            (rf"\b(?:{'|'.join(_LOGIC)})\b(?: disjoint)?", (*_LOGIC, *_BINARY)),
            (rf"\b(?:{'|'.join(_FLOATS)})\b", _FLOATS),
            (rf"(?<=icmp )(?:samesign )?(?:{'|'.join(_PREDICATES)})\b", _PREDICATES),
            (r"\b(?:sext|zext|trunc)\b(?: nneg| nuw| nsw)*", ("sext", "zext", "trunc", "bitcast")),
            (r"(?<=@llvm\.)[us](?:min|max)", ("smin", "smax", "umin", "umax")),
            (r"(?<=@)_Z\w+", _CALLS),
        )
    )
    _replace(lines, random, pattern, choices)


def change_value(lines: Lines, random: Random) -> None:
    """Use another value, or jump to another block."""
    names = sorted({name for n in _body(lines) for name in _VALUE.findall(lines[n])})
    labels = [line.split(":")[0] for line in lines if re.match(r"[\w.]+:", line)]
    if random.random() < 0.3 and labels:
        _replace(lines, random, r"(?<=label )%[\w.]+", tuple(f"%{label}" for label in labels))
    elif names:
        _replace(lines, random, r"%[\w.]+", tuple(names))


def change_type(lines: Lines, random: Random) -> None:
    """Change the type, the address space or the alignment somewhere."""
    pattern, choices = random.choice(
        (
            (r"\bi(?:8|16|32|64)\b", _INTEGERS),
            (r"(?<=addrspace\()\d", tuple("0123457")),
            (r"(?<=align )\d+", ("1", "2", "4", "8", "16", "64", "4096", "4294967296")),
            (r"\bfloat\b", ("half", "double", "i32", "<4 x float>")),
            (r"<\d+ x", ("<1 x", "<2 x", "<3 x", "<16 x", "<100 x")),
            (r"\b(?:load|store)\b", ("load volatile", "store volatile", "load", "store")),
        )
    )
    _replace(lines, random, pattern, choices)


def move_lines(lines: Lines, random: Random) -> None:
    """Drop, repeat, swap or invent lines."""
    body = _body(lines)
    if len(body) < 2:
        return
    first, second = random.sample(body, 2)
    match random.randrange(5):
        case 0:
            del lines[first]
        case 1:
            lines.insert(second, lines[first])
        case 2:
            lines[first], lines[second] = lines[second], lines[first]
        case 3:
            lines[first] = random.choice(
                ("  unreachable", "  ret void", '  call void asm "nop", ""()', "  fence seq_cst")
            )
        case _:
            lines[first:second] = []


def swap_targets(lines: Lines, random: Random) -> None:
    """Turn a conditional branch around."""
    found = _with(lines, random, r"(label %[\w.]+), (label %[\w.]+)")
    if found is not None:
        number, match = found
        line = lines[number]
        lines[number] = line[: match.start()] + f"{match[2]}, {match[1]}" + line[match.end() :]


_WAYS: tuple[Callable[[Lines, Random], None], ...] = (
    *(change_number, change_number, change_operation, change_operation, change_value),
    *(swap_targets, change_type, move_lines),
)


def mutated_text(text: str, random: Random) -> str:
    """Return IR text with one to four changes."""
    lines = text.split("\n")
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        random.choice(_WAYS)(lines, random)
    text = "\n".join(lines)
    return text[: random.randrange(len(text))] if random.random() < 0.02 else text


def mutated_bytes(data: bytes, random: Random) -> bytes:
    """Return bitcode with some bits flipped, a part repeated, or its end cut off."""
    wreck = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5, 30))):
        wreck[random.randrange(len(wreck))] ^= 1 << random.randrange(8)
    match random.randrange(10):
        case 0:
            del wreck[random.randrange(len(wreck)) :]
        case 1:
            at = random.randrange(len(wreck))
            wreck[at:at] = wreck[at : at + random.randrange(64)]
    return bytes(wreck)
