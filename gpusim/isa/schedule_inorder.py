"""Issue of families that schedule single instructions: Valhall, Maxwell, Pascal, Adreno.

Instructions stay in dependence order (source order among the ready ones). What a block costs is
the busiest pipe: issue slots, arithmetic, special functions, load/store.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpusim.isa.dependence import dependences
from gpusim.isa.machine import LOAD, MachineKernel, MicroOp
from gpusim.isa.table import IsaTable

_HALF_BITS = 16

PIPES: dict[str, dict[str, tuple[str, str, bool]]] = {
    "valhall": {
        "FMA": ("fma", "fma_cycles", False),
        "CVT": ("cvt", "cvt_cycles", False),
        "CVT2": ("cvt", "cvt_cycles", True),
        "SFU": ("sfu", "sfu_cycles", False),
        "SFU2": ("sfu", "sfu_cycles", True),
        "LS": ("load_store", "message_cycles", False),
        "TEX": ("texture", "message_cycles", False),
        "BR": ("branch", "branch_cycles", False),
    },
    "adreno": {
        "ALU": ("alu", "alu_cycles", False),
        "MAD": ("alu", "mad_cycles", False),
        "MUL": ("alu", "multiply_cycles", False),
        "SFU": ("sfu", "sfu_cycles", False),
        "SLOW": ("sfu", "slow_sfu_cycles", False),
        "LS": ("load_store", "load_store_cycles", False),
        "TEX": ("texture", "load_store_cycles", False),
        "CTL": ("branch", "control_cycles", False),
    },
    "maxwell": {
        "ALU": ("alu", "alu_cycles", False),
        "HALF": ("alu", "half_rate_cycles", False),
        "SFU": ("sfu", "sfu_cycles", False),
        "DP": ("double", "double_cycles", False),
        "LSU": ("load_store", "load_store_cycles", False),
        "CTL": ("branch", "control_cycles", False),
    },
}
PIPES["pascal"] = PIPES["maxwell"]
"""Unit of the table -> (pipe, rule with its cycles, whether it is a 64-bit operation)."""


_PACKED = {"MAD": "half_mad_cycles"}
"""Unit -> rule with the cycles of an operation on a pair of 16-bit elements, where it differs."""


def unit_cycles(op: MicroOp, table: IsaTable) -> float:
    """Return the cycles that an operation occupies its pipe."""
    _, rule, _ = PIPES[table.isa][op.unit]
    if op.bits == _HALF_BITS and op.lanes > 1:
        rule = _PACKED.get(op.unit, rule)
    return float(table.rule(rule))


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
    barriers = int(table.rule("dependency_barriers"))
    for block in kernel.blocks:
        loads = {id(op) for op in block.ops if op.kind == LOAD and op.space != "local"}
        if len(loads) <= barriers:
            continue
        result: list[MicroOp] = []
        seen = 0
        for op in block.ops:
            result.append(op)
            seen += id(op) in loads
            if id(op) in loads and seen % per_wait == 0:
                result.append(MicroOp(name="wait", unit="CTL", line=op.line))
        block.ops = result
