"""Sum up: Timeline -> long tables, plots, HTML, Perfetto."""

from gpusim.report.page import page_html, write_html
from gpusim.report.perfetto import write_perfetto
from gpusim.report.plot import plot_replays
from gpusim.report.report import Failure, JobRow, LaunchRow, Report, summarise
from gpusim.report.tables import (
    LAUNCH_COLUMNS,
    job_frame,
    launch_rows,
    long_table,
    size_text,
    write_tables,
)

__all__ = [
    "LAUNCH_COLUMNS",
    "Failure",
    "JobRow",
    "LaunchRow",
    "Report",
    "job_frame",
    "launch_rows",
    "long_table",
    "page_html",
    "plot_replays",
    "size_text",
    "summarise",
    "write_html",
    "write_perfetto",
    "write_tables",
]
