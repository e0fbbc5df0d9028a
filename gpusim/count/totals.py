"""Sums over a `WorkCount`: instructions, opcodes, calls, memory instructions, barriers.

Everything is per work-item and summed: a vector access is one instruction, a barrier counts once
for each work-item that reaches it. Barriers are not memory instructions; an atomic is one, counted
as atomic only. Constant memory counts as global, private memory not at all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count.work_count import WorkCount

MEMORY_KEYS = (
    *("global_load", "global_store", "local_load", "local_store", "global_atomic"),
    *("local_atomic", "image_read", "image_write"),
)
_SPACES = {1: "global", 2: "global", 3: "local", 4: "global"}
_ACTIONS = {"load": "load", "store": "store", "atomicrmw": "atomic", "cmpxchg": "atomic"}
_BARRIERS = ("_Z7barrierj", "_Z18work_group_barrier")


def _executions(count: WorkCount) -> npt.NDArray[np.int64]:
    """Return the executions of every instruction, (n_instruction,)."""
    executed: npt.NDArray[np.int64] = count.block_executions[count.kernel.instructions["block"]]
    return executed


def instructions(count: WorkCount) -> int:
    """Return the executed IR instructions of the job."""
    return int(_executions(count).sum())


def opcodes(count: WorkCount) -> dict[str, int]:
    """Return executed instructions per LLVM opcode, most frequent first."""
    kernel = count.kernel
    sums = np.zeros(len(kernel.opcodes), np.int64)
    np.add.at(sums, kernel.instructions["opcode"], _executions(count))
    return _sorted({name: int(n) for name, n in zip(kernel.opcodes, sums, strict=True) if n})


def calls(count: WorkCount) -> dict[str, int]:
    """Return executed calls per function (mangled name), most frequent first."""
    kernel = count.kernel
    callee = kernel.instructions["callee"]
    is_call = callee >= 0
    sums = np.zeros(len(kernel.callees), np.int64)
    np.add.at(sums, callee[is_call], _executions(count)[is_call])
    return _sorted({name: int(n) for name, n in zip(kernel.callees, sums, strict=True) if n})


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _memory_rows(kernel: KernelIR) -> list[tuple[int, int, int]]:
    """Return (instruction, column of `MEMORY_KEYS`, bytes) of a kernel's memory instructions."""
    found: list[tuple[int, int, int]] = []
    for index, row in enumerate(kernel.instructions):
        action = _ACTIONS.get(kernel.opcodes[row["opcode"]])
        callee = kernel.callees[row["callee"]] if row["callee"] >= 0 else ""
        if action is not None:
            space = _SPACES.get(int(row["address_space"]))
            if space is not None:
                column = MEMORY_KEYS.index(f"{space}_{action}")
                found.append((index, column, int(row["access_bytes"])))
        elif "read_image" in callee:
            found.append((index, MEMORY_KEYS.index("image_read"), 4 * image_lane_bytes(callee)))
        elif "write_image" in callee:
            found.append((index, MEMORY_KEYS.index("image_write"), 4 * image_lane_bytes(callee)))
    return found


def image_lane_bytes(callee: str) -> int:
    """Return the bytes of one channel that an image function moves to or from registers."""
    return 2 if "imageh" in callee else 4


def memory(count: WorkCount) -> dict[str, int]:
    """Return executed memory instructions and bytes per class.

    Returns
    -------
    dict
        ``global_load``, ``global_store``, ``local_load``, ``local_store``, ``global_atomic``,
        ``local_atomic``, ``image_read``, ``image_write``, and the same with ``_bytes``.
    """
    rows = np.array(_memory_rows(count.kernel), np.int64).reshape(-1, 3)
    index, column, size = rows[:, 0], rows[:, 1], rows[:, 2]
    executed = _executions(count)[index]
    number = np.zeros(len(MEMORY_KEYS), np.int64)
    moved = np.zeros(len(MEMORY_KEYS), np.int64)
    np.add.at(number, column, executed)
    np.add.at(moved, column, executed * size)
    totals = {key: int(n) for key, n in zip(MEMORY_KEYS, number, strict=True)}
    return totals | {f"{key}_bytes": int(n) for key, n in zip(MEMORY_KEYS, moved, strict=True)}


def memory_instructions(count: WorkCount) -> int:
    """Return all executed memory instructions: loads, stores, atomics, image accesses."""
    totals = memory(count)
    return sum(totals[key] for key in MEMORY_KEYS)


def barriers(count: WorkCount) -> int:
    """Return the barriers executed, per work-item, summed."""
    return sum(n for name, n in calls(count).items() if name.startswith(_BARRIERS))
