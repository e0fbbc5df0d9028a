"""Compare a replay with what a real board measured: in the trace itself, or in a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpusim.device import DeviceSpec, load_device
from gpusim.errors import TraceError, located
from gpusim.pipeline import replay
from gpusim.trace.records import Launch, Trace
from gpusim.validation.compare import Comparison, Pair, cell_text, check_positive
from gpusim.validation.device_names import is_device
from gpusim.validation.residuals import work_group_range
from gpusim.validation.tables import TimeTable, read_time_table

if TYPE_CHECKING:
    from gpusim.report import Report
    from gpusim.report.report import LaunchRow

_PS_PER_MS = 10**9
_NS_PER_MS = 10**6
_SIZES = ("global", "local")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A row of a table with a time."""

    launch: str
    """Index of the launch in the trace; empty where the row doesn't say."""
    kernel: str
    sizes: Mapping[str, str]
    time_ms: float
    where: str


def compare_trace(trace: Trace, device: str, *, fidelity: str = "wave") -> Comparison:
    """Compare a replay with the START..END times that a real board recorded in the trace.

    Raises
    ------
    TraceError
        When the trace was captured as if on another device, or holds no times.
    """
    if trace.impersonated:
        raise TraceError(
            located(
                trace.name,
                "its times are of another device than the one presented",
                expected="a trace captured on the real board",
                found="impersonated",
            )
        )
    measured = {
        launch.index: (launch.times.end_ns - launch.times.start_ns) / _NS_PER_MS
        for launch in trace.launches
        if launch.times is not None and launch.times.end_ns > launch.times.start_ns > 0
    }
    if not measured:
        raise TraceError(
            located(trace.name, "no START..END times", expected="a capture with profiling")
        )
    report = replay(trace, device, fidelity=fidelity)
    simulated = {row.index: row for row in report.launches}
    names = {launch.index: launch for launch in trace.launches}
    return Comparison(
        pairs=tuple(
            _pair(names[index], time_ms, simulated.get(index))
            for index, time_ms in measured.items()
        ),
        mapping=(
            f"measured: START..END of {len(measured)} launches; simulated: GPU time on {device}",
            "joined on launch",
        ),
    )


def compare_trace_table(
    trace: Trace, device: str, measured: Path, *, fidelity: str = "wave"
) -> Comparison:
    """Compare a replay with a table of times measured elsewhere, such as by ``gpusim measure``.

    Rows of other devices and of kernels that the trace lacks are left out, with a note. A row
    that says which launch it is (a column ``launch``, or ``launch`` among its parameters) belongs
    to that one; the others are joined on kernel, global and local size as far as the table has
    them, launches that are alike by their mean.

    Raises
    ------
    TraceError
        For a table that can't be read, or none of whose rows belongs to the trace.
    """
    table = read_time_table(measured, prefer="measured")
    if "kernel" not in table.keys and "launch" not in table.keys:
        headers = ", ".join(map(str, table.frame.columns))
        raise TraceError(
            located(measured.name, "no keys", expected="a column kernel or launch", found=headers)
        )
    rows, notes = _rows(table, load_device(device))
    report = replay(trace, device, fidelity=fidelity)
    by_launch = [row for row in rows if row.launch]
    # One kind of key for all rows, so that a comparison means one thing.
    if rows and len(by_launch) == len(rows):
        join: tuple[str, ...] = ("launch",)
        pairs = _pairs_by_launch(trace, report, rows)
    else:
        join = ("kernel", *(name for name in _SIZES if name in table.keys))
        pairs = _pairs_by_kernel(trace, report, rows, join)
    if not pairs:
        found = ", ".join(dict.fromkeys(row.kernel or f"launch {row.launch}" for row in rows))
        ours = ", ".join(dict.fromkeys(launch.kernel for launch in trace.launches))
        problem = f"no row matches {Path(trace.name).name} on {', '.join(join)}"
        raise TraceError(located(measured.name, problem, expected=ours, found=found))
    unused = len(rows) - sum(pair.n_measured for pair in pairs)
    if unused:
        notes.append(f"{unused} rows belong to no launch of the trace")
    mapping = (
        f"simulated: GPU time of {len(report.launches)} launches on {device}",
        table.describe(),
        f"joined on {', '.join(join)}",
        *notes,
    )
    return Comparison(pairs=tuple(pairs), mapping=mapping)


