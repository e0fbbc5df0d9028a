"""Neighbouring loads from local memory that one wide message fetches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from gpusim.isa.builtins import BARRIERS, base_name
from gpusim.isa.ir_view import IRView, is_constant

_LOCAL = 3
_WORD_BYTES = 4


def merged_local_loads(view: IRView, message_bytes: int) -> list[list[int]]:
    """Return groups of loads that one message replaces.

    Loads of one block belong together when they read adjacent 32-bit words at constant distances
    from one address and no store to local memory, atomic or barrier stands between them.

    Parameters
    ----------
    view : IRView
        The kernel.
    message_bytes : int
        Widest message.

    Returns
    -------
    list of list of int
        Loads of each group, by address; groups of one are left out.
    """
    result = []
    for members in view.members:
        for run in _runs(view, members):
            by_root: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
            for index in run:
                root, offset = _root(view, index)
                by_root[root].append((offset, index))
            for items in by_root.values():
                result += _adjacent(sorted(items), message_bytes)
    return result


def constant_offset(view: IRView, index: int) -> int:
    """Return the constant bytes that the address of access `index` adds to its root."""
    return _root(view, index)[1]


def _runs(view: IRView, members: Sequence[int]) -> list[list[int]]:
    """Split the scalar local loads of a block where local memory may change."""
    runs: list[list[int]] = [[]]
    for index in members:
        space = int(view.kernel.instructions["address_space"][index])
        opcode = view.opcode[index]
        if opcode == "load" and space == _LOCAL:
            if int(view.kernel.instructions["access_bytes"][index]) == _WORD_BYTES:
                runs[-1].append(index)
        elif space == _LOCAL or (opcode == "call" and base_name(view.callee(index)) in BARRIERS):
            runs.append([])
    return runs


def _root(view: IRView, index: int) -> tuple[tuple[int, str], int]:
    """Return what an address is computed from, and the constant bytes added to it."""
    code, text, offset = view.operands[index][0], view.operand_texts[index][0], 0
    while code >= 0 and view.opcode[code] == "getelementptr":
        positions = range(1, len(view.operands[code]))
        if not all(is_constant(view.operands[code][position]) for position in positions):
            break
        strides = view.element_bytes[code]
        offset += sum(
            int(view.operand_texts[code][position].split()[-1]) * strides[position - 1]
            for position in positions
        )
        code, text = view.operands[code][0], view.operand_texts[code][0]
    return (code, text if code < 0 else ""), offset


def _adjacent(items: list[tuple[int, int]], message_bytes: int) -> list[list[int]]:
    groups: list[list[int]] = []
    current: list[int] = []
    last = start = 0
    for offset, index in items:
        is_next = bool(current) and offset == last + _WORD_BYTES
        if not is_next or offset + _WORD_BYTES - start > message_bytes:
            groups.append(current)
            current, start = [], offset
        current.append(index)
        last = offset
    groups.append(current)
    return [group for group in groups if len(group) > 1]
