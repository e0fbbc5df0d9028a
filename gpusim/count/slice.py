"""Count without running every work-item, where counts depend on arguments and ids alone.

Valid only when the plan allows it and every access of the launch is proven inside its buffer:
a slice drops values, never checks. Work-items of one box execute the same blocks, so one of them
is run in a version of the kernel that touches no memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gpusim.count.intervals import Range
from gpusim.count.pieces import Axis, cut_axes
from gpusim.count.plan import Plan
from gpusim.count.planner import plan_kernel
from gpusim.count.prover import Prover

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR

_MAX_PROOF_CELLS = 64
"""Boxes that a proof may be split into."""
_MAX_ROUNDS = 1 << 48
"""Loop iterations of a launch; above it counts of instructions might not fit 64 bits. A slice
takes no longer for more rounds, so it has to look before it counts."""
_MAX_PLANS = 4096
_MAX_ROWS = 1 << 16

_MAX_PROOFS = 20_000

_plans: dict[str, Plan] = {}
_proofs: dict[tuple[object, ...], LaunchProof] = {}
"""By everything that a proof depends on; the plans they name are kept in `_plans`."""


def plan_of(kernel: KernelIR) -> Plan:
    """Return the kernel's plan, made once."""
    key = kernel.key or kernel.text
    plan = _plans.get(key)
    if plan is None:
        if len(_plans) >= _MAX_PLANS:
            _plans.clear()
            _proofs.clear()
        plan = _plans[key] = plan_kernel(kernel)
    return plan


@dataclass(slots=True)
class LaunchProof:
    """What is known about one launch before it runs."""

    plan: Plan
    refusal: str
    """Why it must be counted in full; empty when a slice is valid."""
    axes: tuple[Axis, Axis, Axis] | None = None
    """The NDRange in boxes; None when every work-item along the axes that matter must run."""


def prove_launch(
    kernel: KernelIR,
    arguments: list[int | None],
    sizes: list[int],
    root_bytes: dict[str, int],
    base_align: int,
) -> LaunchProof:
    """Prove that a launch stays inside its buffers, and cut its NDRange.

    Parameters
    ----------
    kernel : KernelIR
        The kernel.
    arguments : list
        By-value integers as signed numbers; None for everything else.
    sizes : list of int
        The 25 words of the NDRange (`layout`).
    root_bytes : dict
        Size of what each pointer argument ``aN`` points to.
    base_align : int
        Alignment that all pointer arguments have at least.
    """
    plan = plan_of(kernel)
    if plan.refusal:
        return LaunchProof(plan, plan.refusal)
    key = (id(plan), tuple(arguments), tuple(sizes), tuple(root_bytes.items()), base_align)
    proof = _proofs.get(key)
    if proof is None:
        if len(_proofs) >= _MAX_PROOFS:
            _proofs.clear()
        proof = _proofs[key] = _prove(plan, arguments, sizes, root_bytes, base_align)
    return proof


def _prove(
    plan: Plan,
    arguments: list[int | None],
    sizes: list[int],
    root_bytes: dict[str, int],
    base_align: int,
) -> LaunchProof:
    prover = Prover(plan, arguments, sizes, root_bytes, base_align)
    if not prover.is_bounded():
        return LaunchProof(plan, "a loop's number of iterations has no known bound")
    if prover.most_rounds() * prod(sizes[:6]) >= _MAX_ROUNDS:
        return LaunchProof(plan, f"its loops may run more than {_MAX_ROUNDS} rounds")
    axes = cut_axes(prover, sizes[:6])
    unproven = prover.first_unproven()
    if unproven and axes is not None:
        unproven = _prove_by_cells(prover, axes)
    if unproven:
        return LaunchProof(plan, f"not proven in bounds: {unproven}")
    return LaunchProof(plan, "", axes)


def _prove_by_cells(prover: Prover, axes: tuple[Axis, Axis, Axis]) -> str:
    if len(axes[0].cells) * len(axes[1].cells) * len(axes[2].cells) > _MAX_PROOF_CELLS:
        return "too many cases"
    for parts in product(*(axis.ranges for axis in axes)):
        ranges: dict[int, Range] = {}
        for part in parts:
            ranges.update(part)
        unproven = prover.restrict(ranges).first_unproven()
        if unproven:
            return unproven
    return ""


def cell_points(axes: tuple[Axis, Axis, Axis]) -> list[tuple[int, ...]]:
    """Return the (group x y z, local x y z) of a work-item of each cell, x fastest."""
    return [
        (x[0], y[0], z[0], x[1], y[1], z[1])
        for z in axes[2].cells
        for y in axes[1].cells
        for x in axes[0].cells
    ]


