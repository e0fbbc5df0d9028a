"""Launches and commands as sequences over columns: objects exist only while somebody looks.

A million launches are a few tens of megabytes of compressed columns; one row group is decoded at
a time and rows become records in small blocks, so memory stays bounded however long the trace.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np

from gpusim.trace import schema
from gpusim.trace.records import (
    Argument,
    ArgumentKind,
    Command,
    CommandKind,
    DeviceTimes,
    Launch,
)

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_PER_BLOCK = 256
_BLOCKS_KEPT = 16
_CHUNKS_KEPT = 2
_SETS_KEPT = 4096

Record = TypeVar("Record", Launch, Command)
Key = TypeVar("Key")
Value = TypeVar("Value")


class _Recent(Generic[Key, Value]):
    """A small least-recently-used store."""

    def __init__(self, make: Callable[[Key], Value], capacity: int) -> None:
        self._make = make
        self._capacity = capacity
        self._kept: OrderedDict[Key, Value] = OrderedDict()

    def __getitem__(self, key: Key) -> Value:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        value = self._kept[key] = self._make(key)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return value


def python_values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column as Python values; ten times ``to_pylist`` where nothing is null."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_integer(kind) and not column.null_count:
        numbers: list[Any] = column.to_numpy().tolist()
        return numbers
    if column.null_count == len(column):
        return [None] * len(column)
    if pa.types.is_dictionary(kind) and column.num_chunks == 1 and not column.null_count:
        encoded = column.chunk(0)
        # A slice keeps the whole dictionary; decoding a long one for a few rows would not pay.
        if len(encoded.dictionary) <= len(encoded):
            texts = encoded.dictionary.to_pylist()
            return [texts[code] for code in encoded.indices.to_numpy().tolist()]
    values: list[Any] = column.to_pylist()
    return values


class ChunkedTable:
    """One table of a trace, decoded a row group at a time.

    Parameters
    ----------
    layout : schema.Table
        Its columns.
    chunk_rows : sequence of int
        Rows of every chunk.
    read : callable
        ``read(i)`` decodes chunk `i` to a ``pyarrow.Table`` with the columns of `layout`.
    where : callable
        ``where(row)`` names a row for messages.
    """

    def __init__(
        self,
        layout: schema.Table,
        chunk_rows: Sequence[int],
        read: Callable[[int], pa.Table],
        where: Callable[[int], str],
    ) -> None:
        self.layout = layout
        self.starts = np.concatenate(([0], np.cumsum(np.asarray(chunk_rows, dtype=np.int64))))
        self.where = where
        self._chunks: _Recent[int, pa.Table] = _Recent(read, _CHUNKS_KEPT)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return len(self.starts) - 1

    def chunk(self, position: int) -> pa.Table:
        """Return chunk `position`, decoded."""
        return self._chunks[position]

    def chunks(self) -> Iterator[pa.Table]:
        """Yield every chunk, decoded, in order."""
        for position in range(self.n_chunks):
            yield self.chunk(position)

    def rows(self, start: int, stop: int) -> list[tuple[Any, ...]]:
        """Return rows `start` to `stop` (exclusive, within one chunk) as Python values."""
        position = int(np.searchsorted(self.starts, start, side="right")) - 1
        part = self.chunk(position).slice(start - int(self.starts[position]), stop - start)
        return list(zip(*(python_values(column) for column in part.columns), strict=True))


class ArgumentTable:
    """The ``args`` table, looked up by argument set.

    Parameters
    ----------
    table : ChunkedTable
        Rows ordered by (argset, index).
    """

    def __init__(self, table: ChunkedTable) -> None:
        import pyarrow as pa

        self.chunks = table.chunks
        parts = list(table.chunks())
        self._table = pa.concat_tables(parts) if parts else None
        sets = self._table["argset"].to_numpy() if self._table is not None else np.zeros(0, int)
        self.ids, first = np.unique(sets, return_index=True)
        self._bounds = np.append(first, len(sets))
        self._sets: _Recent[int, tuple[Argument, ...]] = _Recent(self._decode, _SETS_KEPT)

    def __getitem__(self, argset: int | None) -> tuple[Argument, ...]:
        """Return the arguments of a set; none for the null set."""
        return () if argset is None else self._sets[argset]

    def _decode(self, argset: int) -> tuple[Argument, ...]:
        assert self._table is not None
        position = int(np.searchsorted(self.ids, argset))
        start, stop = int(self._bounds[position]), int(self._bounds[position + 1])
        columns = [column.to_pylist() for column in self._table.slice(start, stop - start).columns]
        return tuple(
            Argument(
                index=index, kind=ArgumentKind(kind), size_bytes=size_bytes, ref=ref, value=value
            )
            for _, index, kind, size_bytes, ref, value in zip(*columns, strict=True)
        )


class _Lazy(Sequence[Record]):
    """A sequence whose items are decoded in blocks when they are asked for."""

    def __init__(self, table: ChunkedTable) -> None:
        self.table = table
        self._blocks: _Recent[int, list[Record]] = _Recent(self._decode_block, _BLOCKS_KEPT)
        # Blocks never straddle a chunk, so each is one slice of one decoded row group.
        rows = np.diff(table.starts)
        blocks = -(-rows // _ROWS_PER_BLOCK)
        self._first_block = np.concatenate(([0], np.cumsum(blocks)))

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = index + len(self) if index < 0 else index
        if not 0 <= row < len(self):
            raise IndexError(f"{type(self).__name__} of {len(self)} items has no item {index}")
        chunk = int(np.searchsorted(self.table.starts, row, side="right")) - 1
        within = row - int(self.table.starts[chunk])
        block = int(self._first_block[chunk]) + within // _ROWS_PER_BLOCK
        return self._blocks[block][within % _ROWS_PER_BLOCK]

    def __iter__(self) -> Iterator[Record]:
        for block in range(int(self._first_block[-1])):
            yield from self._blocks[block]

    def _decode_block(self, block: int) -> list[Record]:
        chunk = int(np.searchsorted(self._first_block, block, side="right")) - 1
        within = (block - int(self._first_block[chunk])) * _ROWS_PER_BLOCK
        start = int(self.table.starts[chunk]) + within
        stop = min(start + _ROWS_PER_BLOCK, int(self.table.starts[chunk + 1]))
        rows = self.table.rows(start, stop)
        return [self._record(start + i, row) for i, row in enumerate(rows)]

    @abstractmethod
    def _record(self, index: int, row: tuple[Any, ...]) -> Record:
        """Return row `index` as a record."""


def _times(row: tuple[Any, ...]) -> DeviceTimes | None:
    queued, submit, start, end = row
    if queued is None:
        return None
    return DeviceTimes(queued_ns=queued, submit_ns=submit, start_ns=start, end_ns=end)


class LaunchSequence(_Lazy[Launch]):
    """The launches of a trace over its ``launches`` and ``args`` tables."""

    def __init__(self, table: ChunkedTable, arguments: ArgumentTable) -> None:
        super().__init__(table)
        self.arguments = arguments

    def _record(self, index: int, row: tuple[Any, ...]) -> Launch:
        return Launch(
            index=index,
            seq=row[0],
            kernel=row[1],
            program=row[2],
            kernel_id=row[3],
            work_dim=row[4],
            global_size=row[5:8],
            local_size=None if row[8] is None else row[8:11],
            global_offset=row[11:14],
            arguments=self.arguments[row[14]],
            queue=row[15],
            waits=tuple(row[16]),
            thread=row[17],
            host_ns=row[18],
            host_duration_ns=row[19],
            result_code=row[20],
            times=_times(row[21:25]),
            label=row[25],
        )


class CommandSequence(_Lazy[Command]):
    """The other commands of a trace over its ``commands`` table."""

    def _record(self, index: int, row: tuple[Any, ...]) -> Command:
        return Command(
            seq=row[0],
            kind=CommandKind(row[1]),
            queue=row[2],
            waits=tuple(row[3]),
            source=row[4],
            target=row[5],
            offset_bytes=row[6],
            source_offset_bytes=row[7],
            size_bytes=row[8],
            blocking=row[9],
            content=row[10],
            thread=row[11],
            host_ns=row[12],
            host_duration_ns=row[13],
            times=_times(row[14:18]),
            name=row[18],
        )
