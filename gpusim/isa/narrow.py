"""Which 64-bit integers of a kernel need 32 bits only.

OpenCL's ``size_t`` and pointers are 64 bits wide in spir64, but indices and loop counters stay far
below 2**32: drivers compute them in 32 bits and extend in the address operation. A value counts as
narrow when it comes from narrow values (extended integers, ids, small constants) by operations
that only feed addresses, comparisons and truncations. One that is stored, loaded, converted to
float or passed in as ``long`` is a real 64-bit value.
"""

from __future__ import annotations

from gpusim.isa.builtins import classify
from gpusim.isa.ir_view import IRView, is_constant, is_value, parameter_index

_PRODUCERS = frozenset(
    [
        "add",
        "sub",
        "mul",
        "shl",
        "lshr",
        "ashr",
        "and",
        "or",
        "xor",
        "phi",
        "select",
        "sext",
        "zext",
        "udiv",
        "urem",
        "sdiv",
        "srem",
        "freeze",
        "ptrtoint",
        "call",
    ]
)
_CONSUMERS = frozenset(
    [
        "add",
        "sub",
        "mul",
        "shl",
        "lshr",
        "ashr",
        "and",
        "or",
        "xor",
        "phi",
        "select",
        "udiv",
        "urem",
        "sdiv",
        "srem",
        "freeze",
        "getelementptr",
        "icmp",
        "trunc",
        "inttoptr",
        "call",
        "switch",
    ]
)
_NARROW_CALLS = ("llvm.smax", "llvm.smin", "llvm.umax", "llvm.umin", "llvm.abs", "llvm.usub.sat")


def narrow_values(view: IRView) -> set[int]:
    """Return the instructions whose 64-bit result fits a 32-bit register.

    Parameters
    ----------
    view : IRView
        The kernel.

    Returns
    -------
    set of int
        Greatest set that is closed under the rules above.
    """
    narrow = {index for index in range(view.n_instructions) if _can_be_narrow(view, index)}
    has_changed = True
    while has_changed:
        removed = {index for index in narrow if not _stays(view, index, narrow)}
        narrow -= removed
        has_changed = bool(removed)
    return narrow


def _can_be_narrow(view: IRView, index: int) -> bool:
    kind = view.type_of(index)
    if kind.kind != "int" or kind.bits != 64 or view.opcode[index] not in _PRODUCERS:
        return False
    return view.opcode[index] != "call" or _is_narrow_call(view.callee(index))


def _is_narrow_call(callee: str) -> bool:
    return classify(callee).kind in ("id", "size") or callee.startswith(_NARROW_CALLS)


def _stays(view: IRView, index: int, narrow: set[int]) -> bool:
    for user in view.users[index]:
        if view.opcode[user] not in _CONSUMERS:
            return False
        if view.opcode[user] == "call" and not _is_narrow_call(view.callee(user)):
            return False
        is_wide = view.type_of(user).kind == "int" and view.type_of(user).bits == 64
        if is_wide and user not in narrow:
            return False
    if view.opcode[index] in ("sext", "zext", "ptrtoint"):
        return True
    operands = view.operands[index]
    first = 1 if view.opcode[index] == "select" else 0
    return all(_is_narrow_operand(view, code, narrow) for code in operands[first:])


def _is_narrow_operand(view: IRView, code: int, narrow: set[int]) -> bool:
    if is_constant(code) or (parameter_index(code) < 0 and not is_value(code)):
        return True
    if is_value(code):
        kind = view.type_of(code)
        return kind.kind != "int" or kind.bits != 64 or code in narrow
    parameter = view.kernel.parameters[parameter_index(code)]
    return parameter.kind != "value" or parameter.size_bytes <= 4