def _rows(table: TimeTable, device: DeviceSpec) -> tuple[list[_Measured], list[str]]:
    """Return the rows of the device that have a time, and what was left out."""
    name = Path(table.path).name
    columns = {
        meaning: [cell_text(cell, meaning) for cell in table.frame[header]]
        for meaning, header in table.keys.items()
        if meaning != "device"
    }
    boards = [str(cell) for cell in table.frame[table.keys["device"]]] if _named(table) else []
    others: Counter[str] = Counter()
    rows = []
    n_empty = 0
    for number, time_ms in enumerate(table.times_ms):
        if boards and not is_device(boards[number], device):
            others[boards[number]] += 1
            continue
        if time_ms is None:
            n_empty += 1
            continue
        where = f"{name}: row {number + 1}"
        params = _params(table, number)
        cells = {meaning: cells[number] for meaning, cells in columns.items()}
        stated = params.get("launch", "")
        rows.append(
            _Measured(
                launch=cells.get("launch") or cell_text(stated, "launch"),
                kernel=cells.get("kernel", ""),
                sizes={meaning: cells[meaning] for meaning in _SIZES if meaning in cells},
                time_ms=check_positive(time_ms, where),
                where=where,
            )
        )
    if not rows:
        found = ", ".join(others) or "no times"
        raise TraceError(located(name, "no row of this device", expected=device.id, found=found))
    notes = []
    if others:
        notes.append(f"{others.total()} rows of other devices left out: {', '.join(others)}")
    if n_empty:
        notes.append(f"{n_empty} rows without a time left out")
    return rows, notes


def _named(table: TimeTable) -> bool:
    return "device" in table.keys and bool(table.frame[table.keys["device"]].notna().any())


def _params(table: TimeTable, number: int) -> dict[str, Any]:
    """Return a row's parameters; none where they are no JSON object."""
    if "params" not in table.keys:
        return {}
    try:
        found = json.loads(str(table.frame[table.keys["params"]].iloc[number]))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _pairs_by_launch(trace: Trace, report: Report, rows: Sequence[_Measured]) -> list[Pair]:
    launches = {str(launch.index): launch for launch in trace.launches}
    simulated = {row.index: row for row in report.launches}
    times: dict[str, list[float]] = {}
    for row in rows:
        launch = launches.get(row.launch)
        if launch is None:
            continue
        if row.kernel and row.kernel != launch.kernel:
            raise TraceError(
                located(
                    f"{row.where}: launch {row.launch}",
                    "another kernel than in the trace",
                    expected=launch.kernel,
                    found=row.kernel,
                )
            )
        times.setdefault(row.launch, []).append(row.time_ms)
    return [
        _pair(launches[index], sum(found) / len(found), simulated.get(int(index)), len(found))
        for index, found in times.items()
    ]


def _pairs_by_kernel(
    trace: Trace, report: Report, rows: Sequence[_Measured], join: Sequence[str]
) -> list[Pair]:
    """Return a pair per key; of launches that are alike, the mean of those that replayed."""
    simulated = {row.index: row for row in report.launches}
    launches: dict[tuple[str, ...], list[Launch]] = {}
    for launch in trace.launches:
        sizes = {
            "global": ",".join(map(str, launch.global_size)),
            "local": "" if launch.local_size is None else ",".join(map(str, launch.local_size)),
        }
        key = (launch.kernel, *(sizes[name] for name in join[1:]))
        launches.setdefault(key, []).append(launch)
    times: dict[tuple[str, ...], list[float]] = {}
    for row in rows:
        key = (row.kernel, *(_three(row.sizes[name]) for name in join[1:]))
        if key in launches:
            times.setdefault(key, []).append(row.time_ms)
    pairs = []
    for key, found in times.items():
        ours = [simulated[one.index] for one in launches[key] if one.index in simulated]
        mean_ps = sum(one.predicted_ps for one in ours) / len(ours) if ours else None
        whole = len(ours) == len(launches[key])
        pair = _pair(launches[key][0], sum(found) / len(found), ours[0] if ours else None)
        pairs.append(
            Pair(
                label=" ".join(part for part in key if part),
                measured_ms=pair.measured_ms,
                simulated_ms=mean_ps / _PS_PER_MS if mean_ps is not None and whole else None,
                features=pair.features,
                n_measured=len(found),
            )
        )
    return pairs


def _three(size: str) -> str:
    """Return ``64,32`` as ``64,32,1``; an empty size stays empty."""
    return ",".join([*size.split(","), "1", "1"][:3]) if size else ""


def _pair(launch: Launch, time_ms: float, row: LaunchRow | None, n_measured: int = 1) -> Pair:
    return Pair(
        label=f"{launch.index} {launch.kernel}",
        measured_ms=time_ms,
        simulated_ms=None if row is None else row.predicted_ps / _PS_PER_MS,
        features={} if row is None else _features(launch, row),
        n_measured=n_measured,
    )


def _features(launch: Launch, row: LaunchRow) -> dict[str, str]:
    local = row.jobs[0].local_size
    operations: Counter[int] = Counter()
    for job in row.jobs:
        operations.update(job.float_operations)
    # The type of most of its arithmetic; a kernel without any is one of integers.
    bits = max(operations, key=operations.__getitem__) if operations.total() else 0
    return {
        "kernel": launch.kernel,
        "dtype": f"f{bits}" if bits else "no floating point",
        "local": ",".join(map(str, local)),
        "bound": row.bound,
        "work_groups": work_group_range(sum(job.work_groups for job in row.jobs)),
    }
