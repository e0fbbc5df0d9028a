"""The JSONL form of a trace: one object a line, for diffs, fixtures in git and people.

The lines are the rows of the canonical tables under the same names; null and default values are
left out. Both forms go through the same checks and load to equal traces.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import heapq
import json
import re
import zlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from gpusim.errors import OutputError, TraceError, located
from gpusim.trace import schema, strict_json
from gpusim.trace.blobs import sha256_hex
from gpusim.trace.encode import ROWS_PER_CHUNK, arrow_table, encode
from gpusim.trace.manifest import normalise, parse_values
from gpusim.trace.reader import MAX_DEVICES, assemble, check_device
from gpusim.trace.records import Trace
from gpusim.trace.sequences import ChunkedTable
from gpusim.trace.writer import UntimedCount, referenced_blobs, replacing

MAX_LINE_BYTES = 512 * 1024**2
MAX_TOTAL_BYTES = 8 * 1024**3
"""Of the text, after decompression."""
MAX_LINES = 100_000_000

_MANIFEST, _DEVICE, _BLOB = "manifest", "device", "blob"
_RECORDS = {table.record: table for table in schema.TABLES}
_HEX = re.compile(r"([0-9a-f]{2})*", re.ASCII)
_GZIP_MAGIC = b"\x1f\x8b"


def dump_jsonl(trace: Trace, *, with_blobs: bool = True) -> Iterator[bytes]:
    """Yield the lines of a trace as JSONL, each with its newline.

    Parameters
    ----------
    trace : Trace
        What to write.
    with_blobs : bool
        Whether program texts and buffer contents are written too; without them the trace loads,
        but nothing that needs a kernel's text works.

    Raises
    ------
    TraceError
        When a blob is missing or too large for a line.
    """
    encoded = encode(trace)
    untimed = UntimedCount()
    counts = {}
    for table in schema.TABLES:
        chunks = encoded[table.name]()
        if table is schema.LAUNCHES:
            chunks = untimed.watch(chunks)
        counts[table.name] = sum(chunk.num_rows for chunk in chunks)
    manifest = normalise(trace.manifest, untimed_launches=untimed.launches)
    if not with_blobs:
        manifest["completeness"]["blobs_omitted"] = True
    has_blobs = not manifest["completeness"]["blobs_omitted"]
    names = referenced_blobs(trace) if has_blobs else []
    sizes = {name: len(trace.read_blob(name)) for name in names}
    yield _line(_MANIFEST, {**manifest, "counts": counts, "blobs": sizes})
    for device in trace.devices:
        yield _line(_DEVICE, device)
    for table in schema.TABLES:
        if table not in (schema.LAUNCHES, schema.COMMANDS):
            for row in _rows(table, encoded[table.name]()):
                yield _line(table.record, row)
    launches = _rows(schema.LAUNCHES, encoded["launches"]())
    commands = _rows(schema.COMMANDS, encoded["commands"]())
    kinds = (("launch", launches), ("command", commands))
    for record, row in heapq.merge(*(_tagged(*kind) for kind in kinds), key=_seq):
        yield _line(record, row)
    for name in names:
        yield _blob_line(trace, name)


def write_jsonl(trace: Trace, path: Path, *, with_blobs: bool = True) -> None:
    """Write a trace as a JSONL file, packed by gzip if the name ends with ``.gz``.

    Raises
    ------
    TraceError
        As `dump_jsonl`.
    OutputError
        When `path` cannot be written.
    """
    lines = dump_jsonl(trace, with_blobs=with_blobs)
    try:
        with replacing(path) as file:
            if path.suffix != ".gz":
                file.writelines(lines)
                return
            # No name and no date: the same trace gives the same bytes.
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                packed.writelines(lines)
    except OSError as error:
        raise OutputError(located(path, "cannot be written", found=error.strerror)) from None


def _tagged(record: str, rows: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((record, row) for row in rows)


def _seq(tagged: tuple[str, dict[str, Any]]) -> int:
    seq: int = tagged[1]["seq"]
    return seq


def _line(record: str, values: Any) -> bytes:
    text = json.dumps({"record": record, **values}, allow_nan=False, ensure_ascii=False)
    return text.encode() + b"\n"


def _blob_line(trace: Trace, name: str) -> bytes:
    contents = trace.read_blob(name)
    try:
        text = contents.decode()
    except UnicodeDecodeError:
        text = "\0"
    if all(char.isprintable() or char in "\n\t\r" for char in text):
        line = _line(_BLOB, {"sha256": name, "text": text})
    else:
        line = _line(_BLOB, {"sha256": name, "base64": base64.b64encode(contents).decode()})
    if len(line) > MAX_LINE_BYTES:
        raise TraceError(
            located(
                f"{trace.name}: blob {name}",
                "too large for a line of JSONL; dump without blobs",
                expected=f"at most {MAX_LINE_BYTES} bytes",
                found=len(line),
            )
        )
    return line


def _rows(table: schema.Table, chunks: Iterator[Any]) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        columns = (column.to_pylist() for column in chunk.columns)
        for values in zip(*columns, strict=True):
            yield {
                column.name: value.hex() if isinstance(value, bytes) else value
                for column, value in zip(table.columns, values, strict=True)
                if value is not None and value != column.default
            }


def read_jsonl_file(path: Path) -> Trace:
    """Load a ``.jsonl`` or ``.jsonl.gz`` file; see `read_jsonl`."""
    with path.open("rb") as raw:
        return open_jsonl(raw, str(path))


def open_jsonl(raw: BinaryIO, where: str) -> Trace:
    """Load JSONL from a seekable stream, packed by gzip or not; see `read_jsonl`."""
    is_gzip = raw.read(2) == _GZIP_MAGIC
    raw.seek(0)
    if not is_gzip:
        return read_jsonl(raw, where)
    try:
        with gzip.GzipFile(fileobj=raw) as packed:
            return read_jsonl(packed, where)  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        raise TraceError(located(where, "damaged gzip", found=error)) from None


class _TableLines:
    """Collects the lines of one table as Arrow chunks."""

    def __init__(self, table: schema.Table, where: str) -> None:
        self._table = table
        self._where = where
        self._rows: list[tuple[Any, ...]] = []
        self._chunks: list[Any] = []
        self._lines = array("q")
        self._names = {column.name for column in table.columns}
        self.unknown: set[str] = set()

    def add(self, line: int, values: dict[str, Any]) -> None:
        place = f"{self._where}: line {line}"
        self._rows.append(tuple(_value(column, values, place) for column in self._table.columns))
        self._lines.append(line)
        self.unknown.update(values.keys() - self._names)
        if len(self._rows) == ROWS_PER_CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._chunks.append(arrow_table(self._table, self._rows))
            self._rows = []

    def table(self) -> ChunkedTable:
        self._flush()
        lines = self._lines
        return ChunkedTable(
            self._table,
            [chunk.num_rows for chunk in self._chunks],
            self._chunks.__getitem__,
            lambda row: f"{self._where}: line {lines[row]}",
        )


def _value(column: schema.Column, values: dict[str, Any], place: str) -> Any:
    value = values.get(column.name)
    if value is None:
        if column.nullable or (column.default is not None and column.name not in values):
            return column.default
        raise TraceError(located(f"{place}: {column.name}", "missing", expected=column.type))
    if _has_type(column.type, value):
        return bytes.fromhex(value) if column.type == "bytes" else value
    raise TraceError(
        located(
            f"{place}: {column.name}",
            "wrong type",
            expected="hex digits" if column.type == "bytes" else column.type,
            found=repr(value)[:80],
        )
    )


def _has_type(kind: str, value: Any) -> bool:
    if kind.endswith("[]"):
        item = kind.removesuffix("[]")
        return isinstance(value, list) and all(_has_type(item, part) for part in value)
    if kind in ("i64", "i32"):
        limit = 2 ** (int(kind[1:]) - 1)
        return type(value) is int and -limit <= value < limit
    if kind == "bool":
        return type(value) is bool
    is_text = isinstance(value, str)
    return is_text and (kind == "text" or _HEX.fullmatch(value) is not None)


def _lines(stream: BinaryIO, where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line numbers (from 1) and objects; empty lines are passed over."""
    total = 0
    number = 0
    while data := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        total += len(data)
        place = f"{where}: line {number}"
        if total > MAX_TOTAL_BYTES or number > MAX_LINES:
            raise TraceError(
                located(place, "too long", expected=f"at most {MAX_TOTAL_BYTES} bytes in all")
            )
        if data.strip():
            yield number, strict_json.loads(data, where=place, max_bytes=MAX_LINE_BYTES)


