"""Midgard, between selection and scheduling: vectors out of scalars, address registers.

Scalar operations of one kind on one common operand (``p + a``, ``p + b``, ``p + c``) become one
vector operation. A load/store word takes its address from a register of its own class: an address
that is computed for one access alone is computed there, any other is moved there before each.
"""

from __future__ import annotations

from gpusim.isa.machine import ALU, BARRIER, MESSAGES, MachineBlock, MachineKernel, MicroOp

_PACKABLE = frozenset({"iadd", "shift", "logic", "imul", "fadd", "fmul"})
_MAX_LANES = 4
_BITS = 32
_N_OPERANDS = 2


def pack_scalars(kernel: MachineKernel) -> None:
    """Join scalar operations of a block that share an operand and need nothing new.

    Parameters
    ----------
    kernel : MachineKernel
        Changed in place.
    """
    for block in kernel.blocks:
        defined = {number for op in block.ops for number in op.writes}
        groups: dict[tuple[object, ...], MicroOp] = {}
        kept: list[MicroOp] = []
        for op in block.ops:
            key = _pack_key(op, defined)
            leader = groups.get(key) if key is not None else None
            if leader is None or leader.lanes == _MAX_LANES:
                if key is not None:
                    groups[key] = op
                kept.append(op)
            else:
                leader.writes += op.writes
                leader.words = tuple(dict.fromkeys(leader.words + op.words))
                leader.reads = tuple(dict.fromkeys(leader.reads + op.reads))
                leader.lanes += 1
        block.ops = kept


def _pack_key(op: MicroOp, defined: set[int]) -> tuple[object, ...] | None:
    """Return what operations must share to be packed: kind, unit, and the common operand.

    The other operand is a constant in all of them, or a register made before the block.
    """
    if op.kind != ALU or op.name not in _PACKABLE or op.lanes != 1 or op.bits != _BITS:
        return None
    changing = [number for number in op.reads if number in defined]
    steady = [number for number in op.reads if number not in defined]
    has_uniform = any(word.startswith("u") for word in op.words)
    if has_uniform or len(changing) > 1 or len(op.reads) + len(op.words) != _N_OPERANDS:
        return None
    if op.words:
        return (op.name, op.unit, op.reads, "constant")
    common = changing or steady[:1]
    return (op.name, op.unit, tuple(common), "steady")


def fill_address_registers(kernel: MachineKernel) -> None:
    """Insert a move before each access whose address serves somebody else too.

    Parameters
    ----------
    kernel : MachineKernel
        Changed in place.
    """
    n_readers: dict[int, int] = {}
    private: set[int] = set()
    for block in kernel.blocks:
        for op in block.ops:
            for number in (*op.reads, *op.staging):
                n_readers[number] = n_readers.get(number, 0) + 1
            if op.kind == ALU and op.lanes == 1:
                private.update(op.writes)
    shared = {number for phi, value, _ in kernel.ties for number in (phi, value)}
    private -= shared
    for block in kernel.blocks:
        _fill_block(kernel, block, {n for n in private if n_readers.get(n) == 1})


def _fill_block(kernel: MachineKernel, block: MachineBlock, private: set[int]) -> None:
    result: list[MicroOp] = []
    for op in block.ops:
        is_access = op.kind in MESSAGES and op.kind != BARRIER
        for number in op.reads if is_access else ():
            if number not in private:
                result.append(_move(kernel, op, (number,), ()))
                op.reads = tuple(result[-1].writes[0] if n == number else n for n in op.reads)
        uniforms = tuple(word for word in op.words if word.startswith("u"))
        if is_access and uniforms and not op.reads:
            result.append(_move(kernel, op, (), uniforms))
            op.reads, op.words = result[-1].writes, ()
        result.append(op)
    block.ops = result


def _move(
    kernel: MachineKernel, user: MicroOp, reads: tuple[int, ...], words: tuple[str, ...]
) -> MicroOp:
    number = len(kernel.register_words)
    kernel.register_words[number] = 1
    return MicroOp(
        name="address_add", unit="ANY", reads=reads, words=words, writes=(number,), line=user.line
    )
