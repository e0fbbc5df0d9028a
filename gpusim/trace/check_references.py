"""Does a trace agree with itself? Ids that exist, sub-buffers inside parents, waits on the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpusim.trace import schema
from gpusim.trace.check_columns import integers, nulls, refuse_first, refuse_row, text_codes
from gpusim.trace.records import (
    ArgumentKind,
    Buffer,
    CommandKind,
    Image,
    Kernel,
    Program,
    Sampler,
)
from gpusim.trace.sequences import ArgumentTable, ChunkedTable

if TYPE_CHECKING:
    import pyarrow as pa

MAX_VALUE_BYTES = 1 << 20
"""Largest by-value argument; drivers stop at a few KiB."""

_NONE = -1

# Commands whose size_bytes counts from offset_bytes or source_offset_bytes of a buffer.
_READS = frozenset({CommandKind.READ, CommandKind.MAP})
_COPIES = frozenset({CommandKind.COPY})
_WRITES = frozenset({CommandKind.WRITE, CommandKind.COPY, CommandKind.FILL, CommandKind.UNMAP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """The small tables of a trace as records, by id."""

    programs: Mapping[int, Program]
    kernels: Mapping[int, Kernel]
    buffers: Mapping[int, Buffer]
    images: Mapping[int, Image]
    samplers: Mapping[int, Sampler]
    blobs: Mapping[str, int] | None = None
    """Size of every blob; None when the trace was written without its blobs."""


def _known(ids: Mapping[int, object]) -> NDArray[np.int64]:
    return np.array(sorted(ids), dtype=np.int64)


def _absent(values: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which values are neither null nor among the sorted `known`."""
    given: NDArray[np.bool_] = values != _NONE
    if len(known):
        at = np.minimum(np.searchsorted(known, values), len(known) - 1)
        given &= known[at] != values
    return given


def _check_blob(
    objects: Objects, table: ChunkedTable, row: int, sha256: str | None, size: int | None = None
) -> None:
    if sha256 is None or objects.blobs is None:
        return
    if sha256 not in objects.blobs:
        refuse_row(table, row, "blob missing", expected="a blob of this trace", found=sha256)
    if size is not None and objects.blobs[sha256] != size:
        refuse_row(
            table,
            row,
            "stored contents have another size than the buffer",
            expected=f"{size} bytes",
            found=objects.blobs[sha256],
        )


def check_objects(objects: Objects, tables: Mapping[str, ChunkedTable]) -> None:
    """Check programs, kernels, buffers and images against each other and against the blobs.

    Raises
    ------
    TraceError
        Names table and row of the first contradiction.
    """
    # Dictionaries keep the order of the rows, so position is row.
    for row, program in enumerate(objects.programs.values()):
        for sha256 in (program.blob, *(blob for _, blob in program.headers)):
            _check_blob(objects, tables["programs"], row, sha256)
    for row, kernel in enumerate(objects.kernels.values()):
        if kernel.program not in objects.programs:
            refuse_row(tables["kernels"], row, "no such program", found=kernel.program)
    for row, buffer in enumerate(objects.buffers.values()):
        _check_buffer(objects, tables["buffers"], row, buffer)
    for row, image in enumerate(objects.images.values()):
        table = tables["images"]
        if image.buffer is not None and image.buffer not in objects.buffers:
            refuse_row(table, row, "no such buffer", found=image.buffer)
        if image.id in objects.buffers:
            refuse_row(table, row, "a buffer has the same id", found=image.id)
        _check_life(table, row, image)
        _check_extent(table, row, image)
        _check_blob(objects, table, row, image.content)


def _check_life(table: ChunkedTable, row: int, item: Buffer | Image) -> None:
    if item.released_ns is not None and item.released_ns < item.created_ns:
        refuse_row(
            table,
            row,
            "released before it was created",
            expected=f"at least {item.created_ns} ns",
            found=item.released_ns,
        )


