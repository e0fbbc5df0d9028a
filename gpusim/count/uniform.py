"""Whether lanes of a warp can part at all: branches on values that all of them share cannot."""

from __future__ import annotations

from gpusim.compiler.kernel_ir import KernelIR

_SHARED_CALLS = (
    "_Z12get_group_idj",
    "_Z14get_num_groupsj",
    "_Z14get_local_sizej",
    "_Z15get_global_sizej",
    "_Z17get_global_offsetj",
    "_Z23get_enqueued_local_sizej",
    "_Z12get_work_dimv",
    "llvm.",
    "gpusim.",
)
"""Results are equal in all work-items of a group where their arguments are."""
_OWN = {"load", "atomicrmw", "cmpxchg", "alloca"}


def may_diverge(kernel: KernelIR) -> bool:
    """Return whether some branch may depend on a work-item's own ids or on memory.

    As long as no branch parts the lanes, a value can differ between them only by what it is
    computed from; so it suffices to follow operands from ids, loads and unknown calls to branches.
    """
    opcodes = [kernel.opcodes[number] for number in kernel.instructions["opcode"]]
    operands = [
        [int(code) for code in kernel.operands[start:end]]
        for start, end in zip(kernel.operand_start[:-1], kernel.operand_start[1:], strict=True)
    ]
    own = set()
    for index, opcode in enumerate(opcodes):
        callee = kernel.instructions["callee"][index]
        is_own_call = callee >= 0 and not kernel.callees[callee].startswith(_SHARED_CALLS)
        if opcode in _OWN or is_own_call:
            own.add(index)
    changed = True
    while changed:
        changed = False
        for index, codes in enumerate(operands):
            if index not in own and any(code in own for code in codes):
                own.add(index)
                changed = True
    return any(
        opcode in ("br", "switch") and len(codes) > 1 and codes[0] in own
        for opcode, codes in zip(opcodes, operands, strict=True)
    )
