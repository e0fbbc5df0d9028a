"""Which memory a pointer can point into: the roots of every pointer of a kernel.

A pointer computed from one kernel argument, variable or private array stays with it (OpenCL C
gives arithmetic that leaves an object no meaning), so one compare checks an access. Pointers that
merge several roots carry base and size along; the rest is checked against every root.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gpusim.count.ir_text import (
    Instruction,
    KernelText,
    address_space,
    parse_call,
    split_commas,
    split_type,
)

UNKNOWN = "?"
"""Root of a pointer that was loaded from memory or made from an integer."""
NULL = "null"

_GLOBAL_NAME = re.compile(r'@("[^"]*"|[\w.$\-]+)')


@dataclass(frozen=True, slots=True)
class Access:
    """One access to memory by one instruction, or by a part of one."""

    instruction: int
    """Index of the instruction in the function."""
    kind: str
    """``load``, ``store`` or ``atomic``."""
    pointer: str
    """Text of the pointer operand."""
    address_space: int
    """As declared; that of the root when the pointer is generic."""
    bytes: int
    """Size of the access; 0 when `length` says it at run time."""
    align_bytes: int
    length: str = ""
    """Value text of the run-time size, i64."""
    value_type: str = ""


@dataclass(slots=True)
class Roots:
    """Roots of every pointer value."""

    kernel: KernelText
    of: dict[str, frozenset[str]] = field(default_factory=dict)
    """Pointer value -> root names: ``%a.N``, ``@variable``, ``%v.N`` (alloca), `UNKNOWN`."""

    def roots(self, pointer: str) -> frozenset[str]:
        """Return the roots of an operand: a local value or a constant expression."""
        if pointer.startswith("%"):
            return self.of.get(pointer, frozenset((UNKNOWN,)))
        names = [name.strip('"') for name in _GLOBAL_NAME.findall(pointer)]
        if len(names) == 1:
            return frozenset(("@" + names[0],))
        is_nothing = pointer in ("null", "undef", "poison", "zeroinitializer")
        return frozenset((NULL,)) if is_nothing else frozenset((UNKNOWN,))


def pointer_sources(instruction: Instruction) -> list[str] | None:
    """Return the pointers that a pointer-valued instruction is made from; None = unknown."""
    text = instruction.text
    match instruction.opcode:
        case "getelementptr":
            paren_free = text.split(" ", 1)[1]
            for word in ("inbounds", "nusw", "nuw"):
                paren_free = paren_free.removeprefix(word + " ")
            paren_free = re.sub(r"^inrange\([^)]*\) ", "", paren_free)
            return [split_type(split_commas(paren_free)[1])[1]]
        case "bitcast" | "addrspacecast" | "freeze":
            operand = split_type(text.split(" ", 1)[1])[1]
            return [operand.split(" to ")[0].strip()]
        case "phi":
            body = split_type(re.sub(r"^phi ", "", text))[1]
            return [split_commas(part[1:-1])[0] for part in split_commas(body)]
        case "select":
            parts = split_commas(text.split(" ", 1)[1])
            return [split_type(part)[1] for part in parts[1:]]
    return None


def find_roots(kernel: KernelText) -> Roots:
    """Compute the roots of every pointer by a fixed point over the function."""
    found = Roots(kernel)
    for formal in kernel.formals:
        if formal.type.startswith("ptr"):
            found.of[formal.name] = frozenset((formal.name,))
    pending: list[tuple[str, list[str]]] = []
    for block in kernel.blocks:
        for instruction in block.instructions:
            if not instruction.type.startswith("ptr"):
                continue
            if instruction.opcode == "alloca":
                found.of[instruction.name] = frozenset((instruction.name,))
                continue
            sources = pointer_sources(instruction)
            if sources is None:
                found.of[instruction.name] = frozenset((UNKNOWN,))
            else:
                found.of[instruction.name] = frozenset()
                pending.append((instruction.name, sources))
    changed = True
    while changed:
        changed = False
        for name, sources in pending:
            union = frozenset().union(*(found.roots(source) for source in sources))
            if union != found.of[name]:
                found.of[name] = union
                changed = True
    for name, roots in found.of.items():
        if len(roots) > 1 and NULL in roots:
            found.of[name] = roots - {NULL} if len(roots) > 2 else roots
    return found


def _align(text: str) -> int:
    match = re.search(r"\balign (\d+)\b", text)
    return int(match.group(1)) if match else 1


def accesses_of(kernel: KernelText, instruction: Instruction) -> list[Access]:
    """Return the memory accesses of an instruction (two for a memcpy)."""
    text, opcode = instruction.text, instruction.opcode
    if opcode == "load":
        body = re.sub(r"^load (?:atomic )?(?:volatile )?", "", text)
        parts = split_commas(body)
        return [_access(kernel, instruction, "load", parts[0], parts[1], _align(text))]
    if opcode == "store":
        body = re.sub(r"^store (?:atomic )?(?:volatile )?", "", text)
        parts = split_commas(body)
        kind = split_type(parts[0])[0]
        return [_access(kernel, instruction, "store", kind, parts[1], _align(text))]
    if opcode in ("atomicrmw", "cmpxchg"):
        body = re.sub(r"^(?:atomicrmw|cmpxchg) (?:weak )?(?:volatile )?(?:\w+ )??(?=ptr)", "", text)
        parts = split_commas(body)
        kind = split_type(parts[1])[0]
        return [_access(kernel, instruction, "atomic", kind, parts[0], _align(text))]
    if opcode == "call" and ("@llvm.mem" in text):
        call = parse_call(instruction)
        if not call.callee.startswith(("llvm.memcpy", "llvm.memmove", "llvm.memset")):
            return []
        length = call.arguments[2][1]
        found = [_transfer("store", instruction, call.arguments[0], length)]
        if not call.callee.startswith("llvm.memset"):
            found.insert(0, _transfer("load", instruction, call.arguments[1], length))
        return found
    return []


def _transfer(kind: str, instruction: Instruction, pointer: tuple[str, str], length: str) -> Access:
    return Access(
        instruction=instruction.index,
        kind=kind,
        pointer=pointer[1],
        address_space=address_space(pointer[0]),
        bytes=int(length) if length.isdigit() else 0,
        align_bytes=1,
        length="" if length.isdigit() else length,
        value_type="i8",
    )


def _access(
    kernel: KernelText,
    instruction: Instruction,
    kind: str,
    value_type: str,
    pointer: str,
    align: int,
) -> Access:
    pointer_type, operand = split_type(pointer)
    operand = re.sub(
        r" (?:syncscope\(.*?\) )?(?:unordered|monotonic|acquire|seq_cst|release)$", "", operand
    )
    return Access(
        instruction=instruction.index,
        kind=kind,
        pointer=operand,
        address_space=address_space(pointer_type),
        bytes=type_size(kernel, value_type),
        align_bytes=align,
        value_type=value_type,
    )


_SCALAR_BYTES = {"half": 2, "bfloat": 2, "float": 4, "double": 8}


def store_size(type_text: str) -> int | None:
    """Return the bytes that a load or store of a scalar or vector type touches, else None.

    A three-component vector touches three components (its allocation is four).
    """
    if type_text.startswith("ptr"):
        return 8
    match = re.fullmatch(r"<(\d+) x (.*)>", type_text)
    if match:
        lane = match.group(2)
        if lane[0] == "i":
            return (int(match.group(1)) * int(lane[1:]) + 7) // 8
        inner = store_size(lane)
        return None if inner is None else int(match.group(1)) * inner
    if re.fullmatch(r"i\d+", type_text):
        return (int(type_text[1:]) + 7) // 8
    return _SCALAR_BYTES.get(type_text)


def type_size(kernel: KernelText, type_text: str) -> int:
    """Return the bytes a load or store of `type_text` touches."""
    size = store_size(type_text)
    return kernel.sizes[type_text] if size is None else size
