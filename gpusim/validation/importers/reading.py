"""What the importers share: text, tables with a preamble, numbers with bounds, rows."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpusim.errors import TraceError, located
from gpusim.validation.measured_rows import MeasuredRow

_MAX_BYTES = 512 * 1024 * 1024
_LARGEST = 1e18
"""No time in ns, rate or count of a run is larger."""

UNITS_OF_TIME = {
    "ns": "ns", "nsec": "ns", "nsecond": "ns", "us": "us", "µs": "us", "usec": "us",
    "usecond": "us", "ms": "ms", "msec": "ms", "msecond": "ms", "s": "s", "sec": "s",
    "second": "s",
}  # fmt: skip
"""How tools write units of time -> the measured schema's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What an importer found."""

    rows: tuple[MeasuredRow, ...]
    notes: tuple[str, ...] = ()


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises
    ------
    TraceError
        When it can't be read, is too large, or is no text.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise TraceError(located(path, "too large", expected=f"at most {_MAX_BYTES} bytes"))
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TraceError(located(path, "can't read", found=error.strerror)) from None
    except UnicodeDecodeError:
        raise TraceError(located(path, "can't read", expected="UTF-8 text")) from None
    if "\0" in text:
        raise TraceError(located(path, "can't read", expected="text", found="binary data"))
    return text


def read_table(
    text: str, first: re.Pattern[str], where: str
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line and the cells of each row below the header line that matches `first`.

    Lines before the header (what the tool printed) are passed over, empty ones too; the table
    ends at the end of the text.

    Raises
    ------
    TraceError
        For no such header, or a row with another number of cells.
    """
    lines = text.splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if first.match(line)), None)
    if start is None:
        raise TraceError(located(where, "no header", expected=first.pattern))
    reader = csv.reader(io.StringIO("".join(lines[start:])))
    try:
        header = [cell.strip() for cell in next(reader)]
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            line = start + reader.line_num
            if len(cells) != len(header):
                raise TraceError(
                    located(
                        f"{where}:{line}",
                        "cut off or not of this table",
                        expected=f"{len(header)} cells",
                        found=len(cells),
                    )
                )
            yield line, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        raise TraceError(located(where, "not a CSV table", found=error)) from None


def number(text: str, where: str) -> float:
    """Return a number that a tool wrote, with or without thousands separators.

    Raises
    ------
    TraceError
        When it is none, or so large that it can't be one.
    """
    plain = text.strip()
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", plain):
        plain = plain.replace(",", "")
    try:
        value = float(plain)
    except ValueError:
        value = math.nan
    if not abs(value) <= _LARGEST:
        raise TraceError(located(where, "not a plausible number", found=text))
    return value


def positive(text: str, where: str) -> float:
    """Return a number above zero.

    Raises
    ------
    TraceError
        When it is none.
    """
    value = number(text, where)
    if value <= 0:
        raise TraceError(located(where, "not positive", expected="> 0", found=text))
    return value


def time_unit(text: str, where: str) -> str:
    """Return a tool's unit of time as the measured schema writes it.

    Raises
    ------
    TraceError
        For another unit.
    """
    unit = UNITS_OF_TIME.get(text.strip().lower())
    if unit is None:
        raise TraceError(located(where, "not a unit of time", expected="ns, us, ms, s", found=text))
    return unit


def row(
    *,
    line: int,
    device: str,
    kernel: str,
    metric: str,
    value: float,
    unit: str,
    source: str,
    params: Mapping[str, Any] | None = None,
    global_size: Sequence[int] | None = None,
    local_size: Sequence[int] | None = None,
) -> MeasuredRow:
    """Return a row; sizes as measured tables write them."""
    return MeasuredRow(
        line=line,
        device=device,
        kernel=kernel,
        params=dict(params or {}),
        global_size=", ".join(map(str, global_size or ())),
        local_size=", ".join(map(str, local_size or ())),
        metric=metric,
        value=value,
        unit=unit,
        source=source,
    )


def three(cells: Sequence[str], where: str) -> tuple[int, int, int]:
    """Return three positive whole numbers.

    Raises
    ------
    TraceError
        When they are none.
    """
    values = [positive(cell, where) for cell in cells]
    if len(values) != 3 or any(value != int(value) for value in values):
        raise TraceError(located(where, "not a size", expected="three numbers", found=cells))
    return int(values[0]), int(values[1]), int(values[2])
