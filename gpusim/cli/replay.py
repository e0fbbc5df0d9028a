"""``gpusim replay``: run a trace on device models and show where the time goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gpusim.cli.limits import LimitOption
from gpusim.cli.output import (
    CsvOption,
    EvidenceOption,
    JsonOption,
    print_csv,
    print_json,
    print_support,
    print_table,
    progress,
)

if TYPE_CHECKING:
    from gpusim.report import Report
    from gpusim.study.time_interval import JudgedReplay

_INTERVAL_KEYS = ("predicted_low_ms", "predicted_high_ms", "interval_status")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("replay")(replay_command)


def replay_command(
    trace: Path = typer.Argument(help="A .gptrace, .gpraw or .jsonl trace."),
    device: list[str] = typer.Option(
        ..., "--device", help="Device model: an id or a YAML file; repeat to compare."
    ),
    fidelity: str = typer.Option("wave", help="analytic, wave, detailed, or all side by side."),
    clock: str | None = typer.Option(
        None, help="GPU clock, or a schedule: 0ms:400MHz,5ms:767MHz. Default: the device model's."
    ),
    flush_policy: str | None = typer.Option(
        None, help="Flush as often as this library: tflite, mindspore, tnn, paddle-lite, mnn, none."
    ),
    warm: bool = typer.Option(True, "--warm/--cold", help="GPU powered at the start, or not."),
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
    evidence: bool = EvidenceOption,
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Replay a trace on one or more device models."""
    from gpusim.cli.inputs import open_trace
    from gpusim.count.limits import parse_limits
    from gpusim.errors import GpusimError
    from gpusim.pipeline import replay, replay_fidelities
    from gpusim.report import (
        LAUNCH_COLUMNS,
        launch_rows,
        plot_replays,
        write_html,
        write_perfetto,
        write_tables,
    )
    from gpusim.timing import ClockSchedule, SimulationOptions

    if (len(device) > 1 or fidelity == "all") and (perfetto or table or html):
        raise GpusimError(
            "--perfetto, --html and --table take one --device and --fidelity; run them one by one"
        )
    schedule = None if clock is None else ClockSchedule.parse(clock)
    options = SimulationOptions(clock_schedule=schedule, flush_library=flush_policy, warm=warm)
    limits = parse_limits(limit)
    opened = open_trace(trace)
    reports = []
    for name in device:
        with progress(f"replay on {name}") as update:
            if fidelity == "all":
                reports += replay_fidelities(
                    opened,
                    name,
                    options=options,
                    limits=limits,
                    sass=sass,
                    on_progress=update,
                )
            else:
                reports.append(
                    replay(
                        opened,
                        name,
                        fidelity=fidelity,
                        options=options,
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
    judgements = _judge(reports, device)
    if as_json:
        documents = [judged.as_json(evidence=evidence) for judged in judgements]
        print_json(documents[0] if len(documents) == 1 else {"replays": documents})
    elif as_csv:
        rows = [
            (
                judged.report.device,
                *((judged.report.fidelity,) if fidelity == "all" else ()),
                *row,
                *one.interval.as_json().values(),
            )
            for judged in judgements
            for row, one in zip(launch_rows(judged.report), judged.launches, strict=True)
        ]
        which = ("device", "fidelity") if fidelity == "all" else ("device",)
        print_csv((*which, *LAUNCH_COLUMNS, *_INTERVAL_KEYS), rows)
    elif fidelity == "all":
        for name in dict.fromkeys(report.device for report in reports):
            print_fidelities([report for report in reports if report.device == name])
    else:
        for judged in judgements:
            print_report(judged.report, judged)
            if evidence:
                print_support(judged.support(), "launch")
                typer.echo(f"fitted or assumed: {', '.join(judged.report.fitted_and_assumed)}")
        if len(reports) > 1:
            print_totals(reports)
    exit_on_failures(reports)


def _judge(reports: list[Report], devices: list[str]) -> list[JudgedReplay]:
    from gpusim.device import load_device
    from gpusim.study.time_interval import judge_replay

    specs = {spec.id: spec for spec in map(load_device, devices)}
    return [judge_replay(report, specs[report.device]) for report in reports]


def print_report(report: Report, judged: JudgedReplay | None = None) -> None:
    """Print the table per launch, its intervals if given, and what the result rests on."""
    from gpusim.report import LAUNCH_COLUMNS, launch_rows

    rows: list[tuple[Any, ...]] = [
        (*row[:5], f"{row[5]:,}", f"{row[6]:,}", f"{row[7]:,}", f"{row[8]:.3f}", row[9])
        for row in launch_rows(report)
    ]
    columns: tuple[str, ...] = LAUNCH_COLUMNS
    total = ""
    if judged is not None:
        columns = (*LAUNCH_COLUMNS, "80 % interval", "based on")
        intervals = [one.interval for one in judged.launches]
        rows = [
            (*row, one.words(), one.status.value) for row, one in zip(rows, intervals, strict=True)
        ]
        total = f" (80 % interval {judged.total.words()}, {judged.total.status})"
    title = f"{report.trace} on {report.device} ({report.fidelity})"
    print_table(columns, rows, title=title, right=">    >>>> >")
    kinds = ", ".join(f"{number} {kind}" for kind, number in report.evidence.items() if number)
    typer.echo(
        f"total {report.total_ms:.3f} ms{total}, host and driver included; figures used: {kinds}"
    )
    typer.echo("")


def print_fidelities(reports: list[Report]) -> None:
    """Print what each fidelity says of every launch, with the difference to `wave`."""
    base = next(report for report in reports if report.fidelity == "wave")
    others = [report for report in reports if report is not base]
    rows = []
    for number, row in enumerate(base.launches):
        cells = [f"{report.launches[number].predicted_ps / 1e9:.3f}" for report in reports]
        cells += [_change(r.launches[number].predicted_ps, row.predicted_ps) for r in others]
        rows.append((str(row.index), row.kernel, *cells))
    totals = [f"{report.total_ms:.3f}" for report in reports]
    changes = [_change(report.total_ms, base.total_ms) for report in others]
    rows.append(("", "total with host", *totals, *changes))
    columns = (
        "launch",
        "kernel",
        *[f"{report.fidelity}, ms" for report in reports],
        *[f"{report.fidelity} to wave" for report in others],
    )
    title = f"{base.trace} on {base.device}: fidelities side by side"
    print_table(columns, rows, title=title, right="> " + ">" * (len(columns) - 2))
    for note in dict.fromkeys(note for report in reports for note in report.timeline.notes):
        typer.echo(note)


def _change(value: float, base: float) -> str:
    return f"{value / base - 1:+.1%}" if base else ""


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
