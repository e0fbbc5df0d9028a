"""A set-associative cache with least-recently-used replacement and lines still on their way."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gpusim.loops._jit import loop


class CacheSets(NamedTuple):
    """State of some caches of equal shape; arrays of shape (n_caches, n_sets, n_ways)."""

    line: npt.NDArray[np.int64]
    """Number of the line held, -1 = none."""
    used: npt.NDArray[np.int64]
    """Clock of the last use."""
    ready: npt.NDArray[np.float64]
    """Time at which the line has arrived."""
    dirty: npt.NDArray[np.bool_]


def empty_caches(n_caches: int, n_lines: int, n_ways: int) -> CacheSets:
    """Return `n_caches` empty caches of about `n_lines` lines each, at least one set."""
    n_sets = max(1, n_lines // max(1, n_ways))
    shape = (n_caches, n_sets, n_ways)
    return CacheSets(
        line=np.full(shape, -1, dtype=np.int64),
        used=np.zeros(shape, dtype=np.int64),
        ready=np.zeros(shape, dtype=np.float64),
        dirty=np.zeros(shape, dtype=np.bool_),
    )


def settled(caches: CacheSets) -> CacheSets:
    """Return a copy with the same lines, all of them clean and long since arrived."""
    return CacheSets(
        line=caches.line.copy(),
        used=caches.used.copy(),
        ready=np.zeros_like(caches.ready),
        dirty=np.zeros_like(caches.dirty),
    )


@loop
def find(cache: CacheSets, which: int, index: int, line: int) -> int:
    """Return the way that holds `line` in set `index`, -1 = none."""
    for way in range(cache.line.shape[2]):
        if cache.line[which, index, way] == line:
            return way
    return -1


@loop
def victim(cache: CacheSets, which: int, index: int) -> int:
    """Return the way of set `index` to replace: an empty one, else the least recently used."""
    best = 0
    for way in range(cache.line.shape[2]):
        if cache.line[which, index, way] < 0:
            return way
        if cache.used[which, index, way] < cache.used[which, index, best]:
            best = way
    return best
