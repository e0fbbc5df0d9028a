"""When a phi costs a move: coalescing decided on the dependences of the IR."""

from __future__ import annotations

from gpusim.isa.ir_view import IRView, is_value


def copy_is_needed(view: IRView, phi: int, code: int, block: int) -> bool:
    """Return whether the value `code` cannot share the register of `phi` in `block`.

    Parameters
    ----------
    view : IRView
        The kernel.
    phi : int
        The phi.
    code : int
        Operand code of the incoming value.
    block : int
        Block of the phi.

    Returns
    -------
    bool
        True when the value is no instruction's result, is another phi of the block, comes from
        outside a loop and stays in use there, or is made before a use of the phi that depends
        on it.
    """
    if not is_value(code) or code == phi:
        return not is_value(code)
    if view.opcode[code] == "phi" and view.block_of[code] == block:
        return True
    loop = view.innermost_loop[block]
    inside = set(view.kernel.loops[loop].blocks) if loop >= 0 else {block}
    is_header = loop >= 0 and view.kernel.loops[loop].header == block
    if not is_header:
        return any(user != phi and view.block_of[user] == block for user in view.users[code])
    if view.block_of[code] not in inside:
        return any(user != phi and view.opcode[user] != "phi" for user in view.users[code])
    later = _dependents(view, code, inside)
    return any(user in later for user in view.users[phi])


def _dependents(view: IRView, code: int, blocks: set[int]) -> set[int]:
    """Return the instructions of `blocks` that need the value within one iteration."""
    found: set[int] = set()
    work = [code]
    while work:
        for user in view.users[work.pop()]:
            if user not in found and view.block_of[user] in blocks and view.opcode[user] != "phi":
                found.add(user)
                work.append(user)
    return found
