"""Sets of bytes as sorted intervals: how many lines or pages a group of accesses touches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]

MAX_INTERVALS = 4096
"""Beyond this many, a loop's copies are thinned out evenly and the count is scaled up."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Disjoint, sorted intervals of bytes; each stands for `weight` like it elsewhere."""

    starts: Array
    ends: Array
    weight: float = 1.0

    def units(self, unit_bytes: int) -> float:
        """Return the number of aligned units (lines, pages) touched."""
        first = self.starts // unit_bytes
        last = (self.ends - 1) // unit_bytes
        # Neighbouring intervals may lie in the same unit.
        shared = np.count_nonzero(first[1:] == last[:-1])
        return float((last - first + 1).sum() - shared) * self.weight


def touched(
    base: Array,
    access_bytes: int,
    loops: Sequence[tuple[int, Array | int]],
    unit_bytes: int,
    merged: tuple[Array, Array] | None = None,
) -> Footprint:
    """Return the bytes that accesses touch while some loops run.

    Parameters
    ----------
    base : (n,) int64
        Address of each work-item in the first iteration.
    access_bytes : int
    loops : sequence of (iterations, stride in bytes)
        The stride is one number or one per work-item.
    unit_bytes : int
        Gaps smaller than this are filled: they hold no unit of their own.
    merged : pair of arrays, optional
        `merge` of the first iteration where it is known already; of no use if strides differ.
    """
    base = starts = np.atleast_1d(base)
    plain: list[tuple[int, int]] = []
    for trips, stride in loops:
        if np.ndim(stride) == 0 or np.all(stride == np.ravel(stride)[0]):
            plain.append((trips, int(np.ravel(stride)[0])))
        else:
            starts = _spread(starts, trips, np.broadcast_to(stride, starts.shape))
    if starts is base and merged is not None:
        starts, ends = merged
    else:
        starts, ends = merge(starts, starts + access_bytes, unit_bytes)
    weight = 1.0
    for trips, stride in sorted(plain, key=lambda pair: abs(pair[1])):
        if stride == 0 or trips <= 1:
            continue
        if stride < 0:
            starts, ends = starts + (trips - 1) * stride, ends + (trips - 1) * stride
        step = abs(stride)
        if step <= unit_bytes or step <= int((ends - starts).min()):
            starts, ends = merge(starts, ends + (trips - 1) * step, unit_bytes)
            continue
        copies = max(1, min(trips, MAX_INTERVALS // len(starts)))
        # Thinned copies keep the extent: spread them evenly over the iterations.
        offsets = np.unique(np.linspace(0, trips - 1, copies).astype(np.int64)) * step
        weight *= trips / len(offsets)
        starts, ends = merge(
            (starts[None, :] + offsets[:, None]).ravel(),
            (ends[None, :] + offsets[:, None]).ravel(),
            unit_bytes,
        )
    return Footprint(starts, ends, weight)


def union_units(parts: Iterable[Footprint], unit_bytes: int) -> float:
    """Return the units touched by several footprints together.

    Exact footprints are merged; scaled ones are taken to overlap nothing and are added.
    """
    total = 0.0
    exact = []
    for part in parts:
        if part.weight == 1.0:
            exact.append(part)
        else:
            total += part.units(unit_bytes)
    if exact:
        starts, ends = merge(
            np.concatenate([part.starts for part in exact]),
            np.concatenate([part.ends for part in exact]),
            unit_bytes,
        )
        total += Footprint(starts, ends).units(unit_bytes)
    return total


def _spread(starts: Array, trips: int, stride: Array) -> Array:
    """Return the start of every iteration of work-items that step differently."""
    copies = max(1, min(trips, MAX_INTERVALS // max(1, len(starts))))
    iterations = np.unique(np.linspace(0, trips - 1, copies).astype(np.int64))
    spread: Array = (starts[None, :] + stride[None, :] * iterations[:, None]).ravel()
    return spread


def merge(starts: Array, ends: Array, gap: int) -> tuple[Array, Array]:
    """Return sorted intervals with overlaps and gaps below `gap` closed."""
    if np.any(starts[1:] < starts[:-1]):
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], ends[order]
    if np.any(ends[1:] < ends[:-1]):
        ends = np.maximum.accumulate(ends)
    heads = np.flatnonzero(starts[1:] >= ends[:-1] + gap) + 1
    return starts[np.append(0, heads)], ends[np.append(heads, len(ends)) - 1]
