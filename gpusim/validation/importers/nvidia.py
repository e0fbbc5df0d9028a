"""Tables of NVIDIA's profilers: nsys (GPU trace, kernel summary) and ncu (--csv, raw page).

nsys writes the unit into the header: ``Duration (ns)``; older versions ``Duration(nsec)``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gpusim.errors import TraceError, located
from gpusim.validation.importers.reading import (
    Rows,
    positive,
    read_table,
    row,
    three,
    time_unit,
)
from gpusim.validation.measured_rows import MeasuredRow

NSYS_TRACE = re.compile(r'"?Start ?\(\w+\)"?,"?Duration ?\(\w+\)"?,"?CorrId')
NSYS_SUMMARY = re.compile(r'"?Time ?\(%\)"?,"?Total Time ?\(\w+\)"?,"?Instances')
NCU = re.compile(r'"?ID"?,"?Process ID"?,"?Process Name"?')
_DURATIONS = ("gpu__time_duration.sum", "Duration")


def nsys_trace(text: str, name: str, device: str) -> Rows:
    """Read ``nsys stats --report cuda_gpu_trace --format csv`` (``gputrace`` before 2023).

    Every kernel is a row; copies between host and device are left out.
    """
    rows: list[MeasuredRow] = []
    n_copies = 0
    for line, cells in read_table(text, NSYS_TRACE, name):
        where = f"{name}:{line}"
        if not cells.get("GrdX"):
            n_copies += 1
            continue
        header = _header(cells, "Duration", where)
        grid = three([cells.get(f"Grd{axis}", "") for axis in "XYZ"], f"{where}: grid")
        block = three([cells.get(f"Blk{axis}", "") for axis in "XYZ"], f"{where}: block")
        rows.append(
            row(
                line=line,
                device=device or _without_number(cells.get("Device", "")),
                kernel=_function(cells.get("Name", "")),
                params={"launch": len(rows), "grid": grid, "name": cells.get("Name", "")},
                global_size=[a * b for a, b in zip(grid, block, strict=True)],
                local_size=block,
                metric="kernel_time",
                value=positive(cells[header], f"{where}: {header}"),
                unit=_unit(header, where),
                source=f"nsys {name}",
            )
        )
    notes = (f"{n_copies} copies and fills left out",) if n_copies else ()
    return Rows(rows=tuple(rows), notes=notes)


def nsys_summary(text: str, name: str, device: str) -> Rows:
    """Read ``nsys stats --report cuda_gpu_kern_sum --format csv``: a row per kernel, its median."""
    rows = []
    for line, cells in read_table(text, NSYS_SUMMARY, name):
        where = f"{name}:{line}"
        median = next((one for one in cells if re.match(r"Med", one)), "")
        header = median or _header(cells, "Avg", where)
        rows.append(
            row(
                line=line,
                device=device,
                kernel=_function(cells.get("Name", "")),
                params={
                    "instances": int(positive(cells["Instances"], f"{where}: Instances")),
                    "name": cells.get("Name", ""),
                },
                metric="kernel_time_median" if median else "kernel_time_mean",
                value=positive(cells[header], f"{where}: {header}"),
                unit=_unit(header, where),
                source=f"nsys {name}",
            )
        )
    return Rows(rows=tuple(rows))


def ncu(text: str, name: str, device: str) -> Rows:
    """Read ``ncu --csv``: one line per metric, or (``--page raw``) one column per metric."""
    table = list(read_table(text, NCU, name))
    if not table:
        raise TraceError(located(name, "no rows", expected="one kernel at least"))
    if "Metric Name" in table[0][1]:
        found = _ncu_lines(table, name, device)
    else:
        found = _ncu_columns(table, name, device)
    if not found:
        raise TraceError(located(name, "no times", expected=" or ".join(_DURATIONS)))
    return Rows(rows=tuple(found))


def _ncu_lines(
    table: list[tuple[int, dict[str, str]]], name: str, device: str
) -> list[MeasuredRow]:
    rows: dict[tuple[str, str], MeasuredRow] = {}
    for line, cells in table:
        if cells["Metric Name"] not in _DURATIONS:
            continue
        # Both sections of a report name the duration of a kernel.
        key = (cells.get("ID", ""), cells.get("Process ID", ""))
        rows.setdefault(
            key,
            _ncu_row(
                cells, cells.get("Metric Value", ""), cells.get("Metric Unit", ""), line, name,
                device, len(rows),
            ),
        )  # fmt: skip
    return list(rows.values())


def _ncu_columns(
    table: list[tuple[int, dict[str, str]]], name: str, device: str
) -> list[MeasuredRow]:
    header = next((one for one in _DURATIONS if one in table[0][1]), None)
    if header is None:
        return []
    # The first line below the header holds the units.
    unit = table[0][1][header]
    return [
        _ncu_row(cells, cells[header], unit, line, name, device, number)
        for number, (line, cells) in enumerate(table[1:])
    ]


def _ncu_row(
    cells: Mapping[str, str], value: str, unit: str, line: int, name: str, device: str, launch: int
) -> MeasuredRow:
    where = f"{name}:{line}"
    grid, block = (
        _size(cells.get("Grid Size", ""), where),
        _size(cells.get("Block Size", ""), where),
    )
    both = grid and block
    return row(
        line=line,
        device=device,
        kernel=_function(cells.get("Kernel Name", "")),
        params={"launch": launch, "name": cells.get("Kernel Name", "")},
        global_size=[a * b for a, b in zip(grid, block, strict=True)] if both else None,
        local_size=block or None,
        metric="kernel_time",
        value=positive(value, f"{where}: duration"),
        unit=time_unit(unit, f"{where}: unit"),
        source=f"ncu {name}",
    )


def _size(text: str, where: str) -> tuple[int, ...]:
    """Return ``(256, 1, 1)`` or ``256,1,1`` as numbers; empty for an empty cell."""
    parts = [part for part in text.strip("() ").split(",") if part.strip()]
    return three(parts, f"{where}: size") if parts else ()


def _header(cells: Mapping[str, str], stem: str, where: str) -> str:
    found = next((one for one in cells if re.fullmatch(rf"{stem} ?\(\w+\)", one)), None)
    if found is None:
        raise TraceError(located(where, f"no column '{stem} (ns)'", found=", ".join(cells)))
    return found


def _unit(header: str, where: str) -> str:
    return time_unit(header[header.index("(") + 1 : header.index(")")], where)


def _function(name: str) -> str:
    """Return a kernel's name without return type, template and parameters."""
    plain = re.sub(r"^void\s+", "", name.strip())
    return re.split(r"[(<]", plain, maxsplit=1)[0].strip() or name


def _without_number(device: str) -> str:
    return re.sub(r" \(\d+\)$", "", device)