def assemble(
    axes: tuple[Axis, Axis, Axis], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return count classes and runs of a job from one row per cell.

    Parameters
    ----------
    axes : tuple of Axis
        The cut NDRange.
    rows : (n_cell, n_block) int64
        In the order of `cell_points`.
    """
    nx, ny, nz = (len(axis.cells) for axis in axes)
    grid = rows.reshape(nz, ny, nx, -1)
    wx, wy, wz = (np.array(axis.group_classes, np.int64) for axis in axes)
    per_group = np.einsum("zyxb,cx->zycb", grid, wx)
    per_group = np.einsum("zycb,dy->zdcb", per_group, wy)
    per_group = np.einsum("zdcb,ez->edcb", per_group, wz)
    flat = per_group.reshape(-1, rows.shape[1])
    unique: dict[bytes, int] = {}
    ids = np.array([unique.setdefault(row.tobytes(), len(unique)) for row in flat], np.int64)
    ids = ids.reshape(per_group.shape[:3])
    runs = _runs(ids, axes)
    order: dict[int, int] = {}
    for number in runs[:, 0].tolist() if len(runs) < _MAX_ROWS else np.unique(runs[:, 0]):
        order.setdefault(int(number), len(order))
        if len(order) == len(unique):
            break
    table = np.frombuffer(b"".join(unique), np.int64).reshape(-1, rows.shape[1])
    renamed = np.zeros(len(unique), np.int64)
    for old, new in order.items():
        renamed[old] = new
    classes = table[list(order)].copy()
    return classes, np.column_stack([renamed[runs[:, 0]], runs[:, 1]])


def _runs(ids: npt.NDArray[np.int64], axes: tuple[Axis, Axis, Axis]) -> npt.NDArray[np.int64]:
    """Return (class, count) runs in linear order of the groups."""
    planes = []
    n_x = sum(n for _, n in axes[0].group_runs)
    n_y = sum(n for _, n in axes[1].group_runs)
    for kind_z, count_z in axes[2].group_runs:
        lines = []
        for kind_y, count_y in axes[1].group_runs:
            line = merge_runs(
                np.array([(ids[kind_z, kind_y, k], n) for k, n in axes[0].group_runs], np.int64)
            )
            lines.append(_repeat(line, count_y, n_x))
        planes.append(_repeat(merge_runs(np.concatenate(lines)), count_z, n_x * n_y))
    return merge_runs(np.concatenate(planes))


def _repeat(runs: npt.NDArray[np.int64], times: int, length: int) -> npt.NDArray[np.int64]:
    if len(runs) == 1:
        return np.array([(runs[0, 0], length * times)], np.int64)
    return np.tile(runs, (times, 1))


def merge_runs(runs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Join neighbouring runs of the same class."""
    if len(runs) < 2:
        return runs
    starts = np.flatnonzero(np.append(True, runs[1:, 0] != runs[:-1, 0]))
    return np.column_stack([runs[starts, 0], np.add.reduceat(runs[:, 1], starts)])


def collapsed_shape(plan: Plan, sizes: list[int]) -> tuple[list[int], list[int]]:
    """Return (groups, local ids) to run per dimension: one where no branch depends on the ids."""
    groups, local = list(sizes[:3]), list(sizes[3:6])
    for d in range(3):
        if d not in plan.control_dimensions:
            groups[d] = local[d] = 1
    return groups, local


def expand_runs(
    runs: npt.NDArray[np.int64], small: list[int], full: list[int]
) -> npt.NDArray[np.int64]:
    """Repeat the classes of a collapsed NDRange along the axes that were left out.

    Parameters
    ----------
    runs : (n_run, 2) int64
        Over `small` groups in linear order.
    small, full : list of int
        Groups per dimension, collapsed and real.
    """
    if small == full:
        return runs
    if small[1:] == full[1:]:
        return np.column_stack([runs[:, 0], runs[:, 1] * full[0]])
    each = np.repeat(runs[:, 0], runs[:, 1]).reshape(small[2], small[1], small[0])
    wide = np.broadcast_to(
        each,
        (
            full[2] if small[2] == 1 else small[2],
            full[1] if small[1] == 1 else small[1],
            full[0] if small[0] == 1 else small[0],
        ),
    ).ravel()
    ones = np.ones(len(wide), np.int64)
    return merge_runs(np.column_stack([wide, ones]))


def value_argument(data: bytes) -> int | None:
    """Return a by-value argument as a signed integer; None for vectors and structures."""
    return int.from_bytes(data, "little", signed=True) if len(data) in (1, 2, 4, 8) else None
