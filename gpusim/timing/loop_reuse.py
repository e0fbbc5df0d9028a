"""How many lines a cache must fetch for a loop nest that many work-items run together.

The work-items resident at a time advance together, loosely. What they touch in one iteration of
a loop is needed again in the next one only if it is still there: if it fits the cache, a loop
costs the distinct lines of all its iterations; if not, every iteration pays for itself, inner
loops judged by the same rule. Between fitting and twice the capacity the two are blended, because
neither the order of work-items nor the replacement is as regular as a strict cycle through LRU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.timing.address_form import Access
from gpusim.timing.footprint import Footprint, merge, touched, union_units
from gpusim.timing.form_arithmetic import Array

Floats = npt.NDArray[np.float64]
ROOT = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Accesses that differ by constants only, of the work-items of a wave."""

    base: Array
    """Addresses in the first iterations; work-items times constants."""
    access_bytes: int
    nest: tuple[int, ...]
    """Enclosing loops, innermost first."""
    strides: Mapping[int, Any]
    is_load: bool
    is_store: bool
    share: float
    """Mean share of the work-items that execute the accesses."""


def streams(accesses: Sequence[Access], shares: Sequence[float]) -> list[Stream]:
    """Gather accesses with known addresses into streams.

    Parameters
    ----------
    accesses : sequence of Access
    shares : sequence of float
        Of each access, the mean share of the work-items that execute it.
    """
    gathered: dict[tuple[object, ...], list[tuple[Access, Array, float]]] = {}
    for access, share in zip(accesses, shares, strict=True):
        if access.form is None or share <= 0:
            continue
        base = np.atleast_1d(access.form.base)
        pattern = tuple(
            (loop, np.asarray(stride).tobytes())
            for loop, stride in sorted(access.form.strides.items())
        )
        key = (
            access.loops,
            access.access_bytes,
            access.is_load,
            access.is_store,
            round(share, 6),
            pattern,
            (base - base[0]).tobytes(),
        )
        gathered.setdefault(key, []).append((access, base, share))
    result = []
    for members in gathered.values():
        access, base, share = members[0]
        form = access.form
        constants = np.unique([int(other[0]) - int(base[0]) for _, other, _ in members])
        strides = dict(form.strides) if form is not None else {}
        if any(np.ndim(stride) for stride in strides.values()):
            strides = {
                loop: np.repeat(np.broadcast_to(stride, base.shape), len(constants))
                for loop, stride in strides.items()
            }
        else:
            base = _ascending(base)
        result.append(
            Stream(
                base=(base[:, None] + constants[None, :]).ravel(),
                access_bytes=access.access_bytes,
                nest=access.loops,
                strides=strides,
                is_load=access.is_load,
                is_store=access.is_store,
                share=share,
            )
        )
    return result


def _ascending(base: Array) -> Array:
    """Return the distinct addresses in order; most waves have them so."""
    if not np.any(base[1:] <= base[:-1]):
        return base
    ordered = np.sort(base)
    distinct: Array = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    return distinct


