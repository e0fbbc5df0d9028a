"""``gpusim measure``: time kernels on a real OpenCL device, or import what another tool timed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gpusim.cli.output import JsonOption, print_json, progress

if TYPE_CHECKING:
    from gpusim.validation.measure import MeasureOptions
    from gpusim.validation.measured_rows import MeasuredRow


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("measure")(measure_command)


def measure_command(
    trace: Path | None = typer.Argument(None, help="A trace whose launches are run."),
    suite: bool = typer.Option(False, "--suite", help="Run our micro-benchmarks."),
    platform: int | None = typer.Option(None, "--platform", help="Number of the OpenCL platform."),
    device: int | None = typer.Option(None, "--device", help="Number of the device on it."),
    repeat: int = typer.Option(11, help="Timed passes; the median counts."),
    warmup: int = typer.Option(2, help="Passes before them; the first always runs."),
    only: str = typer.Option("", help="Only kernels whose name contains this."),
    name: str = typer.Option("", help="For the device column; default: what the device says."),
    timeout: float = typer.Option(300.0, help="Seconds without a sign of life: a kernel hangs."),
    imported: Path | None = typer.Option(
        None, "--import", help="Convert another tool's file instead of measuring."
    ),
    build: bool = typer.Option(False, "--build", help="Build a C program that measures on boards."),
    target: str | None = typer.Option(None, help="For --build: e.g. aarch64-linux-gnu."),
    like: str | None = typer.Option(
        None, "--like", help="For --build --suite: the device model that sizes the tests."
    ),
    output: Path | None = typer.Option(
        None, "-o", "--output", help="CSV to write (stdout without it); for --build a folder."
    ),
    as_json: bool = JsonOption,
) -> None:
    """Measure a trace's kernels or the micro-benchmark suite; write the measured schema."""
    from gpusim.validation.measure import MeasureOptions, check_options

    options = MeasureOptions(
        platform=platform,
        device=device,
        repeat=repeat,
        warmup=warmup,
        only=only,
        name=name,
        timeout_s=timeout,
    )
    check_options(options)
    _check_choice(trace, suite, imported, build)
    if imported is not None:
        _import(imported, name, output, as_json)
    elif build:
        _build(trace, target, like, options, output)
    else:
        _measure(trace, options, output, as_json)


def _check_choice(trace: Path | None, suite: bool, imported: Path | None, build: bool) -> None:
    from gpusim.errors import GpusimError

    given = (trace is not None) + suite + (imported is not None)
    if given != 1:
        raise GpusimError("measure: expected one of a TRACE, --suite and --import FILE")
    if build and imported is not None:
        raise GpusimError("--build takes a TRACE or --suite, not --import")


def _measure(
    trace: Path | None, options: MeasureOptions, output: Path | None, as_json: bool
) -> None:
    from gpusim.validation.measure import measure

    with progress("measure") as update:
        found = measure(trace, options, update)
    _write(found.rows, output, as_json)
    where = found.device["name"]
    good = len(found.rows) - len(found.failures)
    typer.echo(f"gpusim: {good} of {len(found.rows)} rows measured on {where}", err=True)
    reasons: dict[str, list[str]] = {}
    for place, reason in found.failures:
        reasons.setdefault(reason, []).append(place)
    for reason, places in reasons.items():
        more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        typer.echo(f"gpusim: {where}: {places[0]}{more}: {reason}", err=True)
    if found.failures:
        raise typer.Exit(2)


def _import(path: Path, name: str, output: Path | None, as_json: bool) -> None:
    from gpusim.validation.importers import import_measured

    result = import_measured(path, device=name)
    _write(result.rows, output, as_json)
    typer.echo(f"gpusim: {path.name}: {result.kind}, {len(result.rows)} rows", err=True)
    for note in result.notes:
        typer.echo(f"gpusim: {path.name}: {note}", err=True)


def _build(
    trace: Path | None,
    target: str | None,
    like: str | None,
    options: MeasureOptions,
    output: Path | None,
) -> None:
    from gpusim.capture.replayer import build_replayer, experiment_of_trace
    from gpusim.cli.inputs import open_trace
    from gpusim.errors import GpusimError

    if trace is not None:
        experiments = [experiment_of_trace(open_trace(trace), options.only)]
    elif like is None:
        raise GpusimError(
            "--build --suite needs --like MODEL: an id, or a model drafted by 'gpusim device new'"
        )
    else:
        from gpusim.device import load_device
        from gpusim.library.hand import PeakLimits
        from gpusim.validation.measure_suite import plan_suite

        limits = PeakLimits.of(load_device(like))
        experiments = list(plan_suite(limits, only=options.only))
    program = build_replayer(
        experiments,
        target=target,
        folder=output or Path(),
        repeat=options.repeat,
        warmup=options.warmup,
        device_name=options.name,
    )
    typer.echo(str(program))


def _write(rows: list[MeasuredRow], output: Path | None, as_json: bool) -> None:
    from dataclasses import asdict

    from gpusim.validation.measure import write_measured

    if as_json:
        print_json({"rows": [asdict(row) for row in rows]})
        if output is None:
            return
    write_measured(rows, output)
