"""Do the objects of a trace agree with each other? Ids that exist, sub-buffers inside parents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpusim.trace import schema
from gpusim.trace.check_columns import integers, nulls, refuse_first, refuse_row, text_codes
from gpusim.trace.records import ArgumentKind, Buffer, Image, Kernel, Program, Sampler
from gpusim.trace.sequences import ChunkedTable

MAX_VALUE_BYTES = 1 << 20
"""Largest by-value argument; drivers stop at a few KiB."""

NONE = -1
"""Stands for null in integer columns; ids are never negative."""

_VALUE = ArgumentKind.VALUE.value


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


def sorted_ids(ids: Mapping[int, object]) -> NDArray[np.int64]:
    """Return the ids of a table, ascending, to look others up in."""
    return np.array(sorted(ids), dtype=np.int64)


def absent(values: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which values are neither null nor among the sorted `known`."""
    given: NDArray[np.bool_] = values != NONE
    if len(known):
        at = np.minimum(np.searchsorted(known, values), len(known) - 1)
        given &= known[at] != values
    return given


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
    last = (NONE, NONE)
    for position in range(table.n_chunks):
        last = _check_argument_order(table, position, last)
        _check_argument_refs(objects, table, position)
        _check_argument_values(table, position)


def _check_argument_order(
    table: ChunkedTable, position: int, last: tuple[int, int]
) -> tuple[int, int]:
    """Check that (argset, index) rises from row to row; return the last one of the chunk."""
    chunk, first_row = table.chunk(position), int(table.starts[position])
    argset, index = integers(chunk["argset"]), integers(chunk["index"])
    if len(argset) == 0:
        return last
    next_set = np.diff(argset, prepend=last[0])
    next_index = np.diff(index, prepend=last[1])
    refuse_first(
        table,
        first_row,
        (next_set < 0) | ((next_set == 0) & (next_index <= 0)),
        "arguments out of order",
        expected="(argset, index) to rise",
        found=np.stack((argset, index), axis=1),
    )
    return int(argset[-1]), int(index[-1])


def _check_argument_refs(objects: Objects, table: ChunkedTable, position: int) -> None:
    chunk, first_row = table.chunk(position), int(table.starts[position])
    ref, has_ref = integers(chunk["ref"]), ~nulls(chunk["ref"])
    kinds, codes = text_codes(chunk["kind"])
    pools: dict[str, Mapping[int, object]] = {
        ArgumentKind.BUFFER: objects.buffers,
        ArgumentKind.IMAGE: objects.images,
        ArgumentKind.SAMPLER: objects.samplers,
    }
    for code, kind in enumerate(kinds):
        of_kind = codes == code
        pool = pools.get(kind)
        refuse_first(
            table,
            first_row,
            of_kind & (has_ref if pool is None else ~has_ref),
            f"argument of kind {kind}",
            expected="no ref" if pool is None else "ref",
            found=ref,
        )
        if pool is not None:
            missing = of_kind & absent(ref, sorted_ids(pool))
            refuse_first(table, first_row, missing, f"no such {kind}", found=ref)


def _check_argument_values(table: ChunkedTable, position: int) -> None:
    chunk, first_row = table.chunk(position), int(table.starts[position])
    size = integers(chunk["size_bytes"])
    kinds, codes = text_codes(chunk["kind"])
    by_value = np.isin(codes, [code for code, kind in enumerate(kinds) if kind == _VALUE])
    values, value_codes = text_codes(chunk["value"])
    # One more entry, which the code of a null (-1) picks: unknown bytes have the right length.
    lengths = np.array([*(len(value) for value in values), 0], dtype=np.int64)[value_codes]
    has_value = value_codes != NONE
    refuse_first(table, first_row, has_value & ~by_value, "value of an argument set by reference")
    refuse_first(
        table,
        first_row,
        by_value & (size > MAX_VALUE_BYTES),
        "argument too large",
        expected=f"at most {MAX_VALUE_BYTES} bytes",
        found=size,
    )
    refuse_first(
        table,
        first_row,
        has_value & (lengths != size),
        "argument value has another length than size_bytes",
        expected="equal lengths",
        found=lengths,
    )