def read_jsonl(stream: BinaryIO, where: str) -> Trace:
    """Load a trace from JSONL.

    Parameters
    ----------
    stream : binary file
        The text.
    where : str
        Path of the trace, for messages.

    Raises
    ------
    TraceError
        Names the line that is wrong.
    """
    lines = _lines(stream, where)
    number, head = next(lines, (0, {}))
    if head.pop("record", None) != _MANIFEST:
        raise TraceError(
            located(f"{where}: line {number or 1}", "no manifest", expected='"record": "manifest"')
        )
    manifest = parse_values(head | {"files": {}}, f"{where}: line {number}")
    tables = {table.record: _TableLines(table, where) for table in schema.TABLES}
    devices: list[dict[str, Any]] = []
    blobs: dict[str, bytes] = {}
    unknown: set[str] = set()
    for number, values in lines:
        place = f"{where}: line {number}"
        record = values.pop("record", None)
        if isinstance(record, str) and record in tables:
            tables[record].add(number, values)
        elif record == _DEVICE and len(devices) < MAX_DEVICES:
            check_device(values, place)
            devices.append(values)
        elif record == _BLOB:
            name, contents = _blob(values, place)
            if manifest.blobs.get(name) != len(contents) or name in blobs:
                raise TraceError(
                    located(place, "blob is not in the manifest, or there twice", found=name)
                )
            blobs[name] = contents
        elif isinstance(record, str) and record != _MANIFEST and record != _DEVICE:
            unknown.add(record)
        else:
            raise TraceError(
                located(f"{place}: record", "wrong value", expected=" | ".join(_RECORDS))
            )
    absent = sorted(set(manifest.blobs) - set(blobs))
    if absent:
        raise TraceError(located(where, "blob missing", expected=absent[0]))
    notes = [*manifest.notes]
    notes += [
        f"{where}: record {name[:80]!r} is unknown and was ignored" for name in sorted(unknown)
    ]
    notes += [
        f"{where}: key {key[:80]!r} of record {record} is unknown and was ignored"
        for record, table in tables.items()
        for key in sorted(table.unknown)
    ]
    return assemble(
        where,
        manifest,
        {_RECORDS[record].name: rows.table() for record, rows in tables.items()},
        tuple(devices),
        read_blob=_HeldBlobs(where, blobs),
        notes=notes,
    )


class _HeldBlobs:
    """The blobs of a JSONL trace, which are in memory once it is read."""

    def __init__(self, where: str, blobs: dict[str, bytes]) -> None:
        self._where = where
        self._blobs = blobs

    def __call__(self, sha256: str) -> bytes:
        if sha256 not in self._blobs:
            raise TraceError(located(self._where, "blob missing", expected=sha256))
        return self._blobs[sha256]


def _blob(values: dict[str, Any], place: str) -> tuple[str, bytes]:
    text, packed = values.get("text"), values.get("base64")
    try:
        if isinstance(text, str):
            contents = text.encode()
        elif isinstance(packed, str):
            contents = base64.b64decode(packed, validate=True)
        else:
            raise TraceError(located(place, "blob without contents", expected="text or base64"))
    except (binascii.Error, ValueError) as error:
        raise TraceError(located(f"{place}: base64", "bad base64", found=error)) from None
    name = sha256_hex(contents)
    if values.get("sha256") != name:
        raise TraceError(
            located(
                place,
                "blob does not match its name",
                expected=name,
                found=repr(values.get("sha256"))[:80],
            )
        )
    return name, contents
