"""Tables of times as programs write them: columns and units found from their headers.

A table is a CSV or Parquet file with one time per row and columns that identify the row, or a file
of another tool that the importers know. Rows of rates (GFLOPS, GBPS) are no times: they stay empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gpusim.errors import TraceError, located
from gpusim.validation.importers import import_measured, is_foreign
from gpusim.validation.measured_rows import RATE_UNITS, TIME_UNITS_MS

if TYPE_CHECKING:
    import pandas as pd

_VALUE_STEMS = (
    "predicted", "simulated", "measured", "time", "duration", "latency", "elapsed", "total", "mean",
)  # fmt: skip
_SUFFIX = re.compile(r"(?:_|\(|\[| )(ps|ns|us|µs|ms|s)[)\]]?$")
_SYNONYMS = {
    "device": ("device", "gpu", "board"),
    "launch": ("launch", "index", "launch_index", "id"),
    "kernel": ("kernel", "kernel_name", "name"),
    "params": ("params", "parameters"),
    "global": ("global", "global_size"),
    "local": ("local", "local_size"),
}
"""What a column means -> the headers it goes by."""
_FEATURES = {"dtype": ("dtype", "type"), "bound": ("bound",)}
"""Columns that say something of a row without identifying it."""
PLAIN_JOIN = ("launch",)
FULL_JOIN = ("device", "kernel", "params", "global", "local")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeTable:
    """A table with its columns understood."""

    path: str
    frame: pd.DataFrame
    value_column: str
    unit: str
    """Of the value column, or the name of the column that holds it."""
    keys: dict[str, str]
    """Meaning -> header."""
    times_ms: tuple[float | None, ...]
    features: dict[str, str] = field(default_factory=dict)
    """Feature -> header, of columns that don't identify a row."""
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the mapping on one line."""
        keys = ", ".join(f"{meaning} = '{header}'" for meaning, header in self.keys.items())
        parts = [f"time = '{self.value_column}' in {self.unit}", keys, *self.notes]
        return f"{Path(self.path).name}: {'; '.join(part for part in parts if part)}"


def read_time_table(path: Path, *, prefer: str) -> TimeTable:
    """Read a table and find its time column, unit and keys.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.parquet``, or a file that :mod:`gpusim.validation.importers` knows.
    prefer : str
        ``simulated`` or ``measured``: the column taken where a table has both.

    Raises
    ------
    TraceError
        For a file that can't be read, has no column of times, or times that are no numbers.
    """
    frame, kind = _read(path)
    keys = {
        meaning: header
        for meaning, names in _SYNONYMS.items()
        if (header := _first(frame, names)) is not None
    }
    column, unit = _value_column(frame, path, prefer)
    times = _times(frame, column, unit, path)
    notes = [f"read as {kind}"] if kind else []
    if unit not in TIME_UNITS_MS:
        n_rates = sum(_is_rate(cell) for cell in frame[_unit_header(unit)])
        notes += [f"{n_rates} rows of rates left out"] if n_rates else []
    return TimeTable(
        path=str(path),
        frame=frame,
        value_column=column,
        unit=unit,
        keys={meaning: header for meaning, header in keys.items() if header != column},
        times_ms=times,
        features={
            name: header
            for name, names in _FEATURES.items()
            if (header := _first(frame, names)) is not None
        },
        notes=tuple(notes),
    )


def _read(path: Path) -> tuple[pd.DataFrame, str]:
    """Return the table, and the tool that wrote it where it is not a plain one."""
    import pandas as pd

    try:
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
        elif is_foreign(path):
            return _read_foreign(path)
        else:
            frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise TraceError(located(path, "can't read", found=error)) from error
    if frame.empty:
        raise TraceError(located(path, "no rows", expected="one time per row"))
    return frame, ""


def _read_foreign(path: Path) -> tuple[pd.DataFrame, str]:
    import pandas as pd

    found = import_measured(path)
    rows = [
        {
            # No name, no key: a tool that doesn't say the device matches any.
            "device": one.device or None,
            "kernel": one.kernel,
            "global_size": one.global_size or None,
            "local_size": one.local_size or None,
            "dtype": one.params.get("dtype"),
            "launch": one.params.get("launch"),
            "value": one.value,
            "unit": one.unit,
        }
        for one in found.rows
    ]
    frame = pd.DataFrame.from_records(rows)
    return frame.dropna(axis="columns", how="all"), found.kind


def _unit_header(unit: str) -> str:
    """Return the header in ``column 'unit'``."""
    return unit[8:-1]


def _is_rate(cell: object) -> bool:
    return str(cell).upper() in RATE_UNITS


def _first(frame: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    headers = {str(header).lower(): str(header) for header in frame.columns}
    return next((headers[name] for name in names if name in headers), None)


def _value_column(frame: pd.DataFrame, path: Path, prefer: str) -> tuple[str, str]:
    """Return the header of the times and their unit."""
    found: list[tuple[int, str, str]] = []
    stems = (prefer, "predicted" if prefer == "simulated" else "time", *_VALUE_STEMS)
    for header in map(str, frame.columns):
        match = _SUFFIX.search(header.lower())
        if match is None:
            continue
        stem = header.lower()[: match.start()]
        rank = next((i for i, name in enumerate(stems) if name in stem), None)
        if rank is not None:
            found.append((rank, header, match[1]))
    if found:
        _, header, unit = min(found)
        return header, unit
    value, unit_header = _first(frame, ("value",)), _first(frame, ("unit",))
    if value is not None and unit_header is not None:
        return value, f"column '{unit_header}'"
    raise TraceError(
        located(
            f"{path.name}: header",
            "no column of times",
            expected="such as predicted_ms, measured_us, or value with unit",
            found=", ".join(map(str, frame.columns)),
        )
    )


def _times(frame: pd.DataFrame, column: str, unit: str, path: Path) -> tuple[float | None, ...]:
    import pandas as pd

    numbers = pd.to_numeric(frame[column], errors="coerce")
    broken = numbers.isna() & frame[column].notna()
    if broken.any():
        at = int(broken.to_numpy().argmax())
        raise TraceError(
            located(
                f"{path.name}: row {at + 1}: {column}", "not a number", found=frame[column].iloc[at]
            )
        )
    if unit in TIME_UNITS_MS:
        factors: list[float | None] = [TIME_UNITS_MS[unit]] * len(frame)
    else:
        units = [str(cell) for cell in frame[_unit_header(unit)]]
        if all(map(_is_rate, units)):
            where = f"{path.name}: row 1: unit"
            expected = ", ".join(TIME_UNITS_MS)
            raise TraceError(
                located(where, "not a unit of time", expected=expected, found=units[0])
            )
        factors = [None if _is_rate(one) else _factor(one, i, path) for i, one in enumerate(units)]
    return tuple(
        None if factor is None or pd.isna(number) else float(number) * factor
        for number, factor in zip(numbers, factors, strict=True)
    )


def _factor(unit: str, row: int, path: Path) -> float:
    if unit not in TIME_UNITS_MS:
        where = f"{path.name}: row {row + 1}: unit"
        raise TraceError(
            located(where, "not a unit of time", expected=", ".join(TIME_UNITS_MS), found=unit)
        )
    return TIME_UNITS_MS[unit]
