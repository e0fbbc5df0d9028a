"""``gpusim replay``: run a trace on device models and show where the time goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gpusim.cli.limits import LimitOption
from gpusim.cli.output import CsvOption, JsonOption, print_csv, print_json, print_table, progress

if TYPE_CHECKING:
    from gpusim.report import Report


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("replay")(replay_command)


def replay_command(
    trace: Path = typer.Argument(help="A .gptrace, .gpraw or .jsonl trace."),
    device: list[str] = typer.Option(
        ..., "--device", help="Device model: an id or a YAML file; repeat to compare."
    ),
    fidelity: str = typer.Option("wave", help="analytic, wave or detailed."),
    perfetto: Path | None = typer.Option(None, help="Write the timeline as Perfetto JSON."),
    html: Path | None = typer.Option(None, help="Write a page that explains the result."),
    plot: Path | None = typer.Option(None, help="Write a plot of the jobs (PNG, SVG, PDF)."),
    table: list[Path] = typer.Option(
        [], "--table", "-o", help="Write the long table (.parquet or .csv); repeat for both."
    ),
    sass: bool = typer.Option(
        False, "--sass", help="Take instructions and registers of Jetson kernels from ptxas."
    ),
    limit: list[str] = LimitOption,
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Replay a trace on one or more device models."""
    from gpusim.cli.inputs import open_trace
    from gpusim.count.limits import parse_limits
    from gpusim.errors import GpusimError
    from gpusim.pipeline import replay
    from gpusim.report import (
        LAUNCH_COLUMNS,
        launch_rows,
        plot_replays,
        write_html,
        write_perfetto,
        write_tables,
    )

    if len(device) > 1 and (perfetto or table or html):
        raise GpusimError("--perfetto, --html and --table take one --device; run them one by one")
    limits = parse_limits(limit)
    opened = open_trace(trace)
    reports = []
    for name in device:
        with progress(f"replay on {name}") as update:
            reports.append(
                replay(
                    opened,
                    name,
                    fidelity=fidelity,
                    limits=limits,
                    sass=sass,
                    on_progress=update,
                )
            )
    if perfetto:
        write_perfetto(reports[0], perfetto)
    if html:
        write_html(reports[0], html)
    write_tables(reports[0], table)
    if plot:
        plot_replays(reports, plot, title=f"{trace.name}: jobs on the GPU")
    if as_json:
        documents = [report.as_json() for report in reports]
        print_json(documents[0] if len(documents) == 1 else {"replays": documents})
    elif as_csv:
        rows = [(report.device, *row) for report in reports for row in launch_rows(report)]
        print_csv(("device", *LAUNCH_COLUMNS), rows)
    else:
        for report in reports:
            print_report(report)
        if len(reports) > 1:
            print_totals(reports)
    exit_on_failures(reports)


def print_report(report: Report) -> None:
    """Print the table per launch and what the result rests on."""
    from gpusim.report import LAUNCH_COLUMNS, launch_rows

    rows = [
        (*row[:5], f"{row[5]:,}", f"{row[6]:,}", f"{row[7]:,}", f"{row[8]:.3f}", row[9])
        for row in launch_rows(report)
    ]
    title = f"{report.trace} on {report.device} ({report.fidelity})"
    print_table(LAUNCH_COLUMNS, rows, title=title, right=">    >>>> ")
    kinds = ", ".join(f"{number} {kind}" for kind, number in report.evidence.items() if number)
    typer.echo(f"total {report.total_ms:.3f} ms, host and driver included; figures used: {kinds}")
    typer.echo("")


def print_totals(reports: list[Report]) -> None:
    """Print the totals of several devices side by side, and per kernel."""
    kernels = list(dict.fromkeys(row.kernel for report in reports for row in report.launches))
    rows = []
    for kernel in kernels:
        cells = []
        for report in reports:
            ours = [row for row in report.launches if row.kernel == kernel]
            cells.append(f"{sum(row.predicted_ps for row in ours) / 1e9:.3f}")
        rows.append((kernel, *cells))
    n_jobs = [sum(row.n_jobs for row in report.launches) for report in reports]
    rows.append(("jobs", *map(str, n_jobs)))
    rows.append(("total with host", *[f"{report.total_ms:.3f}" for report in reports]))
    columns = ("ms on the GPU", *[report.device for report in reports])
    print_table(columns, rows, title="side by side", right=" " + ">" * len(reports))


def exit_on_failures(reports: list[Report]) -> None:
    """Name every launch that failed on stderr; exit 2 if there was one."""
    failures = [(report.device, failure) for report in reports for failure in report.failures]
    for name, failure in failures:
        launch = f"launch {failure.launch} ({failure.kernel})"
        place = launch if failure.launch >= 0 else failure.kernel
        typer.echo(f"gpusim: {name}: {place}: {failure.reason}", err=True)
    if failures:
        raise typer.Exit(2)
