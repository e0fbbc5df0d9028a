"""The normalised kernel as plain arrays: blocks, SSA instructions, operands, loops.

Produced by the pinned pipeline from OpenCL C; read by `count` (what is executed), `isa` (what it
costs) and nobody else. Values are SSA: each instruction defines at most one value.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_parts import (
    ADDRESS_SPACES,
    BLOCK,
    CONSTANT,
    PARAMETER,
    Loop,
    Parameter,
    ValueType,
)

__all__ = [
    "ADDRESS_SPACES",
    "BLOCK",
    "CONSTANT",
    "INSTRUCTION",
    "PARAMETER",
    "READY",
    "KernelIR",
    "Loop",
    "Parameter",
    "ValueType",
]

INSTRUCTION = np.dtype(
    [
        ("block", np.int32),  # index of the basic block
        ("opcode", np.int16),  # index into KernelIR.opcodes (LLVM opcode names)
        ("type", np.int32),  # index into KernelIR.types: type of the result
        ("operand_type", np.int32),  # type of the first operand (store: of the value stored)
        ("callee", np.int32),  # index into KernelIR.callees, -1 = not a call
        # Index into KernelIR.predicates: of icmp and fcmp the relation, of atomicrmw the
        # operation; else -1
        ("predicate", np.int32),
        ("address_space", np.int8),  # of a memory access, else -1
        ("access_bytes", np.int32),  # of a memory access, else 0
        ("align_bytes", np.int32),
        ("line", np.int32),  # OpenCL C source line, 0 = unknown
        # Index into KernelIR.types: what a getelementptr steps over, what an alloca holds; else -1
        ("element_type", np.int32),
    ]
)


READY = "none"
"""`KernelIR.pipeline` of ready bitcode: it is counted as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelIR:
    """One kernel, everything inlined, after the pinned pipeline."""

    name: str
    parameters: tuple[Parameter, ...]
    opcodes: tuple[str, ...]
    types: tuple[ValueType, ...]
    callees: tuple[str, ...]
    predicates: tuple[str, ...]
    block_names: tuple[str, ...]
    instructions: npt.NDArray[np.void]
    """(n_instruction,) INSTRUCTION, in block order, PHIs first in each block."""
    operand_start: npt.NDArray[np.int64]
    """(n_instruction + 1,) offsets into `operands`."""
    operands: npt.NDArray[np.int32]
    """>= 0: index of the defining instruction; else CONSTANT, PARAMETER - i or BLOCK - b."""
    operand_text: tuple[str, ...] = field(repr=False, default=())
    """Text of each operand as LLVM prints it. Operands are in the order LLVM prints them: a store
    has value and pointer, a call its arguments, a PHI value and ``label`` in turn, a conditional
    branch condition, target if true, target if false; a switch value, default target, then case
    value and target in turn."""
    edges: npt.NDArray[np.int32]
    """(n_edge, 2) control-flow edges (from block, to block)."""
    loops: tuple[Loop, ...]
    local_memory_bytes: int
    """Of ``__local`` variables; arguments not included."""
    private_memory_bytes: int
    """Of the arrays that stayed in private memory, per work-item."""
    has_barrier: bool
    required_local_size: tuple[int, int, int] | None
    text: str = field(repr=False, default="")
    """Normalised LLVM IR of the module."""
    source_lines: tuple[str, ...] = field(repr=False, default=())
    pipeline: str = ""
    """Version of the pinned pipeline, part of every result."""
    key: str = ""
    """Content hash of source, options, kernel name and pipeline."""

    @property
    def n_blocks(self) -> int:
        """Number of basic blocks."""
        return len(self.block_names)
