"""Is every value of a table in the range or vocabulary of its column? One row group at a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gpusim.errors import TraceError, located
from gpusim.trace import schema
from gpusim.trace.sequences import ChunkedTable

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TEXT_BYTES = 1 << 20
MAX_WAITS = 1 << 16


def integers(column: pa.ChunkedArray, missing: int = -1) -> NDArray[np.int64]:
    """Return an integer column as NumPy; `missing` stands for null."""
    import pyarrow.compute as pc

    filled = pc.fill_null(column, missing) if column.null_count else column
    values: NDArray[np.int64] = filled.to_numpy().astype(np.int64, copy=False)
    return values


def nulls(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return where a column is null."""
    mask: NDArray[np.bool_] = column.is_null().to_numpy()
    return mask


def text_codes(column: pa.ChunkedArray) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the distinct texts or byte strings of a column and which each row has; -1: null."""
    import pyarrow as pa

    encoded = column.combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    return encoded.dictionary.to_pylist(), integers(encoded.indices)


def refuse_row(
    table: ChunkedTable, row: int, problem: str, *, expected: str = "", found: object = ""
) -> NoReturn:
    """Raise the TraceError that names `row` of `table`."""
    raise TraceError(located(table.where(row), problem, expected=expected, found=found))


def refuse_first(
    table: ChunkedTable,
    first_row: int,
    bad: NDArray[np.bool_],
    problem: str,
    *,
    expected: str = "",
    found: Any = None,
) -> None:
    """Raise for the first true entry of `bad`, if any.

    Parameters
    ----------
    table : ChunkedTable
        Table that the rows belong to.
    first_row : int
        Row of the table that ``bad[0]`` stands for.
    bad : bool array
        One entry per row.
    problem, expected : str
        Text of the error.
    found : array, optional
        Values to quote, one per row.
    """
    if bad.any():
        at = int(np.argmax(bad))
        value = "" if found is None else found[at]
        refuse_row(table, first_row + at, problem, expected=expected, found=value)


def check_columns(table: ChunkedTable, position: int) -> None:
    """Check types, nulls, ranges, vocabularies and lengths of one chunk.

    Raises
    ------
    TraceError
        Names the first row and column that is wrong.
    """
    chunk = table.chunk(position)
    first_row = int(table.starts[position])
    for column in table.layout.columns:
        values = chunk[column.name]
        if values.null_count and not column.nullable:
            refuse_first(
                table,
                first_row,
                nulls(values),
                f"column {column.name} is empty",
                expected="a value",
            )
        if column.type in ("i64", "i32"):
            _check_range(table, first_row, column, values)
        elif column.type == "text":
            _check_text(table, first_row, column, values)
        elif column.type.endswith("[]"):
            _check_list(table, first_row, column, values)


def _check_range(
    table: ChunkedTable, first_row: int, column: schema.Column, values: pa.ChunkedArray
) -> None:
    import pyarrow.compute as pc

    bounds = pc.min_max(values).as_py()
    low, high = bounds["min"], bounds["max"]
    if low is None or (low >= column.low and high <= column.high):
        return
    numbers = integers(values, column.low)
    refuse_first(
        table,
        first_row,
        (numbers < column.low) | (numbers > column.high),
        f"column {column.name} out of range",
        expected=f"{column.low}..{column.high}",
        found=numbers,
    )


def _bad_text(column: schema.Column, text: str) -> bool:
    if len(text) > MAX_TEXT_BYTES or "\0" in text:
        return True
    if column.choices:
        return text not in column.choices
    return bool(column.pattern) and not re.fullmatch(column.pattern, text, re.ASCII)


def _expected_text(column: schema.Column) -> str:
    if column.choices:
        return " | ".join(sorted(column.choices))
    return column.pattern or f"text of at most {MAX_TEXT_BYTES} characters without NUL"


def _check_text(
    table: ChunkedTable, first_row: int, column: schema.Column, values: pa.ChunkedArray
) -> None:
    import pyarrow.compute as pc

    bad = [
        text
        for text in pc.unique(values).to_pylist()
        if text is not None and _bad_text(column, text)
    ]
    if not bad:
        return
    refuse_row(
        table,
        first_row + values.to_pylist().index(bad[0]),
        f"column {column.name} has a value that is not allowed",
        expected=_expected_text(column),
        found=repr(bad[0][:80]),
    )


def _check_list(
    table: ChunkedTable, first_row: int, column: schema.Column, values: pa.ChunkedArray
) -> None:
    import pyarrow.compute as pc

    lengths = integers(pc.list_value_length(values))
    refuse_first(
        table,
        first_row,
        lengths > MAX_WAITS,
        f"column {column.name} is too long",
        expected=f"at most {MAX_WAITS} items",
        found=lengths,
    )
    items = pc.list_flatten(values)
    rows = np.repeat(np.arange(len(lengths)), np.maximum(lengths, 0))
    if items.null_count:
        refuse_row(
            table,
            first_row + int(rows[np.argmax(nulls(items))]),
            f"column {column.name} holds an empty item",
        )
    if column.type == "text[]":
        for row, text in zip(rows, items.to_pylist(), strict=True):
            if _bad_text(column, text):
                refuse_row(
                    table,
                    first_row + int(row),
                    f"column {column.name} has a value that is not allowed",
                    expected=_expected_text(column),
                    found=repr(text[:80]),
                )
