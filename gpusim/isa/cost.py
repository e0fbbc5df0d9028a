"""What a basic block costs to issue on an ISA family; the contract between `isa` and `timing`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.isa.backend import lower_kernel

BLOCK_COST = np.dtype(
    [
        # All figures are per work-item (Midgard) or per warp (the others) and per execution of
        # the block. A warp executes a block once for all its active lanes.
        ("issue_cycles", np.float64),  # cycles of one arithmetic pipe: bundles, tuples, instr.
        ("issue_units", np.float64),  # number of bundles, tuples or warp instructions issued
        ("arithmetic_instructions", np.float64),  # as published counters define it (decision 10)
        ("special_cycles", np.float64),  # cycles of the special-function unit, where separate
        ("load_store", np.float64),  # load/store operations or messages, all address spaces
        ("load_store_cycles", np.float64),  # cycles of the load/store pipe without cache effects
        ("texture", np.float64),  # texture-pipe operations (image reads, Midgard barriers)
        ("clauses", np.float64),  # Bifrost; 0 elsewhere
        ("latency_cycles", np.float64),  # dependent chain through the block, L1 hits assumed
        ("barriers", np.float64),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCost:
    """Issue cost of a kernel on one ISA."""

    isa: str
    unit: str
    """What `issue_units` counts: ``bundles``, ``tuples`` or ``instructions``."""
    registers: int
    """Work registers per work-item (vec4 on Midgard, 32-bit elsewhere)."""
    blocks: npt.NDArray[np.void]
    """(n_block,) BLOCK_COST in the order of the kernel's blocks."""
    figures: dict[str, str] = field(default_factory=dict)
    """Figures of the cost tables used: path -> kind."""
    threads_per_core: int = 0
    """Work-items resident on a core by registers alone, 0 = not known."""
    spills: int = 0
    """Spill stores and reloads in the code."""
    notes: tuple[str, ...] = ()
    """What the costs do not rest on although it was asked for, in plain words."""


def cost_kernel(kernel: KernelIR, isa: str) -> KernelCost:
    """Return what each block of a kernel costs to issue.

    Parameters
    ----------
    kernel : KernelIR
        The kernel.
    isa : str
        ``bifrost``, ``midgard``, ``valhall``, ``maxwell``, ``pascal`` or ``adreno``.

    Returns
    -------
    KernelCost
        Per work-item on Midgard, per warp elsewhere.

    Raises
    ------
    CompileError
        The kernel uses something that the family's table does not cover.
    DeviceError
        Unknown family or malformed table.
    """
    lowered = lower_kernel(kernel, isa)
    blocks = np.zeros(len(lowered.blocks), dtype=BLOCK_COST)
    for row, code in zip(blocks, lowered.blocks, strict=True):
        row["issue_cycles"] = code.issue_cycles
        row["issue_units"] = code.units
        row["arithmetic_instructions"] = code.arithmetic_instructions
        row["special_cycles"] = code.pipes.get("sfu", 0.0)
        row["load_store"] = code.messages
        row["load_store_cycles"] = code.load_store_cycles
        row["texture"] = code.texture
        row["clauses"] = code.clauses
        row["latency_cycles"] = code.latency_cycles
        row["barriers"] = code.barriers
    return KernelCost(
        isa=isa,
        unit=lowered.unit,
        registers=lowered.registers,
        threads_per_core=lowered.threads_per_core,
        blocks=blocks,
        spills=lowered.spills,
        figures=lowered.figures(),
    )
