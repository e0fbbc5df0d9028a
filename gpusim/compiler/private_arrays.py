"""Unroll the loops that stand between a private array and the registers.

A tile of accumulators indexed by a loop counter can live in registers only if the loop is
unrolled, and every GPU compiler does so: private memory is DRAM on these devices. So loops with a
constant trip count that index a private array are marked for full unrolling; all others stay as
the source has them.
"""

from __future__ import annotations

import re

from gpusim.compiler.ir_reader import KernelArrays

_LOOP_NODE = re.compile(r", !llvm\.loop !\d+")
_TERMINATOR = re.compile(r"\s+(?:br|switch|ret|unreachable)\b")
_NODE = re.compile(r"^!(\d+) = ", re.MULTILINE)


def blocking_loops(kernel: KernelArrays) -> set[int]:
    """Return the latch blocks of the loops whose counters index a private array.

    Parameters
    ----------
    kernel : KernelArrays

    Returns
    -------
    set of int
        Block indices; empty when no unrolling would help.
    """
    instructions = kernel.instructions
    opcode = [kernel.opcodes[code] for code in instructions["opcode"]]
    operands = [
        kernel.operands[start:end].tolist()
        for start, end in zip(kernel.operand_start[:-1], kernel.operand_start[1:], strict=True)
    ]
    private: set[int] = set()
    for number, name in enumerate(opcode):
        is_derived = name in ("getelementptr", "phi", "select") and private & set(operands[number])
        if name == "alloca" or is_derived:
            private.add(number)
    latches: set[int] = set()
    header_of = {loop.header: loop for loop in kernel.loops}
    for number in private:
        if opcode[number] != "getelementptr":
            continue
        for counter in _counters(operands[number][1:], opcode, operands):
            loop = header_of.get(int(instructions["block"][counter]))
            if loop is not None:
                latches.update(loop.latches)
    return latches


def _counters(start: list[int], opcode: list[str], operands: list[list[int]]) -> set[int]:
    """Return the PHIs that values are computed from."""
    pending = [value for value in start if value >= 0]
    seen: set[int] = set()
    found: set[int] = set()
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        if opcode[value] == "phi":
            found.add(value)
        elif opcode[value] not in ("load", "call"):
            pending += [operand for operand in operands[value] if operand >= 0]
    return found


def mark_for_unrolling(text: str, kernel: str, latches: set[int]) -> str:
    """Attach ``llvm.loop.unroll.full`` to the terminators of some blocks of a kernel.

    Parameters
    ----------
    text : str
        Module text with metadata; blocks in the order of `latches`' numbering.
    kernel : str
        Name of the function.
    latches : set of int
        Block indices.
    """
    node = 1 + max((int(number) for number in _NODE.findall(text)), default=-1)
    lines = text.split("\n")
    start = next(
        number
        for number, line in enumerate(lines)
        if line.startswith("define ") and f"@{kernel}(" in line
    )
    block = 0
    added = []
    for number in range(start + 1, len(lines)):
        line = lines[number]
        if line == "}":
            break
        if _TERMINATOR.match(line):
            if block in latches:
                lines[number] = f"{_LOOP_NODE.sub('', line)}, !llvm.loop !{node}"
                added += [f"!{node} = distinct !{{!{node}, !{node + 1}}}"]
                added += [f'!{node + 1} = !{{!"llvm.loop.unroll.full"}}']
                node += 2
            block += 1
    return "\n".join([*lines, *added]) + "\n"
