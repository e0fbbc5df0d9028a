"""The parts of a kernel that need no NumPy: types, parameters, loops, codes of operands.

The worker process uses only these; everybody else finds them in `kernel_ir`.
"""

from __future__ import annotations

from dataclasses import dataclass

ADDRESS_SPACES = {0: "private", 1: "global", 2: "constant", 3: "local", 4: "generic"}
"""SPIR address space numbers."""

CONSTANT = -1
"""Operand code: an immediate; its text is in `operand_text`."""
PARAMETER = -1000
"""Operand codes ``PARAMETER - i`` mean kernel parameter i; ``BLOCK - b`` a branch target."""
BLOCK = -1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueType:
    """A first-class type: ``i32``, ``<4 x float>``, ``ptr addrspace(1)``..."""

    kind: str
    """``int``, ``float``, ``pointer``, ``void``, ``label`` or ``aggregate``."""
    bits: int
    """Of one lane; a pointer has 64."""
    lanes: int = 1
    address_space: int = 0
    """Of a pointer."""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A kernel parameter as the OpenCL source declares it."""

    name: str
    type_name: str
    """OpenCL spelling, e.g. ``float*``, ``uint``, ``image2d_t``."""
    kind: str
    """``buffer`` (global or constant pointer), ``local``, ``image``, ``sampler``, ``value``."""
    size_bytes: int
    """Of a by-value parameter; 8 for pointers."""
    address_space: int = 0
    access: str = "none"
    """Image access qualifier."""
    is_const: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A natural loop."""

    header: int
    parent: int
    """Index of the enclosing loop, -1 = outermost."""
    depth: int
    blocks: tuple[int, ...]
    """All blocks, those of inner loops included."""
    latches: tuple[int, ...]
