"""What a Parquet file declares, read and bounded by ourselves before Arrow sees the file.

Arrow allocates what page headers ask for, and its accessors of column metadata can end the process
on a damaged footer (C++ exceptions that nothing catches). Here the footer and every page header are
parsed first, so a hostile file is refused by a message. Structures and field numbers: the Apache
Parquet format specification (parquet.thrift), in Thrift's compact protocol.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from gpusim.errors import TraceError, located

MAX_ROWS = 100_000_000
MAX_GROUP_ROWS = 1 << 20
MAX_GROUP_BYTES = 1 << 30
"""Decoded size of one row group."""
MAX_PAGE_BYTES = 1 << 26
MAX_GROUP_ITEMS = 1 << 24
"""Items in one column of one row group; bounds lists, which may be longer than there are rows."""

_MAGIC = b"PAR1"
_MAX_DEPTH = 12
_STOP, _TRUE, _FALSE, _BYTE, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = (
    0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13,
)  # fmt: skip
_FIXED_BYTES = {_BYTE: 1, _DOUBLE: 8, _UUID: 16}

Fields = dict[int, Any]


class _Compact:
    """Reads structures of Thrift's compact protocol from bytes."""

    def __init__(self, data: memoryview, at: int, end: int) -> None:
        self._data = data
        self.at = at
        self._end = end

    def _byte(self) -> int:
        if self.at >= self._end:
            raise ValueError("ends early")
        value = self._data[self.at]
        self.at += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while shift < 64:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise ValueError("integer of more than 64 bits")

    def _take(self, n_bytes: int) -> bytes:
        if n_bytes > self._end - self.at:
            raise ValueError("ends early")
        self.at += n_bytes
        return bytes(self._data[self.at - n_bytes : self.at])

    def struct(self, depth: int = 0) -> Fields:
        """Return the fields of a structure by number."""
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deep")
        fields: Fields = {}
        number = 0
        while (head := self._byte()) != _STOP:
            kind, delta = head & 0x0F, head >> 4
            number = number + delta if delta else self._zigzag()
            if number in fields:
                raise ValueError(f"field {number} occurs twice")
            is_bool = kind in (_TRUE, _FALSE)
            fields[number] = kind == _TRUE if is_bool else self._value(kind, depth)
        return fields

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _value(self, kind: int, depth: int) -> Any:
        if _BYTE < kind <= _I64:
            return self._zigzag()
        if kind in _FIXED_BYTES:
            return self._take(_FIXED_BYTES[kind])
        if kind == _BINARY:
            return self._take(self._varint())
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind == _MAP:
            return self._map(depth)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        raise ValueError(f"unknown type {kind}")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size, kind = head >> 4, head & 0x0F
        if size == 15:
            size = self._varint()
        # Every item takes a byte at least, so a lying size ends here and not in memory.
        if size > self._end - self.at:
            raise ValueError("list longer than the file")
        kind = _BYTE if kind in (_TRUE, _FALSE) else kind
        return [self._value(kind, depth + 1) for _ in range(size)]

    def _map(self, depth: int) -> list[tuple[Any, Any]]:
        size = self._varint()
        if size == 0:
            return []
        if size > self._end - self.at:
            raise ValueError("map longer than the file")
        kinds = self._byte()
        return [
            (self._value(kinds >> 4, depth + 1), self._value(kinds & 0x0F, depth + 1))
            for _ in range(size)
        ]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One column of one row group: where its pages are and what they declare."""

    start: int
    stored_bytes: int
    decoded_bytes: int
    items: int


def declared_rows(data: bytes, where: str) -> list[int]:
    """Return the rows of every row group of a Parquet file.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Trace and file, for messages.

    Raises
    ------
    TraceError
        When footer or page headers are damaged, contradict each other, or declare more than the
        limits of this module.
    """
    view = memoryview(data)
    try:
        footer_at = _footer_start(data)
        footer = _Compact(view, footer_at, len(data) - 8).struct()
        groups = _inner(footer, 4, list)
        rows = [_group_rows(group) for group in groups]
        if footer.get(3) != sum(rows) or sum(rows) > MAX_ROWS:
            raise ValueError(f"{footer.get(3)} rows in all, {sum(rows)} in row groups")
        for position, group in enumerate(groups):
            _check_group(view, footer_at, group, f"row group {position}")
    except ValueError as error:
        raise TraceError(
            located(where, "damaged Parquet", expected="sound headers", found=error)
        ) from None
    return rows


def _footer_start(data: bytes) -> int:
    if len(data) < 12 or data[:4] != _MAGIC or data[-4:] != _MAGIC:
        raise ValueError("no Parquet file")
    (size,) = struct.unpack("<I", data[-8:-4])
    if size > len(data) - 12:
        raise ValueError("footer larger than the file")
    return len(data) - 8 - int(size)


def _group_rows(group: Fields) -> int:
    return _bounded(group, 3, MAX_GROUP_ROWS, "rows of a row group")


def _inner(fields: Any, number: int, kind: type) -> Any:
    """Return a field that must be there and of a type."""
    value = fields.get(number) if isinstance(fields, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"field {number} is not a {kind.__name__}")
    return value


def _bounded(fields: Any, number: int, most: int, what: str) -> int:
    """Return an integer field between 0 and `most`."""
    value = fields.get(number) if isinstance(fields, dict) else None
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{what}: {value} is not within 0..{most}")
    return value


def _check_group(view: memoryview, end: int, group: Fields, place: str) -> None:
    decoded = 0
    for position, column in enumerate(_inner(group, 1, list)):
        what = f"{place} column {position}"
        chunk = _chunk(_inner(column, 3, dict), end, what)
        if 1 in column:
            raise ValueError(f"{what}: is in another file")
        decoded += chunk.decoded_bytes
        _check_pages(view, chunk, what)
    if decoded > MAX_GROUP_BYTES:
        raise ValueError(f"{place}: {decoded} bytes are more than {MAX_GROUP_BYTES}")


def _chunk(column: Fields, end: int, what: str) -> _Chunk:
    start = _bounded(column, 9, end, f"{what}: data page")
    if column.get(11):
        start = min(start, _bounded(column, 11, end, f"{what}: dictionary page"))
    return _Chunk(
        start=start,
        stored_bytes=_bounded(column, 7, end - start, f"{what}: stored bytes"),
        decoded_bytes=_bounded(column, 6, MAX_GROUP_BYTES, f"{what}: bytes"),
        items=_bounded(column, 5, MAX_GROUP_ITEMS, f"{what}: items"),
    )


def _check_pages(view: memoryview, chunk: _Chunk, what: str) -> None:
    """Walk the page headers of a column: they must add up to what the footer says."""
    at, end = chunk.start, chunk.start + chunk.stored_bytes
    items = decoded = 0
    while at < end:
        reader = _Compact(view, at, end)
        page = reader.struct()
        decoded += reader.at - at + _bounded(page, 2, MAX_PAGE_BYTES, f"{what}: page")
        at = reader.at + _bounded(page, 3, end - reader.at, f"{what}: stored page")
        for header in (5, 8):
            if header in page:
                items += _bounded(page[header], 1, MAX_GROUP_ITEMS, f"{what}: items of a page")
        if 7 in page:
            _bounded(page[7], 1, MAX_GROUP_ITEMS, f"{what}: items of a dictionary")
    if items != chunk.items:
        raise ValueError(f"{what}: {items} items in pages, {chunk.items} in the footer")
    if decoded > chunk.decoded_bytes:
        raise ValueError(f"{what}: {decoded} bytes in pages, {chunk.decoded_bytes} in the footer")
