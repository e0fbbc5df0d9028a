"""Machine code before and after scheduling: micro-operations on virtual registers.

Selection turns IR into :class:`MicroOp` lists, one per basic block; the schedulers pack them into
the family's issue words. Virtual registers are integers; what one holds (a 32-bit scalar, or up
to 128 bits on Midgard) is in :class:`MachineKernel`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ALU = "alu"
LOAD = "load"
STORE = "store"
ATOMIC = "atomic"
TEXTURE = "texture"
BARRIER = "barrier"
BRANCH = "branch"

MESSAGES = frozenset({LOAD, STORE, ATOMIC, TEXTURE, BARRIER})
"""Kinds that leave the arithmetic pipe for a shared unit."""


@dataclass(slots=True, kw_only=True)
class MicroOp:
    """One machine operation; identity matters, so it is not frozen into a value."""

    name: str
    """Operation class, e.g. ``fma``, ``load.128``."""
    unit: str
    """Unit set of the family's table."""
    kind: str = ALU
    reads: tuple[int, ...] = ()
    """Virtual registers read through register ports, repetitions included."""
    writes: tuple[int, ...] = ()
    staging: tuple[int, ...] = ()
    """Registers whose content a message carries (data of a store), not read through ports."""
    words: tuple[str, ...] = ()
    """Uniform and constant operands: ``u<word>`` = 64-bit uniform word, ``c<text>`` = constant."""
    lanes: int = 1
    """Elements computed (Midgard vectors, fp16 pairs)."""
    bits: int = 32
    """Width of one element."""
    space: str = ""
    """Address space of a memory access."""
    bytes: int = 0
    """Of a memory access, per work-item."""
    line: int = 0
    instruction: int = -1
    """IR instruction a memory access stands for (or a part of it); -1 = none, e.g. a spill."""
    share: float = 1.0
    """Part of the executions in which it is issued: a wide load may serve several copies of an
    unrolled loop."""
    n_jumps: int = 0
    """Unconditional jumps that this entry stands for."""


@dataclass(slots=True, kw_only=True)
class MachineBlock:
    """Micro-operations of one basic block, in a legal sequential order."""

    ops: list[MicroOp] = field(default_factory=list)
    live_out: frozenset[int] = frozenset()
    """Virtual registers still needed after the block."""


@dataclass(slots=True, kw_only=True)
class MachineKernel:
    """A kernel after selection."""

    blocks: list[MachineBlock]
    register_words: dict[int, int]
    """32-bit words that each virtual register holds (1 unless Midgard vectors)."""
    ties: list[tuple[int, int, int]]
    """(phi, incoming value, predecessor block): values that share a register with their phi."""
    copies: dict[int, int] = field(default_factory=dict)
    """Block of unrolled loops -> its copies that follow each other without a branch."""
