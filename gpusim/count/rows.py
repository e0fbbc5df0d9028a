"""Block counts per work-group -> count classes and runs, in bounded memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class RowMerger:
    """Collects the rows of consecutive work-groups, chunk by chunk.

    Equal rows form a class; memory grows with classes and runs, not with work-groups.
    """

    def __init__(self, n_columns: int) -> None:
        self._n_columns = n_columns
        self._classes: dict[bytes, int] = {}
        self._runs: list[npt.NDArray[np.int64]] = []
        self._last = -1

    def add(self, rows: npt.NDArray[np.int64]) -> None:
        """Add a chunk, (n_group, n_column), in linear order of the work-groups."""
        if not len(rows):
            return
        is_new = np.ones(len(rows), bool)
        is_new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
        starts = np.flatnonzero(is_new)
        heads = np.ascontiguousarray(rows[starts])
        packed = heads.view(np.dtype((np.void, 8 * self._n_columns))).ravel()
        unique, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
        ids = np.empty(len(unique), np.int64)
        for position in np.argsort(first, kind="stable"):
            key = unique[position].tobytes()
            ids[position] = self._classes.setdefault(key, len(self._classes))
        runs = np.empty((len(starts), 2), np.int64)
        runs[:, 0] = ids[inverse]
        runs[:, 1] = np.diff(np.append(starts, len(rows)))
        if self._last == runs[0, 0]:
            self._runs[-1][-1, 1] += runs[0, 1]
            runs = runs[1:]
        if len(runs):
            self._runs.append(runs)
            self._last = int(runs[-1, 0])

    def classes(self) -> npt.NDArray[np.int64]:
        """Return (n_class, n_column), classes in order of first appearance."""
        data = b"".join(self._classes)
        return np.frombuffer(data, np.int64).reshape(-1, self._n_columns).copy()

    def runs(self) -> npt.NDArray[np.int64]:
        """Return (n_run, 2): class, number of consecutive groups."""
        return np.concatenate(self._runs) if self._runs else np.empty((0, 2), np.int64)