class LoopReuse:
    """Footprints of the loops of a kernel for one wave of work-items."""

    def __init__(
        self,
        wave: Sequence[Stream],
        parents: Sequence[int],
        trips: Mapping[int, float],
        unit_bytes: int,
        *,
        is_sharp: bool = False,
    ) -> None:
        """Prepare.

        Parameters
        ----------
        wave : sequence of Stream
        parents : sequence of int
            Enclosing loop of each loop, -1 = none.
        trips : mapping
            Loop -> mean iterations per entry.
        unit_bytes : int
            Line or page.
        is_sharp : bool
            Whether a cycle that exceeds the capacity by one loses everything, as in a fully
            associative buffer that replaces the oldest entry; caches of few ways lose the excess.
        """
        self._is_sharp = is_sharp
        self._wave = list(wave)
        self._trips = trips
        self._unit = unit_bytes
        self._children: dict[int, list[int]] = {ROOT: []}
        for loop, parent in enumerate(parents):
            self._children.setdefault(loop, [])
            self._children.setdefault(parent, []).append(loop)
        self._known: dict[tuple[int, bool], Floats] = {}
        self._merged: dict[int, tuple[Array, Array]] = {}
        """Intervals of each stream's first iterations."""

    def everything(self) -> Floats:
        """Return (n_stream,) distinct units that the whole wave touches."""
        return self._footprint(ROOT, whole=True)

    def fetched(self, capacity: float) -> Floats:
        """Return (n_stream,) units that a cold cache of `capacity` units fetches for the wave."""
        return self._iteration(ROOT, capacity)

    def touched_at_once(self) -> Floats:
        """Return (n_stream,) distinct units that one execution by all work-items touches."""
        return self._units(range(len(self._wave)), set())

    def _iteration(self, loop: int, capacity: float) -> Floats:
        once = self._footprint(loop, whole=False)
        if once.sum() <= capacity:
            return once
        total = self._direct(loop)
        for child in self._children[loop]:
            total = total + self._loop(child, capacity)
        blend = self._blend(float(once.sum()), capacity)
        mixed: Floats = once + blend * np.maximum(0.0, total - once)
        return mixed

    def _loop(self, loop: int, capacity: float) -> Floats:
        distinct = self._footprint(loop, whole=True)
        once = self._footprint(loop, whole=False)
        if distinct.sum() <= capacity or once.sum() <= capacity:
            return distinct
        repeated = self._trips.get(loop, 1.0) * self._iteration(loop, capacity)
        blend = self._blend(float(once.sum()), capacity)
        mixed: Floats = distinct + blend * np.maximum(0.0, repeated - distinct)
        return mixed

    def _blend(self, units: float, capacity: float) -> float:
        """Return how much of the reuse is lost when a cycle touches more than fits."""
        return 1.0 if self._is_sharp else min(1.0, units / capacity - 1.0)

    def _footprint(self, loop: int, *, whole: bool) -> Floats:
        """Return the units touched in one iteration of a loop, or in all of them."""
        key = (loop, whole)
        if key not in self._known:
            scope = self._below(loop) | ({loop} if whole else set())
            members = [i for i, s in enumerate(self._wave) if loop == ROOT or loop in s.nest]
            self._known[key] = self._units(members, scope)
        return self._known[key]

    def _direct(self, loop: int) -> Floats:
        """Return the units of one execution of the accesses directly in a loop's body."""
        innermost = [s.nest[0] if s.nest else ROOT for s in self._wave]
        return self._units([i for i, where in enumerate(innermost) if where == loop], set())

    def _units(self, members: Sequence[int], scope: set[int]) -> Floats:
        result = np.zeros(len(self._wave))
        parts: list[Footprint] = []
        for i in members:
            stream = self._wave[i]
            loops = [
                (max(1, round(self._trips.get(loop, 1.0))), stream.strides[loop])
                for loop in stream.nest
                if loop in scope and loop in stream.strides
            ]
            if i not in self._merged:
                starts = stream.base
                self._merged[i] = merge(starts, starts + stream.access_bytes, self._unit)
            part = touched(stream.base, stream.access_bytes, loops, self._unit, self._merged[i])
            parts.append(part)
            result[i] = part.units(self._unit)
        for cluster in _clusters(parts):
            # Streams that share lines split them by what each touches.
            chosen = [members[position] for position in cluster]
            own = float(result[chosen].sum())
            if len(chosen) > 1 and own > 0:
                union = union_units([parts[position] for position in cluster], self._unit)
                result[chosen] *= union / own
        for i in members:
            result[i] *= min(1.0, self._wave[i].share)
        return result

    def _below(self, loop: int) -> set[int]:
        pending, below = list(self._children[loop]), set[int]()
        while pending:
            child = pending.pop()
            below.add(child)
            pending += self._children[child]
        return below


def _clusters(parts: Sequence[Footprint]) -> list[list[int]]:
    """Return the positions of footprints whose extents overlap, e.g. those of one buffer."""
    clusters: list[list[int]] = []
    reach = -1
    for position in sorted(range(len(parts)), key=lambda i: int(parts[i].starts[0])):
        if not clusters or int(parts[position].starts[0]) >= reach:
            clusters.append([])
        clusters[-1].append(position)
        reach = max(reach, int(parts[position].ends[-1]))
    return clusters
