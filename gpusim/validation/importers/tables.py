"""AutoTVM logs, and the time bins that Arm Streamline exports."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

from gpusim.errors import GpusimError, TraceError, located
from gpusim.library.tvm.config import load_log
from gpusim.validation.importers.reading import Rows, number, row, time_unit
from gpusim.validation.measured_rows import MeasuredRow

_TIME_COLUMN = re.compile(
    r"(?:(?:start|bin|sample|end) ?)?(?:time|timestamp|start|bin)\s*(?:[\(\[]\s*(\w+)\s*[\)\]])?",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"%|\bpercent", re.IGNORECASE)


def autotvm(path: Path, device: str) -> Rows:
    """Read an AutoTVM log, one JSON object a line: a row per successful measurement."""
    try:
        tuned = load_log(path)
    except GpusimError as error:
        raise TraceError(str(error)) from None
    if not tuned:
        raise TraceError(located(path.name, "no successful measurement"))
    rows = tuple(
        row(
            line=number_,
            device=device or _target(path),
            kernel=one.template,
            params={"workload": one.workload, "dtype": _dtype(one.workload)},
            metric="sum_of_kernels_mean_time",
            value=one.seconds,
            unit="s",
            source=f"AutoTVM {path.name}",
        )
        for number_, one in enumerate(tuned, start=1)
        if 0 < one.seconds < 1e9
    )
    left_out = len(tuned) - len(rows)
    notes = (f"{left_out} times that are none left out",) if left_out else ()
    return Rows(rows=rows, notes=notes)


def _target(path: Path) -> str:
    """Return the model that a log's first line names, else its target."""
    import gzip

    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        line = next((text for text in lines if text.strip()), "{}")
    entry = json.loads(line)
    target = str(entry.get("record", entry)["input"][0])
    match = re.search(r"-model=(\S+)", target)
    return match[1] if match and match[1] != "unknown" else target


def _dtype(workload: object) -> str:
    text = json.dumps(workload)
    match = re.search(r'"(float16|float32|float64|int8|uint8)"', text)
    return match[1] if match else ""


def is_streamline(first_line: str) -> bool:
    """Whether a first line is the header of a table of time bins with counters."""
    cells = next(csv.reader([first_line]), [])
    return len(cells) > 1 and _TIME_COLUMN.fullmatch(cells[0].strip()) is not None


def streamline(text: str, name: str, device: str) -> Rows:
    """Read a table of time bins: the first column is time, each other one a counter or a share.

    Streamline samples the GPU, it doesn't time kernels. A share in percent becomes the time for
    which the unit was active, a counter its total. Columns that are always zero are left out.
    """
    reader = csv.reader(io.StringIO(text))
    try:
        table = [cells for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise TraceError(located(name, "not a CSV table", found=error)) from None
    header, body = [cell.strip() for cell in table[0]], table[1:]
    match = _TIME_COLUMN.fullmatch(header[0])
    unit = time_unit((match and match[1]) or "s", f"{name}: {header[0]}")
    if len(body) < 2:
        raise TraceError(located(name, "too few bins", expected=">= 2", found=len(body)))
    columns: list[list[float]] = [[] for _ in header]
    for at, cells in enumerate(body, start=2):
        if len(cells) != len(header):
            expected = f"{len(header)} cells"
            raise TraceError(
                located(f"{name}:{at}", "cut off", expected=expected, found=len(cells))
            )
        for column, title, cell in zip(columns, header, cells, strict=True):
            column.append(number(cell, f"{name}:{at}: {title}") if cell.strip() else 0.0)
    width = columns[0][1] - columns[0][0]
    if width <= 0:
        raise TraceError(located(f"{name}:3: {header[0]}", "time does not increase"))
    rows: list[MeasuredRow] = []
    for title, values in zip(header[1:], columns[1:], strict=True):
        share = _PERCENT.search(title) is not None
        total = sum(values) * (width / 100 if share else 1)
        if total > 0:
            rows.append(
                row(
                    line=1,
                    device=device,
                    kernel=f"streamline/{title}",
                    params={"bins": len(values), "bin": width, "bin_unit": unit},
                    metric="active_time" if share else "total",
                    value=total,
                    unit=unit if share else "count",
                    source=f"Streamline {name}",
                )
            )
    n_zero = len(header) - 1 - len(rows)
    notes = (f"{n_zero} columns that are always zero left out",) if n_zero else ()
    return Rows(rows=tuple(rows), notes=notes)
