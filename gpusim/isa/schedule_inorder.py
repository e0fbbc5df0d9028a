"""Issue of families that schedule single instructions: Valhall, Maxwell, Pascal, Adreno.

Instructions stay in dependence order (source order among the ready ones). What a block costs is
the busiest pipe: issue slots, arithmetic, special functions, load/store.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpusim.isa.dependence import dependences
from gpusim.isa.machine import LOAD, MachineKernel, MicroOp
from gpusim.isa.table import IsaTable

_DEPENDENCY_BARRIERS = 6

PIPES: dict[str, dict[str, tuple[str, str, int]]] = {
    "valhall": {
        "FMA": ("fma", "fma_cycles", 1),
        "CVT": ("cvt", "cvt_cycles", 1),
        "CVT2": ("cvt", "cvt_cycles", 2),
        "SFU": ("sfu", "sfu_cycles", 1),
        "SFU2": ("sfu", "sfu_cycles", 2),
        "LS": ("load_store", "message_cycles", 1),
        "TEX": ("texture", "message_cycles", 1),
        "BR": ("branch", "branch_cycles", 1),
    },
    "adreno": {
        "ALU": ("alu", "alu_cycles", 1),
        "MAD": ("alu", "mad_cycles", 1),
        "MUL": ("alu", "multiply_cycles", 1),
        "SFU": ("sfu", "sfu_cycles", 1),
        "SLOW": ("sfu", "slow_sfu_cycles", 1),
        "LS": ("load_store", "load_store_cycles", 1),
        "TEX": ("texture", "load_store_cycles", 1),
        "CTL": ("branch", "control_cycles", 1),
    },
    "maxwell": {
        "ALU": ("alu", "alu_cycles", 1),
        "HALF": ("alu", "half_rate_cycles", 1),
        "SFU": ("sfu", "sfu_cycles", 1),
        "DP": ("double", "double_cycles", 1),
        "LSU": ("load_store", "load_store_cycles", 1),
        "CTL": ("branch", "control_cycles", 1),
    },
}
PIPES["pascal"] = PIPES["maxwell"]
"""Unit of the table -> (pipe, rule with its cycles, issues of one instruction)."""


def schedule_inorder(ops: Sequence[MicroOp], ties: Sequence[tuple[int, int]] = ()) -> list[MicroOp]:
    """Return the operations of a block in issue order.

    Parameters
    ----------
    ops : sequence of MicroOp
        In a legal sequential order.
    ties : sequence of (int, int)
        (phi, value) pairs that share a register.
    """
    before = dependences(ops, ties)
    done: set[int] = set()
    remaining = list(range(len(ops)))
    order = []
    while remaining:
        position = next(p for p in remaining if before[p] <= done)
        done.add(position)
        remaining.remove(position)
        order.append(ops[position])
    return order


def add_waits(kernel: MachineKernel, table: IsaTable) -> None:
    """Insert the explicit waits of a block with more loads than dependency barriers.

    Parameters
    ----------
    kernel : MachineKernel
        Changed in place.
    table : IsaTable
        NVIDIA table.
    """
    per_wait = int(table.rule("loads_per_wait"))
    for block in kernel.blocks:
        loads = {id(op) for op in block.ops if op.kind == LOAD and op.space != "local"}
        if len(loads) <= _DEPENDENCY_BARRIERS:
            continue
        result: list[MicroOp] = []
        seen = 0
        for op in block.ops:
            result.append(op)
            seen += id(op) in loads
            if id(op) in loads and seen % per_wait == 0:
                result.append(MicroOp(name="wait", unit="CTL", line=op.line))
        block.ops = result