def _check_extent(table: ChunkedTable, row: int, image: Image) -> None:
    """Refuse an image of more pixels or bytes than a buffer may have."""
    rows = image.height * image.depth * image.array_size
    size = rows * max(image.width, image.row_pitch_bytes)
    if size > schema.MAX_BYTES:
        refuse_row(
            table, row, "image too large", expected=f"at most {schema.MAX_BYTES}", found=size
        )


def _check_buffer(objects: Objects, table: ChunkedTable, row: int, buffer: Buffer) -> None:
    _check_life(table, row, buffer)
    _check_blob(objects, table, row, buffer.content, buffer.size_bytes)
    if buffer.parent is None:
        if buffer.offset_bytes:
            refuse_row(
                table,
                row,
                "offset without a parent buffer",
                expected="0",
                found=buffer.offset_bytes,
            )
        return
    parent = objects.buffers.get(buffer.parent)
    if parent is None:
        refuse_row(table, row, "no such parent buffer", found=buffer.parent)
    if parent.parent is not None:
        refuse_row(table, row, "parent is itself a sub-buffer", found=buffer.parent)
    end = buffer.offset_bytes + buffer.size_bytes
    if end > parent.size_bytes:
        refuse_row(
            table,
            row,
            "sub-buffer reaches beyond its parent",
            expected=f"at most {parent.size_bytes} bytes",
            found=end,
        )


def check_arguments(objects: Objects, table: ChunkedTable) -> None:
    """Check the argument sets: order, and what every argument refers to."""
    pools: dict[str, Mapping[int, object]] = {
        ArgumentKind.BUFFER: objects.buffers,
        ArgumentKind.IMAGE: objects.images,
        ArgumentKind.SAMPLER: objects.samplers,
    }
    previous = (_NONE, _NONE)
    for position in range(table.n_chunks):
        chunk, first_row = table.chunk(position), int(table.starts[position])
        columns = (chunk[column.name].to_pylist() for column in table.layout.columns)
        for row, values in enumerate(zip(*columns, strict=True), start=first_row):
            argset, index, kind, size_bytes, ref, value = values
            if (argset, index) <= previous:
                refuse_row(
                    table,
                    row,
                    "arguments out of order",
                    expected=f"(argset, index) after {previous}",
                    found=(argset, index),
                )
            previous = (argset, index)
            pool = pools.get(kind)
            if (ref is None) is (pool is not None):
                refuse_row(
                    table,
                    row,
                    f"argument of kind {kind}",
                    expected="ref" if pool is not None else "no ref",
                    found=ref,
                )
            if pool is not None and ref not in pool:
                refuse_row(table, row, f"no such {kind}", found=ref)
            if value is not None and kind != ArgumentKind.VALUE:
                refuse_row(table, row, f"argument of kind {kind}", expected="no value")
            if kind == ArgumentKind.VALUE and size_bytes > MAX_VALUE_BYTES:
                refuse_row(
                    table,
                    row,
                    "argument too large",
                    expected=f"at most {MAX_VALUE_BYTES} bytes",
                    found=size_bytes,
                )
            if value is not None and len(value) != size_bytes:
                refuse_row(
                    table,
                    row,
                    "argument value has another length than size_bytes",
                    expected=str(size_bytes),
                    found=len(value),
                )


def check_launches(
    objects: Objects, table: ChunkedTable, arguments: ArgumentTable, position: int
) -> None:
    """Check one chunk of launches: program, kernel, argument set and NDRange."""
    chunk, first_row = table.chunk(position), int(table.starts[position])
    program = integers(chunk["program"])
    refuse_first(
        table,
        first_row,
        _absent(program, _known(objects.programs)),
        "no such program",
        found=program,
    )
    argset = integers(chunk["argset"])
    refuse_first(
        table, first_row, _absent(argset, arguments.ids), "no such argument set", found=argset
    )
    kernel_id = integers(chunk["kernel_id"])
    refuse_first(
        table,
        first_row,
        _absent(kernel_id, _known(objects.kernels)),
        "no such kernel",
        found=kernel_id,
    )
    _check_kernels(objects, table, position, kernel_id, program)
    _check_ndrange(table, position)


