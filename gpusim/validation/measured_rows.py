"""Measured values in the CSV schema: one row per kernel, NDRange and metric."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpusim.errors import TraceError, located
from gpusim.trace.records import Size3

COLUMNS = (
    "device", "kernel", "params", "global_size", "local_size", "metric", "value", "unit", "source",
)  # fmt: skip
_REQUIRED = ("device", "kernel", "params", "metric", "unit")

TIME_UNITS_MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "ns": 1e-6, "ps": 1e-9}
"""Time unit -> milliseconds."""
RATE_UNITS = {"GFLOPS": 1e9, "GFLOP/S": 1e9, "GIOPS": 1e9, "GBPS": 1e9, "GB/S": 1e9}
"""Rate unit in upper case -> operations or bytes per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRow:
    """One row of a measured table."""

    line: int
    """Line of the file, the header being 1."""
    device: str
    kernel: str
    params: dict[str, Any] = field(default_factory=dict)
    global_size: str = ""
    local_size: str = ""
    metric: str = ""
    value: float | None = None
    """None where the file has none."""
    unit: str = ""
    source: str = ""


def read_measured_rows(path: Path) -> list[MeasuredRow]:
    """Read a CSV of the measured schema.

    Raises
    ------
    TraceError
        For an unreadable file, a missing column or a malformed row, with its line.
    """
    rows = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or []
            missing = [name for name in _REQUIRED if name not in header]
            if missing:
                raise TraceError(
                    located(
                        f"{path.name}: header",
                        f"no column '{missing[0]}'",
                        expected=", ".join(COLUMNS),
                        found=", ".join(header) or "an empty file",
                    )
                )
            rows = [_row(raw, f"{path.name}:{reader.line_num}", reader.line_num) for raw in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TraceError(located(path, "can't read", found=error)) from error
    if not rows:
        raise TraceError(located(path.name, "no rows", expected="one measurement per row"))
    return rows


def _row(raw: dict[str, str | None], where: str, line: int) -> MeasuredRow:
    cells = {name: (raw.get(name) or "").strip() for name in COLUMNS}
    return MeasuredRow(
        line=line,
        device=cells["device"],
        kernel=cells["kernel"],
        params=_params(cells["params"], where),
        global_size=cells["global_size"],
        local_size=cells["local_size"],
        metric=cells["metric"],
        value=_value(cells["value"], where),
        unit=cells["unit"],
        source=cells["source"],
    )


def _params(text: str, where: str) -> dict[str, Any]:
    try:
        params = json.loads(text or "{}")
    except (json.JSONDecodeError, RecursionError) as error:
        raise TraceError(located(f"{where}: params", "not JSON", found=error)) from error
    if not isinstance(params, dict):
        raise TraceError(located(f"{where}: params", "not a JSON object", found=text))
    return params


def _value(text: str, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise TraceError(located(f"{where}: value", "not a number", found=text)) from error
    if not (math.isfinite(value) and value > 0):
        raise TraceError(located(f"{where}: value", "not positive", expected="> 0", found=text))
    return value


def parse_size(text: str, where: str) -> Size3 | None:
    """Return an NDRange size, padded to three; None for an empty cell or ``driver``.

    Raises
    ------
    TraceError
        For anything but one to three positive integers.
    """
    if text.lower() in ("", "driver", "null", "none", "nan"):
        return None
    parts = [part for part in text.strip("[]() ").replace("x", ",").split(",") if part.strip()]
    try:
        sizes = [int(part) for part in parts]
    except ValueError:
        sizes = []
    if not 1 <= len(sizes) <= 3 or min(sizes) < 1:
        raise TraceError(
            located(where, "not an NDRange size", expected="such as 256, 256, 1", found=text)
        )
    padded = [*sizes, 1, 1][:3]
    return (padded[0], padded[1], padded[2])
