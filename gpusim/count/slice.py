"""Count without running every work-item, where counts depend on arguments and ids alone.

Valid only when the plan allows it and every access of the launch is proven inside its buffer:
a slice drops values, never checks. Work-items of one box execute the same blocks, so one of them
stands for all: its counts follow in closed form, or it is run in a version of the kernel that
touches no memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gpusim.count.pieces import Axis
from gpusim.count.plan import Plan
from gpusim.count.recording import plain


def cell_points(axes: tuple[Axis, Axis, Axis]) -> list[tuple[int, ...]]:
    """Return the (group x y z, local x y z) of a work-item of each cell, x fastest."""
    return [
        (x[0], y[0], z[0], x[1], y[1], z[1])
        for z in axes[2].cells
        for y in axes[1].cells
        for x in axes[0].cells
    ]


Ids = tuple[tuple[tuple[int, ...], ...], ...]
"""Class by kind of group along z, y and x."""
_FEW_RUNS = 512
"""Up to so many, lists are faster than arrays."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Classes of a job and which kinds of groups have them."""

    classes: list[list[int]]
    """(n_class, n_block), in order of first appearance."""
    ids: Ids


def tables(axes: tuple[Axis, Axis, Axis], rows: list[list[int]]) -> Tables:
    """Return the count classes of a job from one row per cell.

    Parameters
    ----------
    axes : tuple of Axis
        The cut NDRange.
    rows : (n_cell, n_block)
        In the order of `cell_points`.
    """
    found: list[list[int]] = []
    ids: list[tuple[tuple[int, ...], ...]] = []
    for z in axes[2].group_classes:
        plane = []
        for y in axes[1].group_classes:
            line = []
            for x in axes[0].group_classes:
                weights = [k * j * i for k in z for j in y for i in x]
                row = _weighted(weights, rows)
                number = next((n for n, r in enumerate(found) if _is_same(r, row)), len(found))
                if number == len(found):
                    found.append(row)
                line.append(number)
            plane.append(tuple(line))
        ids.append(tuple(plane))
    return _in_order(axes, Tables(found, tuple(ids)))


def _weighted(weights: list[int], rows: list[list[int]]) -> list[int]:
    used = [(w, row) for w, row in zip(weights, rows, strict=True) if type(w) is not int or w]
    total = [0] * len(rows[0])
    for weight, row in used:
        total = [t + weight * n for t, n in zip(total, row, strict=True)]
    return total


def _is_same(a: list[int], b: list[int]) -> bool:
    different = next((i for i in range(len(a)) if plain(a[i]) != plain(b[i])), None)
    if different is not None:
        return a[different] == b[different]
    return all(x == y for x, y in zip(a, b, strict=True))


def _in_order(axes: tuple[Axis, Axis, Axis], found: Tables) -> Tables:
    """Renumber the classes in order of first appearance among the groups, in linear order."""
    order: dict[int, int] = {}
    for z, _ in axes[2].group_runs:
        for y, _ in axes[1].group_runs:
            for x, _ in axes[0].group_runs:
                order.setdefault(found.ids[z][y][x], len(order))
    classes = [found.classes[old] for old in order]
    ids = (tuple(tuple(order.get(n, 0) for n in line) for line in plane) for plane in found.ids)
    return Tables(classes, tuple(ids))


Kinds = tuple[tuple[tuple[int, int], ...], ...]
"""Per axis (kind of group, number of consecutive groups), x first."""


@lru_cache(256)
def runs_of(ids: Ids, group_runs: Kinds) -> npt.NDArray[np.int64]:
    """Return (class, count) runs in linear order of the groups, read-only.

    Parameters
    ----------
    ids : nested tuples
        Of `Tables`.
    group_runs : tuple
        Of the three axes.
    """
    along_x, along_y, along_z = group_runs
    n_x = sum(n for _, n in along_x)
    n_y = sum(n for _, n in along_y)
    planes: list[npt.NDArray[np.int64] | list[tuple[int, int]]] = []
    for kind_z, count_z in along_z:
        lines: list[npt.NDArray[np.int64] | list[tuple[int, int]]] = []
        for kind_y, count_y in along_y:
            line = _merged([(ids[kind_z][kind_y][k], n) for k, n in along_x])
            lines.append(_repeated(line, count_y, n_x))
        planes.append(_repeated(_joined(lines), count_z, n_x * n_y))
    runs = np.array(_joined(planes), np.int64).reshape(-1, 2)
    runs.flags.writeable = False
    return runs


def _merged(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number, count in runs:
        if found and found[-1][0] == number:
            found[-1] = (number, found[-1][1] + count)
        else:
            found.append((number, count))
    return found


def _joined(
    parts: list[npt.NDArray[np.int64] | list[tuple[int, int]]],
) -> npt.NDArray[np.int64] | list[tuple[int, int]]:
    if len(parts) == 1:
        return parts[0]
    lists = [part for part in parts if isinstance(part, list)]
    if len(lists) == len(parts):
        return _merged([run for part in lists for run in part])
    return merge_runs(np.concatenate([np.asarray(part, np.int64) for part in parts]))


def _repeated(
    runs: npt.NDArray[np.int64] | list[tuple[int, int]], times: int, length: int
) -> npt.NDArray[np.int64] | list[tuple[int, int]]:
    if len(runs) == 1:
        return [(int(runs[0][0]), length * times)]
    if times == 1:
        return runs
    if isinstance(runs, list) and len(runs) * times <= _FEW_RUNS:
        return runs * times if runs[0][0] != runs[-1][0] else _merged(runs * times)
    return merge_runs(np.tile(np.asarray(runs, np.int64), (times, 1)))


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
        if d not in plan.group_dimensions:
            groups[d] = 1
        if d not in plan.control_dimensions:
            local[d] = 1
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