def _check_kernels(
    objects: Objects,
    table: ChunkedTable,
    position: int,
    kernel_id: NDArray[np.int64],
    program: NDArray[np.int64],
) -> None:
    """Compare name and program of each launch with those of its kernel object."""
    ids = _known(objects.kernels)
    if len(ids) == 0:
        return
    kernels = [objects.kernels[int(key)] for key in ids]
    texts, codes = text_codes(table.chunk(position)["kernel"])
    code_of = {text: code for code, text in enumerate(texts)}
    at = np.minimum(np.searchsorted(ids, kernel_id), len(ids) - 1)
    codes_of_kernels = np.array([code_of.get(kernel.name, _NONE) for kernel in kernels])
    programs_of_kernels = np.array([kernel.program for kernel in kernels], dtype=np.int64)
    differs = (codes_of_kernels[at] != codes) | (programs_of_kernels[at] != program)
    differs &= kernel_id != _NONE
    if differs.any():
        row = int(np.argmax(differs))
        kernel = kernels[int(at[row])]
        refuse_row(
            table,
            int(table.starts[position]) + row,
            "launch contradicts its kernel",
            expected=f"{kernel.name} of program {kernel.program}",
            found=f"{texts[codes[row]]} of program {program[row]}",
        )


def _check_ndrange(table: ChunkedTable, position: int) -> None:
    chunk, first_row = table.chunk(position), int(table.starts[position])
    work_dim = integers(chunk["work_dim"])
    local_null = nulls(chunk["lx"])
    items = np.ones(len(work_dim), dtype=np.float64)
    for dimension, axis in enumerate("xyz"):
        extent = integers(chunk[f"g{axis}"])
        items *= extent
        refuse_first(
            table,
            first_row,
            nulls(chunk[f"l{axis}"]) != local_null,
            "local size is partly empty",
            expected="lx, ly and lz, or none of them",
        )
        unused = work_dim <= dimension
        sizes = (
            (f"g{axis}", extent, 1),
            (f"l{axis}", integers(chunk[f"l{axis}"], 1), 1),
            (f"o{axis}", integers(chunk[f"o{axis}"]), 0),
        )
        for name, values, neutral in sizes:
            refuse_first(
                table,
                first_row,
                unused & (values != neutral),
                f"{name} of a dimension that the launch does not have",
                expected=str(neutral),
                found=values,
            )
    refuse_first(
        table,
        first_row,
        items > schema.MAX_WORK_ITEMS,
        "too many work-items",
        expected=f"at most {schema.MAX_WORK_ITEMS}",
        found=items,
    )


def check_commands(objects: Objects, table: ChunkedTable, position: int) -> None:
    """Check one chunk of commands: objects they name, and that they stay inside them."""
    chunk, first_row = table.chunk(position), int(table.starts[position])
    memory_ids = _known({**objects.buffers, **objects.images})
    refs = {end: integers(chunk[end]) for end in ("source", "target")}
    for ref in refs.values():
        refuse_first(
            table, first_row, _absent(ref, memory_ids), "no such buffer or image", found=ref
        )
    kinds, codes = text_codes(chunk["kind"])
    size = integers(chunk["size_bytes"])
    offset = integers(chunk["offset_bytes"])
    source_offset = integers(chunk["source_offset_bytes"])
    reads, copies, writes = (
        np.isin(codes, [code for code, text in enumerate(kinds) if text in group])
        for group in (_READS, _COPIES, _WRITES)
    )
    for applies, ref, start in (
        (reads, refs["source"], offset),
        (copies, refs["source"], source_offset),
        (writes, refs["target"], offset),
    ):
        sizes = _sizes_of(objects, ref)
        refuse_first(
            table,
            first_row,
            applies & (start + size > sizes),
            "command reaches beyond its buffer",
            expected="offset + size within the buffer",
            found=start + size,
        )
    if objects.blobs is not None:
        names, codes = text_codes(chunk["content"])
        for code, name in enumerate(names):
            if name not in objects.blobs and (codes == code).any():
                row = first_row + int(np.argmax(codes == code))
                refuse_row(table, row, "blob missing", expected="a blob of this trace", found=name)


