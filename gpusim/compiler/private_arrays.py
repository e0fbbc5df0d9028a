"""Unroll the loops that stand between a private array and the registers.

A tile of accumulators indexed by a loop counter can live in registers only if the loop is
unrolled, and every GPU compiler does so: private memory is DRAM on these devices. So loops with a
constant trip count that index a private array are marked for full unrolling; all others stay as
the source has them.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import product

from gpusim.compiler.ir_reader import KernelCode
from gpusim.compiler.layout import size_and_align

_REGISTER_BYTES = 1024
"""No GPU modelled gives a work-item more registers (255 of 32 bits on Maxwell and Pascal):
unrolling for a larger array brings nothing."""
_UNROLLED_INSTRUCTIONS = 1 << 14
"""Nested loops multiply; beyond this LLVM would take minutes, and gives up unrolling itself."""
_LOOP_NODE = re.compile(r", !llvm\.loop !\d+")
_TERMINATOR = re.compile(r"\s+(?:br|switch|ret|unreachable)\b")
_NODE = re.compile(r"^!(\d+) = ", re.MULTILINE)
_INTEGER = re.compile(r"-?\d+")


def blocking_loops(kernel: KernelCode) -> set[int]:
    """Return the latch blocks of the loops whose counters index a private array.

    Parameters
    ----------
    kernel : KernelCode

    Returns
    -------
    set of int
        Block indices; empty when no unrolling would help.
    """
    opcode = [kernel.opcodes[row.opcode] for row in kernel.instructions]
    operands = [
        kernel.operands[start:end]
        for start, end in zip(kernel.operand_start[:-1], kernel.operand_start[1:], strict=True)
    ]
    private = _candidates(kernel, opcode)
    for number, name in enumerate(opcode):
        if name in ("getelementptr", "phi", "select") and private & set(operands[number]):
            private.add(number)
    marked: set[int] = set()
    header_of = {loop.header: number for number, loop in enumerate(kernel.loops)}
    for number in private:
        if opcode[number] != "getelementptr":
            continue
        for counter in _counters(operands[number][1:], opcode, operands):
            loop = header_of.get(kernel.instructions[counter].block)
            if loop is not None:
                marked.add(loop)
    return {
        latch
        for loop in _affordable(kernel, marked, opcode)
        for latch in kernel.loops[loop].latches
    }


def _affordable(kernel: KernelCode, marked: set[int], opcode: list[str]) -> list[int]:
    """Return the loops, inner ones first, whose bodies unrolled together stay below the limit."""
    copies = [1.0] * len(kernel.block_names)
    size = Counter(row.block for row in kernel.instructions)
    chosen = []
    for number in sorted(marked, key=lambda loop: -kernel.loops[loop].depth):
        blocks = kernel.loops[number].blocks
        trips = _trip_count(kernel, number, opcode)
        if sum(trips * copies[block] * size[block] for block in blocks) <= _UNROLLED_INSTRUCTIONS:
            for block in blocks:
                copies[block] *= trips
            chosen.append(number)
    return chosen


def _trip_count(kernel: KernelCode, number: int, opcode: list[str]) -> float:
    """Return about how often a loop that counts between constants runs, 1 for any other."""
    loop = kernel.loops[number]
    latch = max(n for n, row in enumerate(kernel.instructions) if row.block == loop.latches[0])
    comparison = kernel.operands[kernel.operand_start[latch]]
    if opcode[latch] != "br" or comparison < 0 or opcode[comparison] != "icmp":
        return 1
    texts = kernel.operand_text[
        kernel.operand_start[comparison] : kernel.operand_start[comparison + 1]
    ]
    bounds = [int(text) for text in texts if _INTEGER.fullmatch(text)]
    best = 1.0
    for phi, row in enumerate(kernel.instructions):
        if row.block != loop.header or opcode[phi] != "phi":
            continue
        inputs = range(kernel.operand_start[phi], kernel.operand_start[phi + 1])
        starts = [int(t) for i in inputs if _INTEGER.fullmatch(t := kernel.operand_text[i])]
        for code in kernel.operands[inputs.start : inputs.stop]:
            if code < 0 or opcode[code] != "add":
                continue
            terms = kernel.operand_text[kernel.operand_start[code] : kernel.operand_start[code + 1]]
            for step in (int(text) for text in terms if _INTEGER.fullmatch(text)):
                for bound, start in product(bounds, starts):
                    best = max(best, abs(bound - start) / max(1, abs(step)) + 1)
    return best


def _candidates(kernel: KernelCode, opcode: list[str]) -> set[int]:
    """Return the allocas that fit into registers together, the smallest first."""
    sizes = []
    for number, name in enumerate(opcode):
        if name == "alloca":
            text = kernel.types[kernel.instructions[number].element_type].text
            # Only the sum knows the size of a structure.
            size = kernel.private_memory_bytes if "%" in text else size_and_align(text, {})[0]
            sizes.append((size, number))
    found: set[int] = set()
    total = 0
    for size, number in sorted(sizes):
        total += size
        if total > _REGISTER_BYTES:
            break
        found.add(number)
    return found


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
