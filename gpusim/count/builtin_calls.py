"""Built-in functions that ready bitcode still calls: what they access, and their bodies.

The pinned pipeline leaves scalar maths only. Bitcode made elsewhere (for comparison with other
tools) also calls vloadN, atomics and vector functions; they run as the compiler defines them, and
count as the one call that they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpusim.compiler.builtins.catalogue import link_builtins
from gpusim.compiler.mangling import ClType, demangle
from gpusim.count.defined import flat
from gpusim.count.ir_text import Call
from gpusim.errors import CompileError, CountError

_VLOAD = re.compile(r"(vload|vstore)(a?_half)?(2|3|4|8|16)?(?:_rt[ezpn])?")
_ATOMIC = re.compile(r"atom(?:ic)?_\w+")


@dataclass(frozen=True, slots=True)
class BuiltinAccess:
    """Memory that a built-in function touches."""

    kind: str
    pointer: int
    """Which argument is the address."""
    index: int
    """Which argument is multiplied with `stride_bytes` and added; -1 = none."""
    stride_bytes: int
    bytes: int
    align_bytes: int


def builtin_accesses(call: Call) -> list[BuiltinAccess]:
    """Return the memory accesses of a call by its mangled name."""
    signature = demangle(call.callee)
    if signature is None:
        return []
    pointers = [
        (number, kind)
        for number, kind in enumerate(signature.parameters)
        if kind.pointee is not None
    ]
    if not pointers:
        return []
    number, kind = pointers[0]
    match = _VLOAD.fullmatch(signature.name)
    if match is not None:
        return [_vector_access(match, number, kind)]
    size = _bytes(kind.pointee)
    if _ATOMIC.fullmatch(signature.name):
        return [BuiltinAccess("atomic", number, -1, 0, size, size)]
    return [
        BuiltinAccess("store", n, -1, 0, _bytes(k.pointee), _bytes(k.pointee)) for n, k in pointers
    ]


def _vector_access(match: re.Match[str], number: int, kind: ClType) -> BuiltinAccess:
    lanes, element = int(match[3] or 1), _bytes(kind.pointee)
    is_aligned = match[2] == "a_half"
    stride = element * (4 if is_aligned and lanes == 3 else lanes)
    return BuiltinAccess(
        kind=match[1][1:],
        pointer=number,
        index=number - 1,
        stride_bytes=stride,
        bytes=element * lanes,
        align_bytes=stride if is_aligned else element,
    )


def _bytes(kind: ClType | None) -> int:
    return 1 if kind is None else max(1, kind.bits * kind.lanes // 8)


def builtin_definitions(call: Call, kernel: str) -> tuple[dict[str, str], list[Call]]:
    """Return the definitions that a call needs, and the scalar maths functions they call.

    Raises
    ------
    CountError
        gpusim does not know the function.
    """
    kinds = ", ".join(kind for kind, _ in call.arguments)
    line = f"declare {call.type} @{call.callee}({kinds})"
    try:
        linked = link_builtins([line], where=f"kernel {kernel}")
    except CompileError as error:
        raise CountError(str(error)) from None
    found = {}
    for text in linked.definitions:
        name = re.search(r"@([\w.$]+)\(", text)
        assert name is not None
        found[name.group(1)] = "\n".join(
            re.sub(r" #\d+(?= \{|$)", "", flat(row)) for row in text.splitlines()
        )
    externals = []
    for declared in linked.declarations:
        match = re.match(r"declare\s+(.+?)\s+@([\w.$]+)\((.*?)\)", declared)
        if match is not None and not match[2].startswith("llvm."):
            parts = [part.strip() for part in match[3].split(",") if part.strip()]
            externals.append(Call(match[2], match[1], tuple((part, "") for part in parts)))
    return found, externals
