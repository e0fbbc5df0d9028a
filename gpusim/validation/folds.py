"""Split measured records so that relatives of a held-out record are held out with it.

Tuned kernels of one network differ in a channel count or a stride. A fit that has seen one of
them has seen the others, so they stay together: records of one template whose shapes differ in
at most one dimension, whatever their type and strides, share a fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

_SESSION_GAP_DAYS = 7
"""Days without a measurement that separate two sessions."""
_DAY_S = 86400


def related_groups(
    templates: Sequence[str], shapes: Sequence[tuple[int, ...]]
) -> npt.NDArray[np.int64]:
    """Return (n,) the number of each record's group of relatives.

    Relatives are transitive: if A is related to B and B to C, all three share a group.

    Parameters
    ----------
    templates : sequence of str
    shapes : sequence of tuple of int
        Dimensions without strides and paddings; records of unequal length are no relatives.
    """
    parent = list(range(len(shapes)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for first in range(len(shapes)):
        for second in range(first):
            if templates[first] != templates[second] or len(shapes[first]) != len(shapes[second]):
                continue
            pairs = zip(shapes[first], shapes[second], strict=True)
            if sum(a != b for a, b in pairs) <= 1:
                parent[root(first)] = root(second)
    _, numbers = np.unique([root(node) for node in range(len(shapes))], return_inverse=True)
    return numbers.astype(np.int64)


def deal_groups(groups: npt.NDArray[np.int64], n_folds: int) -> npt.NDArray[np.int64]:
    """Return (n,) the fold of each record: groups whole, folds as equal in size as they can be.

    The largest group goes first, each to the fold with the fewest records.
    """
    sizes = np.bincount(groups)
    loads = np.zeros(min(n_folds, len(sizes)), dtype=np.int64)
    fold_of = np.zeros(len(sizes), dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold = int(np.argmin(loads))
        fold_of[group] = fold
        loads[fold] += sizes[group]
    return fold_of[groups]


def sessions(unix_times: Sequence[float | None]) -> npt.NDArray[np.int64]:
    """Return (n,) the measuring session of each record in order of time; -1 without a time.

    A session ends where nothing was measured for a week.
    """
    known = sorted({time for time in unix_times if time is not None})
    starts = [
        time
        for before, time in zip([-np.inf, *known], known, strict=False)
        if time - before > _SESSION_GAP_DAYS * _DAY_S
    ]
    return np.array(
        [
            -1 if time is None else int(np.searchsorted(starts, time, side="right")) - 1
            for time in unix_times
        ],
        dtype=np.int64,
    )


def day(unix_time: float) -> str:
    """Return the day of a time, UTC, as year-month-day."""
    return datetime.fromtimestamp(unix_time, UTC).date().isoformat()
