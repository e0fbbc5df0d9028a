"""``gpusim capture``: record the OpenCL launches of any program."""

from __future__ import annotations

import sys
from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "capture",
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )(capture_command)


def capture_command(
    command: list[str] = typer.Argument(None, help="Program to run, with its arguments."),
    profile: str | None = typer.Option(
        None, "--as", help="Device to pretend to be: a profile id or a YAML file."
    ),
    output: Path = typer.Option(
        Path("out.gptrace"),
        "-o",
        "--output",
        help="Trace to write; with --build-shim the folder for the libraries.",
    ),
    mode: str = typer.Option(
        "auto", "--mode", help="How to get in between: auto, layer, preload or dropin."
    ),
    data: str = typer.Option(
        "auto", "--data", help="Buffer contents to keep: auto, none, hash or full."
    ),
    dry: bool = typer.Option(False, "--dry", help="Record without executing."),
    no_profiling: bool = typer.Option(
        False, "--no-profiling", help="Leave queues as the program made them: no device times."
    ),
    keep_raw: bool = typer.Option(False, "--keep-raw", help="Keep the raw log beside the trace."),
    build_shim: bool = typer.Option(
        False, "--build-shim", help="Compile the shim and say where it is; runs nothing."
    ),
    target: str | None = typer.Option(
        None, "--target", help="With --build-shim: aarch64-linux-gnu, arm-linux-gnueabihf."
    ),
) -> None:
    """Run PROGRAM and record every OpenCL launch; the exit code is the program's."""
    if build_shim:
        _build(target, output)
        return
    from gpusim.capture.run import capture
    from gpusim.errors import CaptureError, located

    if target is not None:
        raise CaptureError(located("--target", "is for --build-shim only"))
    result = capture(
        command or [],
        output=output,
        profile=profile,
        mode=mode,
        data=data,
        dry=dry,
        profiling=not no_profiling,
        keep_raw=keep_raw,
    )
    for captured in result.traces:
        print(f"gpusim: {captured.summary}", file=sys.stderr)
    raise typer.Exit(result.exit_code)


def _build(target: str | None, output: Path) -> None:
    from gpusim.capture.build import build_shim

    chosen = None if output == Path("out.gptrace") else output
    shim = build_shim(target, chosen)
    print(f"layer and preload: {shim.library}")
    print(f"drop-in: {shim.dropin}")
