"""Views of a report as tables: per launch, per job, and the long table of every metric."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpusim.errors import OutputError, located
from gpusim.report.report import PS_PER_MS, Report

if TYPE_CHECKING:
    import pandas as pd

LAUNCH_COLUMNS = (
    "launch",
    "kernel",
    "global",
    "local",
    "jobs",
    "work_groups",
    "arithmetic",
    "memory",
    "predicted_ms",
    "bound",
)
"""Columns of the table per launch, in the order printed."""


def size_text(size: tuple[int, int, int] | None) -> str:
    """Format an NDRange as ``23x196x1``; NULL for None."""
    return "NULL" if size is None else "x".join(str(extent) for extent in size)


def launch_rows(report: Report) -> list[tuple[Any, ...]]:
    """Return one tuple per launch, in the order of LAUNCH_COLUMNS; numbers stay numbers."""
    rows = []
    for row in report.launches:
        jobs = row.jobs
        # Split jobs show how their columns divide, e.g. "2 (20x196x1 + 3x196x1)".
        detail = " + ".join(size_text(job.global_size) for job in jobs)
        rows.append(
            (
                row.index,
                row.kernel,
                size_text(row.global_size),
                size_text(row.local_size),
                str(row.n_jobs) if row.n_jobs == 1 else f"{row.n_jobs} ({detail})",
                sum(job.work_groups for job in jobs),
                sum(job.arithmetic_instructions for job in jobs),
                sum(job.memory_instructions for job in jobs),
                row.predicted_ps / PS_PER_MS,
                row.bound,
            )
        )
    return rows


def long_table(report: Report) -> pd.DataFrame:
    """Return every figure of the report as rows (path, metric, value, unit).

    `value` is float64; picoseconds stay exact up to 2**53 ps = 2.5 h.
    """
    import pandas as pd

    rows: list[tuple[str, str, float, str]] = [("replay", "total", report.total_ps, "ps")]
    for launch in report.launches:
        path = f"launch[{launch.index}]"
        rows.append((path, "predicted", launch.predicted_ps, "ps"))
        rows.append((path, "enqueued_at", launch.enqueue_ps, "ps"))
        for job in launch.jobs:
            place = f"{path}.job[{job.index}]"
            rows += [
                (place, "start", job.start_ps, "ps"),
                (place, "end", job.end_ps, "ps"),
                (place, "work_groups", job.work_groups, "count"),
                (place, "arithmetic_instructions", job.arithmetic_instructions, "count"),
                (place, "memory_instructions", job.memory_instructions, "count"),
            ]
    rows += [("gpu", name, value, "count") for name, value in report.counters.items()]
    rows += [("evidence", kind, number, "count") for kind, number in report.evidence.items()]
    frame = pd.DataFrame(rows, columns=["path", "metric", "value", "unit"])
    frame["value"] = frame["value"].astype("float64")
    return frame


def job_frame(report: Report) -> pd.DataFrame:
    """Return one row per job with its launch's kernel; times in ps."""
    import pandas as pd

    records = [
        {
            "device": report.device,
            "launch": launch.index,
            "kernel": launch.kernel,
            "job": job.index,
            "global": size_text(job.global_size),
            "local": size_text(job.local_size),
            "work_groups": job.work_groups,
            "arithmetic_instructions": job.arithmetic_instructions,
            "memory_instructions": job.memory_instructions,
            "start_ps": job.start_ps,
            "end_ps": job.end_ps,
            "bound": job.bound,
        }
        for launch in report.launches
        for job in launch.jobs
    ]
    return pd.DataFrame.from_records(records)


def write_tables(report: Report, paths: Sequence[Path]) -> None:
    """Write the long table to each path; the suffix chooses the format.

    Raises
    ------
    OutputError
        For a suffix other than ``.csv`` and ``.parquet``, or a path that can't be written.
    """
    for path in paths:
        if path.suffix not in (".csv", ".parquet"):
            raise OutputError(
                located(
                    path, "unknown table format", expected=".csv or .parquet", found=path.suffix
                )
            )
    frame = long_table(report)
    for path in paths:
        try:
            if path.suffix == ".csv":
                frame.to_csv(path, index=False)
            else:
                frame.to_parquet(path, index=False)
        except OSError as error:
            raise OutputError(
                located(path, "can't write the table", found=error.strerror)
            ) from error
