"""Parquet files of a trace: reproducible bytes out; in, a row group at a time, within limits."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gpusim.errors import TraceError, located
from gpusim.trace import schema
from gpusim.trace.parquet_footer import declared_rows
from gpusim.trace.sequences import ChunkedTable

if TYPE_CHECKING:
    import pyarrow as pa

_ZSTD_LEVEL = 3
_FEW_ROWS = 4096


def write_parquet(table: schema.Table, chunks: Iterable[pa.Table]) -> tuple[bytes, int]:
    """Return the bytes of a Parquet file and its number of rows; each chunk is a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    layout = schema.arrow_schema(table)
    sink = io.BytesIO()
    rows = 0
    with pq.ParquetWriter(
        sink,
        layout,
        version="2.6",
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        store_schema=False,
        write_page_checksum=True,
        use_dictionary=True,
    ) as writer:
        for chunk in chunks:
            rows += chunk.num_rows
            # A chunk read from a trace has dictionaries and wider nullability; the file has not.
            plain = pa.Table.from_arrays(
                [
                    column.cast(field.type)
                    for column, field in zip(chunk.columns, layout, strict=True)
                ],
                schema=layout,
            )
            writer.write_table(plain, row_group_size=max(1, chunk.num_rows))
    return sink.getvalue(), rows


def read_parquet(table: schema.Table, data: bytes, where: str) -> tuple[ChunkedTable, list[str]]:
    """Open a table; nothing is decoded yet.

    Parameters
    ----------
    table : schema.Table
        The columns it must have; others are passed over.
    data : bytes
        The file.
    where : str
        Trace and file, for messages.

    Returns
    -------
    ChunkedTable, list of str
        The table, and a note per column that was passed over.

    Raises
    ------
    TraceError
        When it is not Parquet, lacks a column, or declares more than the limits.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    group_rows = declared_rows(data, where)
    names = [column.name for column in table.columns]
    # Dictionaries stay dictionaries: a long text repeated a million times is stored once.
    repeated = [column.name for column in table.columns if column.type in ("text", "bytes")]
    try:
        file = pq.ParquetFile(
            pa.BufferReader(data),
            read_dictionary=repeated,
            page_checksum_verification=True,
            thrift_string_size_limit=1 << 24,
            thrift_container_size_limit=1 << 20,
        )
        found = {field.name: field.type for field in file.schema_arrow}
        all_names = list(file.schema_arrow.names)
    except _unreadable() as error:
        raise _damaged(where, error) from None
    _check_schema(table, found, all_names, where)

    def read(position: int) -> pa.Table:
        try:
            # Handing a few rows to a thread pool takes longer than decoding them.
            is_large = group_rows[position] > _FEW_ROWS
            chunk = file.read_row_group(position, columns=names, use_threads=is_large)
            chunk.validate(full=True)
            chunk = chunk.select(names)
        except _unreadable() as error:
            raise _damaged(f"{where}: row group {position}", error) from None
        if chunk.num_rows != group_rows[position]:
            raise TraceError(
                located(
                    f"{where}: row group {position}",
                    "wrong number of rows",
                    expected=str(group_rows[position]),
                    found=chunk.num_rows,
                )
            )
        return chunk

    unknown = [name for name in all_names if name not in names]
    notes = [f"{where}: column {name[:80]!r} is unknown and was ignored" for name in unknown]
    return ChunkedTable(table, group_rows, read, lambda row: f"{where}: row {row}"), notes


def _unreadable() -> tuple[type[Exception], ...]:
    import pyarrow as pa

    return (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, KeyError, TypeError)


def _damaged(where: str, error: Exception) -> TraceError:
    text = str(error).splitlines()
    return TraceError(
        located(where, "damaged Parquet", expected="a table", found=(text or [""])[0][:200])
    )


def _check_schema(
    table: schema.Table, found: dict[str, pa.DataType], names: list[str], where: str
) -> None:
    for column in table.columns:
        if names.count(column.name) != 1:
            raise TraceError(
                located(
                    where,
                    f"column {column.name}",
                    expected="exactly one",
                    found=names.count(column.name),
                )
            )
        kind = schema.type_name(found[column.name])
        if kind != column.type:
            raise TraceError(
                located(
                    where,
                    f"column {column.name} has a wrong type",
                    expected=column.type,
                    found=kind,
                )
            )
