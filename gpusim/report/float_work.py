"""Floating-point operations of a job, for rooflines: counted, not estimated."""

from __future__ import annotations

import re

import numpy as np

from gpusim.count.work_count import WorkCount

_ARITHMETIC = ("fadd", "fsub", "fmul", "fdiv", "frem")
_FUSED = re.compile(r"llvm\.(fma|fmuladd)\.|_Z\d+(fma|mad)D?[vhfd]")
"""Multiply-adds, as LLVM and as OpenCL spell them (Itanium mangling)."""
_NOT_ARITHMETIC = re.compile(
    r"llvm\.(fabs|copysign|maxnum|minnum|is)|_Z\d+(f?max|f?min|fabs|read_|vload|convert|as_)"
)


def float_operations(count: WorkCount) -> dict[int, int]:
    """Return the floating-point operations that a job executes.

    An addition, subtraction, multiplication or division of one lane is one operation, a
    multiply-add two, and a call of any other function with floating-point result one, whatever
    it takes inside. Comparisons, conversions, minima, maxima and sign changes are none.

    Returns
    -------
    dict
        Bits of an operand (16, 32, 64) -> operations, summed over work-items; empty where
        there are none.
    """
    kernel = count.kernel
    executed = count.block_executions[kernel.instructions["block"]]
    result: dict[int, int] = {}
    for row, times in zip(kernel.instructions, executed, strict=True):
        kind = kernel.types[int(row["type"])]
        if kind.kind != "float" or not times:
            continue
        weight = _weight(kernel.opcodes[int(row["opcode"])], _callee(kernel.callees, row))
        if weight:
            result[kind.bits] = result.get(kind.bits, 0) + weight * kind.lanes * int(times)
    return dict(sorted(result.items()))


def _callee(callees: tuple[str, ...], row: np.void) -> str:
    return callees[int(row["callee"])] if row["callee"] >= 0 else ""


def _weight(opcode: str, callee: str) -> int:
    """Return the operations of one lane of one instruction."""
    if opcode in _ARITHMETIC:
        return 1
    if opcode != "call" or _NOT_ARITHMETIC.match(callee):
        return 0
    return 2 if _FUSED.match(callee) else 1
