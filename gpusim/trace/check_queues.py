"""Do the queues of a trace agree with its objects and with time? NDRanges, ranges, waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpusim.trace import schema
from gpusim.trace.check_columns import integers, nulls, refuse_first, refuse_row, text_codes
from gpusim.trace.check_objects import NONE, Objects, absent, sorted_ids
from gpusim.trace.records import CommandKind
from gpusim.trace.sequences import ArgumentTable, ChunkedTable

if TYPE_CHECKING:
    import pyarrow as pa

# Commands whose size_bytes counts from offset_bytes or source_offset_bytes of a buffer.
_READS = frozenset({CommandKind.READ, CommandKind.MAP})
_COPIES = frozenset({CommandKind.COPY})
_WRITES = frozenset({CommandKind.WRITE, CommandKind.COPY, CommandKind.FILL, CommandKind.UNMAP})


def check_launches(
    objects: Objects, table: ChunkedTable, arguments: ArgumentTable, position: int
) -> None:
    """Check one chunk of launches: program, kernel, argument set and NDRange."""
    chunk, first_row = table.chunk(position), int(table.starts[position])
    program = integers(chunk["program"])
    refuse_first(
        table,
        first_row,
        absent(program, sorted_ids(objects.programs)),
        "no such program",
        found=program,
    )
    argset = integers(chunk["argset"])
    refuse_first(
        table, first_row, absent(argset, arguments.ids), "no such argument set", found=argset
    )
    kernel_id = integers(chunk["kernel_id"])
    refuse_first(
        table,
        first_row,
        absent(kernel_id, sorted_ids(objects.kernels)),
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
    ids = sorted_ids(objects.kernels)
    if len(ids) == 0:
        return
    kernels = [objects.kernels[int(key)] for key in ids]
    texts, codes = text_codes(table.chunk(position)["kernel"])
    code_of = {text: code for code, text in enumerate(texts)}
    at = np.minimum(np.searchsorted(ids, kernel_id), len(ids) - 1)
    codes_of_kernels = np.array([code_of.get(kernel.name, NONE) for kernel in kernels])
    programs_of_kernels = np.array([kernel.program for kernel in kernels], dtype=np.int64)
    differs = (codes_of_kernels[at] != codes) | (programs_of_kernels[at] != program)
    differs &= kernel_id != NONE
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
    memory_ids = sorted_ids({**objects.buffers, **objects.images})
    refs = {end: integers(chunk[end]) for end in ("source", "target")}
    for ref in refs.values():
        refuse_first(
            table, first_row, absent(ref, memory_ids), "no such buffer or image", found=ref
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
    ids = sorted_ids(objects.buffers)
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
        before = next((part[-1] for part in reversed(parts) if len(part)), NONE)
        refuse_first(
            table,
            first_row,
            seqs <= np.concatenate(([before], seqs[:-1])),
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
            bad = (part.waits < 0) | (part.waits >= part.seqs) | absent(part.waits, known)
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
