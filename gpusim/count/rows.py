"""Block counts per work-group -> count classes and runs, in bounded memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


class RowMerger:
    """Collects the rows of consecutive work-groups, chunk by chunk.

    Equal rows form a class; memory grows with classes and runs, not with work-groups. Rows are
    found by a 64-bit hash and then compared, so a collision costs time and never an error.

    Parameters
    ----------
    n_columns : int
        Numbers per row.
    seed : int
        Of the hash.
    """

    def __init__(self, n_columns: int, seed: int = 1) -> None:
        self._n_columns = n_columns
        random = np.random.default_rng(seed)
        self._multipliers = random.integers(1, 1 << 62, n_columns, dtype=np.int64) * 2 + 1
        self._hashes = np.empty(0, np.int64)
        """Of the known classes, sorted."""
        self._ids = np.empty(0, np.int64)
        """Class of each sorted hash."""
        self._tables: list[Rows] = []
        self._n_classes = 0
        self._is_slow = False
        self._runs: list[Rows] = []
        self._last = -1

    def add(self, rows: Rows) -> None:
        """Add a chunk, (n_group, n_column), in linear order of the work-groups."""
        if not len(rows):
            return
        is_new = np.ones(len(rows), bool)
        is_new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
        starts = np.flatnonzero(is_new)
        runs = np.empty((len(starts), 2), np.int64)
        runs[:, 0] = self._classify(np.ascontiguousarray(rows[starts]))
        runs[:, 1] = np.diff(np.append(starts, len(rows)))
        if self._last == runs[0, 0]:
            self._runs[-1][-1, 1] += runs[0, 1]
            runs = runs[1:]
        if len(runs):
            self._runs.append(runs)
            self._last = int(runs[-1, 0])

    def _hash(self, rows: Rows) -> Rows:
        with np.errstate(over="ignore"):
            mixed = rows @ self._multipliers
            hashed: Rows = mixed ^ (mixed >> 29)
        return hashed

    def _classify(self, heads: Rows) -> Rows:
        """Return the class of each row, making new ones in order of appearance."""
        if self._is_slow:
            return self._classify_slowly(heads)
        hashes, first, inverse = np.unique(
            self._hash(heads), return_index=True, return_inverse=True
        )
        if (heads[first][inverse] != heads).any():
            return self._classify_slowly(heads)
        place = np.searchsorted(self._hashes, hashes)
        is_known = place < len(self._hashes)
        is_known[is_known] = self._hashes[place[is_known]] == hashes[is_known]
        ids = np.empty(len(hashes), np.int64)
        ids[is_known] = self._ids[place[is_known]]
        if is_known.any() and (self.classes()[ids[is_known]] != heads[first[is_known]]).any():
            return self._classify_slowly(heads)
        fresh = np.flatnonzero(~is_known)
        if len(fresh):
            by_appearance = fresh[np.argsort(first[fresh], kind="stable")]
            ids[by_appearance] = self._n_classes + np.arange(len(fresh))
            self._add_classes(heads[first[by_appearance]])
            self._hashes = np.append(self._hashes, hashes[fresh])
            self._ids = np.append(self._ids, ids[fresh])
            order = np.argsort(self._hashes, kind="stable")
            self._hashes, self._ids = self._hashes[order], self._ids[order]
        found: Rows = ids[inverse]
        return found

    def _classify_slowly(self, heads: Rows) -> Rows:
        """Compare whole rows, after two different ones had the same hash."""
        self._is_slow = True
        known = {row.tobytes(): number for number, row in enumerate(self.classes())}
        found = np.empty(len(heads), np.int64)
        for position, row in enumerate(heads):
            key = row.tobytes()
            if key not in known:
                known[key] = self._n_classes
                self._add_classes(row[None])
            found[position] = known[key]
        return found

    def _add_classes(self, rows: Rows) -> None:
        self._tables.append(rows)
        self._n_classes += len(rows)

    def classes(self) -> Rows:
        """Return (n_class, n_column), classes in order of first appearance."""
        if len(self._tables) > 1:
            self._tables = [np.concatenate(self._tables)]
        return self._tables[0] if self._tables else np.empty((0, self._n_columns), np.int64)

    def runs(self) -> Rows:
        """Return (n_run, 2): class, number of consecutive groups."""
        return np.concatenate(self._runs) if self._runs else np.empty((0, 2), np.int64)
