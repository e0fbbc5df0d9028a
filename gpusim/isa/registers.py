"""Live ranges over scheduled code, and how many work-items a core holds."""

from __future__ import annotations

from collections.abc import Sequence

from gpusim.isa.ir_view import IRView
from gpusim.isa.machine import MachineKernel, MicroOp
from gpusim.isa.table import IsaTable


def live_out_sets(
    kernel: MachineKernel, view: IRView, orders: Sequence[Sequence[MicroOp]]
) -> list[set[int]]:
    """Return the virtual registers that are live at the end of each block.

    Parameters
    ----------
    kernel : MachineKernel
        For the ties: a tied value stands for its phi from its definition on.
    view : IRView
        For the control-flow graph.
    orders : sequence of sequence of MicroOp
        Operations of each block in issue order.
    """
    alias = aliases(kernel)
    uses, defs = [], []
    for ops in orders:
        used: set[int] = set()
        defined: set[int] = set()
        for op in ops:
            used |= {alias[n] for n in (*op.reads, *op.staging)} - defined
            defined |= {alias[n] for n in op.writes}
        uses.append(used)
        defs.append(defined)
    live_in = [set(used) for used in uses]
    live_out: list[set[int]] = [set() for _ in orders]
    has_changed = True
    while has_changed:
        has_changed = False
        for block in reversed(range(len(orders))):
            out = {n for successor in view.successors[block] for n in live_in[successor]}
            new = uses[block] | (out - defs[block])
            has_changed |= new != live_in[block] or out != live_out[block]
            live_in[block], live_out[block] = new, out
    return live_out


def aliases(kernel: MachineKernel) -> dict[int, int]:
    """Return the representative of each virtual register; tied ones share it."""
    alias = {number: number for number in kernel.register_words}

    def root(number: int) -> int:
        while alias[number] != number:
            number = alias[number]
        return number

    for phi, value, _ in kernel.ties:
        first, second = root(phi), root(value)
        if first != second:
            alias[second] = first
    return {number: root(number) for number in alias}


def threads_for(registers: int, table: IsaTable) -> int:
    """Return the work-items a core holds when each needs `registers`.

    Parameters
    ----------
    registers : int
        128-bit registers on Midgard, 32-bit registers elsewhere.
    table : IsaTable
        Table of the family; a device model may say otherwise.
    """
    steps: dict[int, int] = table.rule("threads_by_registers")
    fitting = [threads for limit, threads in sorted(steps.items()) if registers <= limit]
    if fitting:
        return fitting[0]
    limit, threads = max(steps.items())
    # Beyond the table a register file of that size holds proportionally fewer work-items.
    granule = 8
    return threads * limit // (-(-registers // granule) * granule)