def _sizes_of(objects: Objects, ref: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sizes of the buffers that `ref` names; unbounded for images and null."""
    unbounded = np.iinfo(np.int64).max
    ids = _known(objects.buffers)
    if len(ids) == 0:
        return np.full(len(ref), unbounded)
    sizes = np.array([objects.buffers[int(key)].size_bytes for key in ids], dtype=np.int64)
    at = np.minimum(np.searchsorted(ids, ref), len(ids) - 1)
    return np.where(ids[at] == ref, sizes[at], unbounded)


class QueueOrder:
    """Checks `seq` and `waits` of launches and commands together.

    `seq` rises within each table and no two rows share one; a wait names an earlier `seq`.
    Chunks are added one by one, in order, and may be forgotten afterwards.
    """

    def __init__(self) -> None:
        self._seqs: dict[str, list[NDArray[np.int64]]] = {}
        self._waits: list[tuple[ChunkedTable, _Waits]] = []

    def add(self, table: ChunkedTable, position: int) -> None:
        """Take in the next chunk of a table."""
        chunk, first_row = table.chunk(position), int(table.starts[position])
        seqs = integers(chunk["seq"])
        parts = self._seqs.setdefault(table.layout.name, [])
        before = next((part[-1] for part in reversed(parts) if len(part)), _NONE)
        refuse_first(
            table,
            first_row,
            np.diff(seqs, prepend=before) <= 0,
            "seq does not rise",
            expected="more than the row before",
            found=seqs,
        )
        parts.append(seqs)
        waits = _waits_of(chunk, seqs, first_row)
        if len(waits.waits):
            self._waits.append((table, waits))

    def check(self, launches: ChunkedTable, commands: ChunkedTable) -> None:
        """Compare the two tables and resolve every wait, after all chunks were added."""
        empty = [np.zeros(0, dtype=np.int64)]
        both = [
            np.concatenate(self._seqs.get(table.layout.name, empty))
            for table in (launches, commands)
        ]
        known = np.sort(np.concatenate(both))
        twice = known[1:] == known[:-1]
        if twice.any():
            seq = int(known[int(np.argmax(twice))])
            row = int(np.searchsorted(both[1], seq))
            refuse_row(commands, row, "seq is also the seq of a launch", found=seq)
        for table, part in self._waits:
            bad = (part.waits < 0) | (part.waits >= part.seqs) | _absent(part.waits, known)
            if bad.any():
                at = int(np.argmax(bad))
                refuse_row(
                    table,
                    int(part.rows[at]),
                    "waits for a command that is not before it",
                    expected=f"seq of a command before {part.seqs[at]}",
                    found=int(part.waits[at]),
                )


@dataclass(frozen=True, slots=True)
class _Waits:
    """The waits of one chunk: what is waited for, by which `seq`, in which row."""

    waits: NDArray[np.int64]
    seqs: NDArray[np.int64]
    rows: NDArray[np.int64]


def _waits_of(chunk: pa.Table, seqs: NDArray[np.int64], first_row: int) -> _Waits:
    import pyarrow.compute as pc

    waits = integers(pc.list_flatten(chunk["waits"]))
    rows = np.repeat(np.arange(len(seqs)), integers(pc.list_value_length(chunk["waits"])))
    return _Waits(waits, seqs[rows], rows + first_row)


def unique_by_id(table: ChunkedTable) -> None:
    """Refuse a table in which an id occurs twice."""
    ids = np.concatenate(
        [integers(chunk["id"]) for chunk in table.chunks()] or [np.zeros(0, dtype=np.int64)]
    )
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        repeated = values[counts > 1][0]
        row = int(np.flatnonzero(ids == repeated)[1])
        refuse_row(table, row, "id occurs twice", found=int(repeated))
