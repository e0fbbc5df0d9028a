"""``gpusim demo``: the main job on a trace that ships, nothing to prepare."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from gpusim.cli.output import progress

if TYPE_CHECKING:
    from gpusim.report import Report

TRACE = "resnet50-l16-c97.gptrace"
DEVICES = ("mali-g72", "jetson-tx2")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("demo")(demo_command)


def demo_command(
    out: Path = typer.Option(Path("gpusim-demo"), help="Folder for the files it writes."),
) -> None:
    """Replay a shipped trace on two devices: tables, a timeline and a plot."""
    from gpusim import resources
    from gpusim.cli.inputs import open_trace
    from gpusim.cli.replay import exit_on_failures, print_report, print_totals
    from gpusim.errors import OutputError, located
    from gpusim.pipeline import replay
    from gpusim.report import plot_replays, write_html, write_perfetto, write_tables

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(located(out, "can't make the folder", found=error.strerror)) from error
    trace = open_trace(resources.traces_dir() / TRACE)
    typer.echo(
        "ResNet-50 layer 16 (3x3, 128 -> 97 channels) by the GEMM method, recorded as if on a\n"
        "Mali-G72: one weights reshape, then four inferences of im2col and GEMM.\n"
    )
    reports = []
    for device in DEVICES:
        with progress(f"replay on {device}") as update:
            reports.append(replay(trace, device, on_progress=update))
        print_report(reports[-1])
    print_totals(reports)
    written = [out / "replay.png"]
    plot_replays(reports, written[0], title="ResNet-50 layer 16, 97 channels: jobs on the GPU")
    for report in reports:
        timeline = out / f"timeline-{report.device}.json"
        write_perfetto(report, timeline)
        page = out / f"replay-{report.device}.html"
        write_html(report, page)
        write_tables(report, [out / f"metrics-{report.device}.csv"])
        written += [page, timeline, out / f"metrics-{report.device}.csv"]
    typer.echo("\nwritten:")
    for path in written:
        typer.echo(f"  {path}")
    typer.echo("open a timeline in ui.perfetto.dev or chrome://tracing")
    exit_on_failures(reports + _show_clblast(out))


def _show_clblast(out: Path) -> list[Report]:
    """Capture CLBlast as two devices and replay it on them, where it is installed."""
    from gpusim.cli.demo_clblast import DEVICES as PRESENTED
    from gpusim.cli.demo_clblast import build_client, capture_sgemm
    from gpusim.cli.inputs import open_trace
    from gpusim.cli.replay import print_report
    from gpusim.errors import CaptureError
    from gpusim.pipeline import replay

    reports = []
    with TemporaryDirectory() as folder:
        client = build_client(Path(folder))
        if client is None:
            typer.echo("\n(CLBlast is not installed here: capturing it is left out)")
            return []
        typer.echo("\nCLBlast's SGEMM 256x256x256, captured here as if on two devices:\n")
        for device in PRESENTED:
            try:
                trace = capture_sgemm(client, device, out)
            except CaptureError as error:
                typer.echo(f"(not captured as {device}: {error})")
                continue
            if trace is not None:
                reports.append(replay(open_trace(trace), device))
                print_report(reports[-1])
    return reports
