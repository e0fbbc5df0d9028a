"""Bytes that the work-groups of a job move between L1, L2 and external memory.

The estimate needs no addresses: of each buffer argument, the executed loads and stores are
counted exactly, and what leaves a level is what cannot be avoided: every touched byte of a
buffer moves once. These are lower bounds: a cache that is too small to hold what is reused, or
several cores that share a buffer, move more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import BLOCK, PARAMETER, KernelIR
from gpusim.count.work_count import WorkCount
from gpusim.lower.job import Job
from gpusim.trace.records import ArgumentKind

GLOBAL_SPACES = (1, 2, 4)
"""SPIR address spaces behind the caches: global, constant, generic."""
_UNKNOWN = -1
_FORWARDING = ("getelementptr", "bitcast", "addrspacecast", "freeze", "phi", "select")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Mean bytes per work-group of each count class; float64 arrays of shape (n_class,)."""

    accessed_bytes: npt.NDArray[np.float64]
    """What the work-items load and store, caches or not."""
    l2_read_bytes: npt.NDArray[np.float64]
    l2_write_bytes: npt.NDArray[np.float64]
    dram_read_bytes: npt.NDArray[np.float64]
    dram_write_bytes: npt.NDArray[np.float64]
    loads: npt.NDArray[np.float64]
    """Executed load instructions, per work-item."""


def estimate_traffic(job: Job, count: WorkCount) -> Traffic:
    """Return the traffic of the job's work-groups, by class.

    Parameters
    ----------
    job : Job
        Its arguments say how large each buffer is.
    count : WorkCount
        Executed blocks of the same job.
    """
    accesses = _access_table(count.kernel)
    n_class = len(count.class_blocks)
    zero = np.zeros(n_class)
    if not accesses.size:
        return Traffic(
            accessed_bytes=zero,
            l2_read_bytes=zero,
            l2_write_bytes=zero,
            dram_read_bytes=zero,
            dram_write_bytes=zero,
            loads=zero,
        )
    executions = count.class_blocks[:, accesses["block"]].astype(np.float64)
    moved = executions * accesses["access_bytes"]
    is_load = accesses["is_load"]
    groups = count.class_groups.astype(np.float64)
    sizes = _buffer_bytes(job, count.kernel)
    share = {True: np.zeros(n_class), False: np.zeros(n_class)}
    for parameter in np.unique(accesses["parameter"]):
        size = sizes.get(int(parameter), sum(sizes.values()))
        for load in (True, False):
            chosen = (accesses["parameter"] == parameter) & (is_load == load)
            by_class = moved[:, chosen].sum(axis=1)
            total = float(groups @ by_class)
            if total == 0:
                continue
            share[load] += by_class * min(1.0, size / total)
    return Traffic(
        accessed_bytes=moved.sum(axis=1),
        l2_read_bytes=share[True],
        l2_write_bytes=share[False],
        dram_read_bytes=share[True],
        dram_write_bytes=share[False],
        loads=executions[:, is_load].sum(axis=1),
    )


_ACCESS = np.dtype(
    [
        ("block", np.int64),
        ("access_bytes", np.int64),
        ("is_load", np.bool_),
        ("parameter", np.int64),  # kernel parameter the address derives from, -1 = several
    ]
)


def _access_table(kernel: KernelIR) -> npt.NDArray[np.void]:
    """Return the accesses of `kernel` that go through the caches."""
    rows = kernel.instructions
    cached = np.isin(rows["address_space"], GLOBAL_SPACES) & (rows["access_bytes"] > 0)
    indices = np.flatnonzero(cached)
    table = np.zeros(len(indices), dtype=_ACCESS)
    table["block"] = rows["block"][indices]
    table["access_bytes"] = rows["access_bytes"][indices]
    names = [kernel.opcodes[code] for code in rows["opcode"][indices]]
    table["is_load"] = [name != "store" for name in names]
    table["parameter"] = [
        base_parameter(kernel, int(index), is_store=name == "store")
        for index, name in zip(indices, names, strict=True)
    ]
    return table


def base_parameter(kernel: KernelIR, index: int, *, is_store: bool = False) -> int:
    """Return the kernel parameter that instruction `index` addresses; -1 = not a single one."""
    start, stop = kernel.operand_start[index], kernel.operand_start[index + 1]
    operands = kernel.operands[start:stop]
    position = 1 if is_store else 0
    if position >= len(operands):
        return _UNKNOWN
    pending, seen, found = [int(operands[position])], set[int](), set[int]()
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        if value < 0:
            found.add(PARAMETER - value if _is_parameter(kernel, value) else _UNKNOWN)
            continue
        row = kernel.instructions[value]
        name = kernel.opcodes[row["opcode"]]
        sources = kernel.operands[kernel.operand_start[value] : kernel.operand_start[value + 1]]
        if name not in _FORWARDING or not len(sources):
            return _UNKNOWN
        if name == "phi":
            pending += [int(source) for source in sources if source > BLOCK]
        elif name == "select":
            pending += [int(source) for source in sources[1:]]
        else:
            pending.append(int(sources[0]))
    return found.pop() if len(found) == 1 else _UNKNOWN


def _is_parameter(kernel: KernelIR, value: int) -> bool:
    return PARAMETER - len(kernel.parameters) < value <= PARAMETER


def _buffer_bytes(job: Job, kernel: KernelIR) -> dict[int, int]:
    """Return kernel parameter -> bytes of the buffer or image bound to it."""
    memory = (ArgumentKind.BUFFER, ArgumentKind.IMAGE)
    return {
        bound.argument.index: bound.size_bytes
        for bound in job.arguments
        if bound.argument.kind in memory and bound.argument.index < len(kernel.parameters)
    }
