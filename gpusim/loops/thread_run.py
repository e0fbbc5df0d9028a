"""Run the integer part of a kernel work-item by work-item: blocks executed, addresses touched.

A register machine over int64. A value of ``w`` bits is kept sign-extended (one of 1 bit as 0 or
1), so that signed and unsigned comparisons are those of 64 bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpusim.loops._jit import loop

(
    BLOCK,
    ACCESS,
    JUMP,
    BRANCH,
    RETURN,
    COPY,
    ADD,
    SUB,
    MUL,
    SHL,
    LSHR,
    ASHR,
    AND,
    OR,
    XOR,
    SDIV,
    UDIV,
    SREM,
    UREM,
    EQ,
    NE,
    SLT,
    SLE,
    ULT,
    ULE,
    SELECT,
    TRUNC,
    ZEXT,
    SMIN,
    SMAX,
    UMIN,
    UMAX,
    ABS,
    SMULHI,
    UMULHI,
    POPCOUNT,
    CTLZ,
    CTTZ,
) = range(38)
"""Operation codes. Rows of code are (operation, destination, a, b, c); c is a width in bits for
arithmetic, the source width for ZEXT, the third register for SELECT. Every block begins with a
BLOCK row and ends with a JUMP, BRANCH or RETURN row."""

OUT_OF_ROOM = 1
OUT_OF_STEPS = 2


@loop
def _wrap(value: np.int64, bits: int) -> np.int64:
    """Return the lowest `bits` bits, sign-extended (1 bit: as 0 or 1)."""
    if bits >= 64:
        return value
    if bits == 1:
        return value & 1
    shift = np.int64(64 - bits)
    return (value << shift) >> shift


@loop
def _unsigned(value: np.int64, bits: int) -> np.int64:
    """Return the lowest `bits` bits as a non-negative number (64 bits: reinterpreted)."""
    if bits >= 64:
        return value
    return value & ((np.int64(1) << np.int64(bits)) - np.int64(1))


@loop
def _multiply_high(a: np.int64, b: np.int64, bits: int, is_signed: bool) -> np.int64:
    """Return the upper half of the product of two values of at most 32 bits."""
    if is_signed:
        return (a * b) >> np.int64(bits)
    return np.int64(
        (np.uint64(_unsigned(a, bits)) * np.uint64(_unsigned(b, bits))) >> np.uint64(bits)
    )


@loop
def _count_bits(value: np.int64, bits: int, what: int) -> np.int64:
    """Return the number of set bits, or of zeros before the first or after the last one."""
    total = np.int64(0)
    if what == POPCOUNT:
        for i in range(bits):
            total += (value >> np.int64(i)) & np.int64(1)
        return total
    for i in range(bits):
        position = bits - 1 - i if what == CTLZ else i
        if (value >> np.int64(position)) & np.int64(1):
            return total
        total += 1
    return total


@loop
def _arithmetic(operation: int, a: np.int64, b: np.int64, bits: int) -> np.int64:
    """Return the result of a two-operand operation; division by zero gives zero."""
    if operation == ADD:
        return _wrap(a + b, bits)
    if operation == SUB:
        return _wrap(a - b, bits)
    if operation == MUL:
        return _wrap(a * b, bits)
    if operation == AND:
        return a & b
    if operation == OR:
        return a | b
    if operation == XOR:
        return _wrap(a ^ b, bits)
    if SHL <= operation <= ASHR:
        amount = np.int64(b & np.int64(63 if bits > 32 else bits - 1)) if bits > 1 else np.int64(0)
        if operation == SHL:
            return _wrap(a << amount, bits)
        if operation == ASHR:
            return a >> amount
        return _wrap(np.int64(np.uint64(_unsigned(a, bits)) >> np.uint64(amount)), bits)
    if SDIV <= operation <= UREM:
        if b == 0:
            return np.int64(0)
        if operation in (SDIV, SREM):
            quotient = abs(a) // abs(b)
            if (a < 0) != (b < 0):
                quotient = -quotient
            return _wrap(quotient if operation == SDIV else a - quotient * b, bits)
        ua, ub = np.uint64(_unsigned(a, bits)), np.uint64(_unsigned(b, bits))
        return _wrap(np.int64(ua // ub if operation == UDIV else ua % ub), bits)
    if operation == SMIN:
        return min(a, b)
    if operation == SMAX:
        return max(a, b)
    if operation == UMIN:
        return a if np.uint64(a) < np.uint64(b) else b
    if operation == UMAX:
        return b if np.uint64(a) < np.uint64(b) else a
    return _wrap(_multiply_high(a, b, bits, operation == SMULHI), bits)


@loop
def _compare(operation: int, a: np.int64, b: np.int64) -> np.int64:
    if operation == EQ:
        return np.int64(a == b)
    if operation == NE:
        return np.int64(a != b)
    if operation == SLT:
        return np.int64(a < b)
    if operation == SLE:
        return np.int64(a <= b)
    if operation == ULT:
        return np.int64(np.uint64(a) < np.uint64(b))
    return np.int64(np.uint64(a) <= np.uint64(b))


@loop
def advance(
    code: npt.NDArray[np.int64],
    edges: npt.NDArray[np.int64],
    copies: npt.NDArray[np.int64],
    registers: npt.NDArray[np.int64],
    first: int,
    row: int,
    moved: npt.NDArray[np.int64],
    addresses: npt.NDArray[np.int64],
    n_addresses: int,
) -> tuple[int, int]:
    """Execute the block of the BLOCK row `row` for one work-item.

    Parameters
    ----------
    code : (n_row, 5) int64
        Operation, destination, a, b, c. JUMP: a = edge. BRANCH: a = condition, b and c = edges.
        BLOCK: a = id. ACCESS: a = register of the address.
    edges : (n_edge, 3) int64
        Target row, first and last + 1 row of `copies` that the edge performs at once.
    copies : (n_copy, 2) int64
        Destination and source register.
    registers : int64
        Updated; those of the work-item lie from index `first` on. No slices here or for
        `addresses`: making one costs as much as several rows of code.
    first : int
    row : int
    moved : (n_copy + 1,) int64
        Scratch.
    addresses : int64
        Addresses touched are written from index `n_addresses` on; there must be room.
    n_addresses : int

    Returns
    -------
    row, n_addresses : int
        The next block's BLOCK row, -1 = the work-item has ended.
    """
    row += 1
    while True:
        operation = code[row, 0]
        a, b, c = code[row, 2], code[row, 3], code[row, 4]
        if operation == BLOCK:
            return row, n_addresses
        if operation == ACCESS:
            addresses[n_addresses] = registers[first + a]
            n_addresses += 1
        elif operation in (JUMP, BRANCH):
            edge = a
            if operation == BRANCH:
                edge = b if registers[first + a] != 0 else c
            begin, end = edges[edge, 1], edges[edge, 2]
            for i in range(begin, end):
                moved[i - begin] = registers[first + copies[i, 1]]
            for i in range(begin, end):
                registers[first + copies[i, 0]] = moved[i - begin]
            row = edges[edge, 0]
            continue
        elif operation == RETURN:
            return -1, n_addresses
        elif operation == COPY:
            registers[first + code[row, 1]] = registers[first + a]
        elif operation == SELECT:
            registers[first + code[row, 1]] = (
                registers[first + b] if registers[first + a] != 0 else registers[first + c]
            )
        elif operation == TRUNC:
            registers[first + code[row, 1]] = _wrap(registers[first + a], c)
        elif operation == ZEXT:
            registers[first + code[row, 1]] = _unsigned(registers[first + a], c)
        elif operation == ABS:
            registers[first + code[row, 1]] = abs(registers[first + a])
        elif EQ <= operation <= ULE:
            registers[first + code[row, 1]] = _compare(
                operation, registers[first + a], registers[first + b]
            )
        elif operation >= POPCOUNT:
            registers[first + code[row, 1]] = _count_bits(registers[first + a], c, operation)
        else:
            registers[first + code[row, 1]] = _arithmetic(
                operation, registers[first + a], registers[first + b], c
            )
        row += 1


@loop
def run_threads(
    code: npt.NDArray[np.int64],
    edges: npt.NDArray[np.int64],
    copies: npt.NDArray[np.int64],
    initial: npt.NDArray[np.int64],
    inputs: npt.NDArray[np.int64],
    max_blocks: int,
    max_block_addresses: int,
    blocks: npt.NDArray[np.int32],
    addresses: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> tuple[int, int]:
    """Run work-items one after the other.

    Parameters
    ----------
    code, edges, copies : int64
        As :func:`advance` takes them.
    initial : (n_register,) int64
        Constants and parameters in place.
    inputs : (n_thread, n_input) int64
        Values of the first registers, e.g. the ids of each work-item.
    max_blocks : int
        Blocks one work-item may execute.
    max_block_addresses : int
        Most addresses that one block touches.
    blocks, addresses : (capacity,) int32 and int64
        Filled: the ids of the blocks executed and the addresses touched, in order.
    ends : (n_thread, 2) int64
        Filled: end of each work-item's part of `blocks` and `addresses`.

    Returns
    -------
    n_run, status : int
        Work-items that ran to their end; 0, OUT_OF_ROOM or OUT_OF_STEPS.
    """
    registers = initial.copy()
    moved = np.empty(len(copies) + 1, dtype=np.int64)
    n_blocks = 0
    n_addresses = 0
    for thread in range(len(inputs)):
        registers[: inputs.shape[1]] = inputs[thread]
        row = 0
        first_block = n_blocks
        while row >= 0:
            if n_blocks - first_block >= max_blocks:
                return thread, OUT_OF_STEPS
            if n_blocks >= len(blocks) or n_addresses + max_block_addresses > len(addresses):
                return thread, OUT_OF_ROOM
            blocks[n_blocks] = code[row, 2]
            n_blocks += 1
            row, n_addresses = advance(
                code, edges, copies, registers, 0, row, moved, addresses, n_addresses
            )
        ends[thread, 0] = n_blocks
        ends[thread, 1] = n_addresses
    return len(inputs), 0
