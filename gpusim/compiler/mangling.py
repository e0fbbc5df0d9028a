"""OpenCL types, and the Itanium-mangled names under which clang calls OpenCL's functions."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SCALARS = {
    "c": ("int", 8),
    "a": ("int", 8),
    "h": ("uint", 8),
    "s": ("int", 16),
    "t": ("uint", 16),
    "i": ("int", 32),
    "j": ("uint", 32),
    "l": ("int", 64),
    "m": ("uint", 64),
    "Dh": ("float", 16),
    "f": ("float", 32),
    "d": ("float", 64),
}
_CODES = {kind: code for code, kind in _SCALARS.items() if code != "a"}
_FLOAT_TEXT = {16: "half", 32: "float", 64: "double"}
_OPAQUE_TEXT = {"ocl_sampler": "i32", "ocl_event": "ptr"}
_SCALAR = re.compile(r"Dh|[cahstijlmfd]")
_VECTOR = re.compile(r"Dv(\d+)_")
_NUMBER = re.compile(r"\d+")
_SUBSTITUTION = re.compile(r"S([0-9A-Z]*)_")


@dataclass(frozen=True, slots=True)
class ClType:
    """A type in the signature of an OpenCL function."""

    kind: str
    """``int`` (signed), ``uint``, ``float``, ``pointer``, ``void`` or ``opaque``."""
    bits: int = 0
    """Of one lane."""
    lanes: int = 1
    address_space: int = 0
    """Of a pointer."""
    pointee: ClType | None = None
    name: str = ""
    """Of an opaque type, e.g. ``ocl_image2d_ro``."""

    @property
    def is_float(self) -> bool:
        """Whether lanes are floating point."""
        return self.kind == "float"

    @property
    def is_signed(self) -> bool:
        """Whether lanes are signed integers."""
        return self.kind == "int"

    @property
    def element(self) -> ClType:
        """The type of one lane."""
        return ClType(self.kind, self.bits)

    def with_lanes(self, lanes: int) -> ClType:
        """Return the same element type with another number of lanes."""
        return ClType(self.kind, self.bits, lanes)

    @property
    def integer(self) -> ClType:
        """The signed integer type of the same shape (of a comparison's result)."""
        return ClType("int", self.bits, self.lanes)

    @property
    def ir(self) -> str:
        """As LLVM writes it."""
        if self.kind == "pointer":
            return f"ptr addrspace({self.address_space})" if self.address_space else "ptr"
        if self.kind == "void":
            return "void"
        if self.kind == "opaque":
            return _OPAQUE_TEXT.get(self.name, "ptr addrspace(1)")
        scalar = _FLOAT_TEXT[self.bits] if self.is_float else f"i{self.bits}"
        return scalar if self.lanes == 1 else f"<{self.lanes} x {scalar}>"

    @property
    def suffix(self) -> str:
        """As the name of an overloaded LLVM intrinsic ends, e.g. ``v4f32``."""
        scalar = ("f" if self.is_float else "i") + str(self.bits)
        return scalar if self.lanes == 1 else f"v{self.lanes}{scalar}"

    @property
    def code(self) -> str:
        """Mangled scalar type."""
        return _CODES[(self.kind, self.bits)]


@dataclass(frozen=True, slots=True)
class Signature:
    """A demangled function name."""

    name: str
    parameters: tuple[ClType, ...]


class _Reader:
    """One pass over the mangled parameter list, with the substitutions seen so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.seen: list[ClType] = []

    def done(self) -> bool:
        return self.position >= len(self.text)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.position)
        if match:
            self.position = match.end()
        return match

    def source_name(self) -> str:
        match = self._take(_NUMBER)
        if match is None:
            raise ValueError(self.text)
        start = self.position
        self.position += int(match[0])
        return self.text[start : self.position]

    def _keep(self, item: ClType) -> ClType:
        self.seen.append(item)
        return item

    def type(self) -> ClType:
        match = self._take(_SUBSTITUTION)
        if match:
            return self.seen[int(match[1], 36) + 1 if match[1] else 0]
        match = self._take(_VECTOR)
        if match:
            element = self.type()
            return self._keep(element.with_lanes(int(match[1])))
        if self.text.startswith("P", self.position):
            self.position += 1
            return self._keep(self._pointer())
        match = self._take(_SCALAR)
        if match:
            return ClType(*_SCALARS[match[0]])
        if self.text.startswith("v", self.position):
            self.position += 1
            return ClType("void")
        return self._keep(ClType("opaque", name=self.source_name()))

    def _pointer(self) -> ClType:
        space = 0
        is_qualified = False
        while True:
            if self.text.startswith("U", self.position):
                self.position += 1
                space = int(self.source_name().removeprefix("AS"))
            elif self.text[self.position : self.position + 1] in ("K", "V", "r"):
                self.position += 1
            else:
                break
            is_qualified = True
        # A substitution may stand for a qualified pointee; its space was kept with it.
        pointee = self.type()
        if is_qualified:
            pointee = self._keep(
                ClType(pointee.kind, pointee.bits, pointee.lanes, space, pointee, pointee.name)
            )
        return ClType("pointer", 64, 1, pointee.address_space, _bare(pointee))


def _bare(item: ClType) -> ClType:
    if item.kind == "pointer" or item.pointee is None:
        return item
    return item.pointee


def demangle(mangled: str) -> Signature | None:
    """Return name and parameter types of a mangled OpenCL function.

    Parameters
    ----------
    mangled : str
        E.g. ``_Z6vload4mPU3AS1Kf``.

    Returns
    -------
    Signature or None
        None when `mangled` is not the name of a function over OpenCL types.
    """
    if not mangled.startswith("_Z"):
        return None
    reader = _Reader(mangled[2:])
    try:
        name = reader.source_name()
        parameters = []
        while not reader.done():
            parameters.append(reader.type())
    except (ValueError, IndexError, KeyError):
        return None
    kept = tuple(item for item in parameters if item.kind != "void")
    return Signature(name, kept)


def mangle(name: str, parameters: tuple[ClType, ...]) -> str:
    """Return the mangled name of a function over scalars."""
    return f"_Z{len(name)}{name}" + "".join(item.code for item in parameters)


SCALAR_TYPES: dict[str, ClType] = {
    "char": ClType("int", 8),
    "uchar": ClType("uint", 8),
    "short": ClType("int", 16),
    "ushort": ClType("uint", 16),
    "int": ClType("int", 32),
    "uint": ClType("uint", 32),
    "long": ClType("int", 64),
    "ulong": ClType("uint", 64),
    "half": ClType("float", 16),
    "float": ClType("float", 32),
    "double": ClType("float", 64),
}
"""OpenCL's scalar types by name."""
